// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is on an image, as docs/fsdemo-format.md has it: the superblock, the keys and items of the tree. From
// bytes to structs and back; all bytes are untrusted, every decoder is total. Nodes are in node.hpp.

#include "blkcrypto/base/bytes.hpp"
#include "blkcrypto/base/units.hpp"
#include "fsdemo/policy.hpp"

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

namespace blkcrypto::fsdemo {

inline constexpr std::uint32_t block_bytes = 4096;
inline constexpr unsigned block_bits = 12;
inline constexpr std::uint64_t blocks_min = 64;
inline constexpr std::uint64_t blocks_max = std::uint64_t{1} << (40 - block_bits); // 1 TiB
inline constexpr std::uint64_t superblock_count = 2;
inline constexpr unsigned level_max = 15;
inline constexpr std::uint32_t extent_blocks_max = 32768;
inline constexpr std::uint64_t file_bytes_max = (std::uint64_t{1} << 63) - block_bytes;
inline constexpr std::size_t name_bytes_max = 255;
/// Far more than are ever made; those above are not given out.
inline constexpr std::uint64_t inode_numbers_max = std::uint64_t{1} << 62;

using filesystem_uuid = std::array<std::byte, 16>;
using block_number = std::uint64_t;
using inode_number = std::uint64_t;
inline constexpr inode_number root_inode = 1;

using block_bytes_view = std::span<const std::byte, block_bytes>;
using block_bytes_span = std::span<std::byte, block_bytes>;

/// Memory for a block that any device can be read into.
struct block_buffer {
    alignas(block_bytes) std::array<std::byte, block_bytes> bytes{};
};

constexpr sector sector_of(block_number block) noexcept {
    return sector{block << (block_bits - sector_bits)};
}
constexpr std::uint64_t round_up_to_block(std::uint64_t bytes) noexcept {
    return (bytes + block_bytes - 1) & ~std::uint64_t{block_bytes - 1};
}

inline bool are_zeros(bytes_view bytes) noexcept {
    return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

// --- superblock ---

inline constexpr std::uint64_t feature_per_extent_keys = 1;

/// Where a node is, and which one is expected there.
struct node_ref {
    block_number block = 0;
    std::uint64_t generation = 0;
};

struct superblock {
    filesystem_uuid uuid{};
    std::uint64_t incompatible = feature_per_extent_keys;
    std::uint64_t read_only_compatible = 0;
    std::uint64_t compatible = 0;
    std::uint64_t generation = 0;
    std::uint64_t blocks = 0;
    node_ref root;
    std::uint8_t root_level = 0;
    inode_number next_inode = root_inode;
    std::uint64_t free_blocks = 0;
};

void encode(const superblock& super, block_bytes_span into) noexcept;
/// Nothing: `why` says what is wrong with it, `not_a_superblock` if it does not begin like one. Features are
/// not judged.
inline constexpr std::string_view not_a_superblock = "no fsdemo image";
std::optional<superblock> decode_superblock(block_bytes_view bytes, std::string_view& why) noexcept;

// --- keys and items of the tree ---

enum class item_type : std::uint8_t { inode = 1, dir_entry = 2, file_extent = 3, extent = 4, free = 5 };

struct tree_key {
    item_type type{};
    std::uint64_t object = 0;
    std::uint64_t offset = 0;

    auto operator<=>(const tree_key&) const = default;
};
inline constexpr std::size_t key_bytes = 17;

inline void store_key(std::byte* to, const tree_key& key) noexcept {
    to[0] = static_cast<std::byte>(key.type);
    store_little(to + 1, key.object);
    store_little(to + 9, key.offset);
}
inline tree_key load_key(const std::byte* from) noexcept {
    return {static_cast<item_type>(from[0]), load_little<std::uint64_t>(from + 1),
            load_little<std::uint64_t>(from + 9)};
}

constexpr tree_key inode_key(inode_number inode) {
    return {item_type::inode, inode, 0};
}
constexpr tree_key file_extent_key(inode_number inode, std::uint64_t offset_bytes) {
    return {item_type::file_extent, inode, offset_bytes};
}
constexpr tree_key extent_key(block_number first) {
    return {item_type::extent, first, 0};
}
constexpr tree_key free_key(block_number first) {
    return {item_type::free, first, 0};
}

/// The bytes of an item, made on the stack.
template <std::size_t Capacity>
class item_bytes {
  public:
    bytes_view view() const noexcept { return {bytes_.data(), size_}; }
    operator bytes_view() const noexcept { return view(); }

    void put(bytes_view more) noexcept {
        std::memcpy(bytes_.data() + size_, more.data(), more.size());
        size_ += more.size();
    }
    template <typename Integer>
    void put_little(Integer value) noexcept {
        store_little(bytes_.data() + size_, value);
        size_ += sizeof(value);
    }
    void put_byte(std::uint8_t value) noexcept { bytes_[size_++] = std::byte{value}; }
    void put_zeros(std::size_t count) noexcept { size_ += count; }

  private:
    std::array<std::byte, Capacity> bytes_{};
    std::size_t size_ = 0;
};

enum class inode_kind : std::uint8_t { file = 1, directory = 2 };

struct inode_item {
    inode_kind kind{};
    std::uint64_t size_bytes = 0;
    inode_number parent = 0;
    std::optional<encryption_context> context; // none: not encrypted

    const encryption_policy* policy() const noexcept { return context ? &context->policy : nullptr; }
};

struct dir_entry_item {
    inode_number inode = 0;
    inode_kind kind{};
    std::string_view name; // in the bytes it was decoded from
};

/// A part of a file: where it is in an extent. Where in the file is its key.
struct file_extent_item {
    block_number extent = 0;
    std::uint64_t offset_bytes = 0; // in the extent
    std::uint64_t length_bytes = 0;
};

struct extent_item {
    std::uint32_t blocks = 0;
    std::uint32_t references = 0;
    std::optional<std::array<std::byte, extent_context_size_bytes>> context; // as stored

    std::uint64_t length_bytes() const noexcept { return std::uint64_t{blocks} << block_bits; }
};

struct free_item {
    std::uint64_t blocks = 0;
};

item_bytes<64> encode(const inode_item& item) noexcept;
item_bytes<10 + name_bytes_max> encode(const dir_entry_item& item) noexcept;
item_bytes<24> encode(const file_extent_item& item) noexcept;
item_bytes<42> encode(const extent_item& item) noexcept;
item_bytes<8> encode(const free_item& item) noexcept;
inline constexpr std::size_t item_bytes_max = 10 + name_bytes_max;

/// Nothing for bytes that are no such item under that key, on an image of `blocks` blocks.
std::optional<inode_item> decode_inode(const tree_key& key, bytes_view bytes) noexcept;
std::optional<dir_entry_item> decode_dir_entry(const tree_key& key, bytes_view bytes) noexcept;
std::optional<file_extent_item> decode_file_extent(const tree_key& key, bytes_view bytes,
                                                   std::uint64_t blocks) noexcept;
std::optional<extent_item> decode_extent(const tree_key& key, bytes_view bytes,
                                         std::uint64_t blocks) noexcept;
std::optional<free_item> decode_free(const tree_key& key, bytes_view bytes, std::uint64_t blocks) noexcept;

/// A name that may be in a directory.
bool is_valid_name(std::string_view name) noexcept;

/// The hash of a name, its lowest byte 0.
std::uint64_t hash_name(const filesystem_uuid& uuid, std::string_view name) noexcept;

} // namespace blkcrypto::fsdemo
