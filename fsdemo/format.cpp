// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/format.hpp"

#include "fsdemo/crc32c.hpp"
#include "fsdemo/iv.hpp"

#include <algorithm>

namespace blkcrypto::fsdemo {
namespace {

constexpr std::array<char, 8> super_magic{'f', 's', 'd', 'e', 'm', 'o', 0, 0};
constexpr std::uint32_t super_version = 1;
constexpr std::size_t super_end = 112;

constexpr std::size_t inode_plain_bytes = 24;
constexpr std::uint8_t inode_flag_encrypted = 1;
constexpr std::size_t dir_entry_head_bytes = 10;
constexpr std::size_t extent_plain_bytes = 8;

template <typename Integer>
Integer load(bytes_view bytes, std::size_t at) noexcept {
    return load_little<Integer>(bytes.data() + at);
}

bool is_block_aligned(std::uint64_t bytes) noexcept {
    return (bytes & (block_bytes - 1)) == 0;
}

// A run of blocks that data may be in.
bool lies_on_image(block_number first, std::uint64_t count, std::uint64_t blocks) noexcept {
    return first >= superblock_count && first < blocks && count <= blocks - first;
}

std::string_view what_is_wrong_with(const superblock& super) noexcept {
    if (super.blocks < blocks_min || super.blocks > blocks_max)
        return "its size is none";
    if (super.generation == 0 || super.root.generation == 0 || super.root.generation > super.generation)
        return "its generations do not fit";
    if (!lies_on_image(super.root.block, 1, super.blocks))
        return "its root is not on the image";
    if (super.root_level > level_max)
        return "its root's level is too high";
    if (super.next_inode <= root_inode || super.next_inode > inode_numbers_max ||
        super.free_blocks >= super.blocks)
        return "its counts do not fit";
    return {};
}

} // namespace

// --- superblock ---

void encode(const superblock& super, block_bytes_span into) noexcept {
    std::ranges::fill(into, std::byte{0});
    std::byte* const to = into.data();
    std::memcpy(to, super_magic.data(), super_magic.size());
    store_little(to + 12, super_version);
    std::memcpy(to + 16, super.uuid.data(), super.uuid.size());
    store_little(to + 32, super.incompatible);
    store_little(to + 40, super.read_only_compatible);
    store_little(to + 48, super.compatible);
    store_little(to + 56, super.generation);
    store_little(to + 64, super.blocks);
    store_little(to + 72, super.root.block);
    store_little(to + 80, super.root.generation);
    to[88] = std::byte{super.root_level};
    store_little(to + 96, super.next_inode);
    store_little(to + 104, super.free_blocks);
    store_little(to + 8, crc32c(into.subspan(12)));
}

std::optional<superblock> decode_superblock(block_bytes_view bytes, std::string_view& why) noexcept {
    if (std::memcmp(bytes.data(), super_magic.data(), super_magic.size()) != 0) {
        why = not_a_superblock;
        return std::nullopt;
    }
    if (load<std::uint32_t>(bytes, 8) != crc32c(bytes.subspan(12))) {
        why = "wrong checksum";
        return std::nullopt;
    }
    if (load<std::uint32_t>(bytes, 12) != super_version) {
        why = "a version that is not known";
        return std::nullopt;
    }
    superblock super;
    std::memcpy(super.uuid.data(), bytes.data() + 16, super.uuid.size());
    super.incompatible = load<std::uint64_t>(bytes, 32);
    super.read_only_compatible = load<std::uint64_t>(bytes, 40);
    super.compatible = load<std::uint64_t>(bytes, 48);
    super.generation = load<std::uint64_t>(bytes, 56);
    super.blocks = load<std::uint64_t>(bytes, 64);
    super.root = {load<std::uint64_t>(bytes, 72), load<std::uint64_t>(bytes, 80)};
    super.root_level = static_cast<std::uint8_t>(bytes[88]);
    super.next_inode = load<std::uint64_t>(bytes, 96);
    super.free_blocks = load<std::uint64_t>(bytes, 104);
    why = what_is_wrong_with(super);
    if (why.empty() && (!are_zeros(bytes.subspan(89, 7)) || !are_zeros(bytes.subspan(super_end))))
        why = "not zero where it has to be";
    return why.empty() ? std::optional(super) : std::nullopt;
}

// --- items ---

item_bytes<64> encode(const inode_item& item) noexcept {
    item_bytes<64> out;
    out.put_byte(static_cast<std::uint8_t>(item.kind));
    out.put_byte(item.context ? inode_flag_encrypted : 0);
    out.put_zeros(6);
    out.put_little(item.size_bytes);
    out.put_little(item.parent);
    if (item.context)
        out.put(encode(*item.context));
    return out;
}

item_bytes<10 + name_bytes_max> encode(const dir_entry_item& item) noexcept {
    item_bytes<10 + name_bytes_max> out;
    out.put_little(item.inode);
    out.put_byte(static_cast<std::uint8_t>(item.kind));
    out.put_byte(static_cast<std::uint8_t>(item.name.size()));
    out.put(std::as_bytes(std::span(item.name)));
    return out;
}

item_bytes<24> encode(const file_extent_item& item) noexcept {
    item_bytes<24> out;
    out.put_little(item.extent);
    out.put_little(item.offset_bytes);
    out.put_little(item.length_bytes);
    return out;
}

item_bytes<42> encode(const extent_item& item) noexcept {
    item_bytes<42> out;
    out.put_little(item.blocks);
    out.put_little(item.references);
    if (item.context)
        out.put(*item.context);
    return out;
}

item_bytes<8> encode(const free_item& item) noexcept {
    item_bytes<8> out;
    out.put_little(item.blocks);
    return out;
}

std::optional<inode_item> decode_inode(const tree_key& key, bytes_view bytes) noexcept {
    if (bytes.size() < inode_plain_bytes || key.object == 0 || key.offset != 0 ||
        !are_zeros(bytes.subspan(2, 6)))
        return std::nullopt;
    inode_item item;
    item.kind = static_cast<inode_kind>(bytes[0]);
    item.size_bytes = load<std::uint64_t>(bytes, 8);
    item.parent = load<std::uint64_t>(bytes, 16);
    const bool is_file = item.kind == inode_kind::file;
    if ((!is_file && item.kind != inode_kind::directory) || item.parent == 0 ||
        item.size_bytes > (is_file ? file_bytes_max : 0))
        return std::nullopt;
    const auto flags = static_cast<std::uint8_t>(bytes[1]);
    if (flags == 0)
        return bytes.size() == inode_plain_bytes ? std::optional(item) : std::nullopt;
    const auto context = decode_context(bytes.subspan(inode_plain_bytes));
    if (flags != inode_flag_encrypted || !context)
        return std::nullopt;
    item.context = *context;
    return item;
}

std::optional<dir_entry_item> decode_dir_entry(const tree_key& key, bytes_view bytes) noexcept {
    if (bytes.size() <= dir_entry_head_bytes || key.object == 0)
        return std::nullopt;
    dir_entry_item item;
    item.inode = load<std::uint64_t>(bytes, 0);
    item.kind = static_cast<inode_kind>(bytes[8]);
    const bytes_view name = bytes.subspan(dir_entry_head_bytes);
    item.name = {reinterpret_cast<const char*>(name.data()), name.size()};
    const bool is_valid = item.inode > root_inode &&
                          (item.kind == inode_kind::file || item.kind == inode_kind::directory) &&
                          static_cast<std::size_t>(bytes[9]) == name.size() && is_valid_name(item.name);
    return is_valid ? std::optional(item) : std::nullopt;
}

std::optional<file_extent_item> decode_file_extent(const tree_key& key, bytes_view bytes,
                                                   std::uint64_t blocks) noexcept {
    if (bytes.size() != 24 || key.object <= root_inode)
        return std::nullopt;
    const file_extent_item item{load<std::uint64_t>(bytes, 0), load<std::uint64_t>(bytes, 8),
                                load<std::uint64_t>(bytes, 16)};
    constexpr std::uint64_t extent_bytes_max = std::uint64_t{extent_blocks_max} << block_bits;
    const bool is_valid =
        is_block_aligned(key.offset | item.offset_bytes | item.length_bytes) && item.length_bytes != 0 &&
        item.length_bytes <= extent_bytes_max && item.offset_bytes <= extent_bytes_max - item.length_bytes &&
        key.offset <= file_bytes_max - item.length_bytes &&
        lies_on_image(item.extent, (item.offset_bytes + item.length_bytes) >> block_bits, blocks);
    return is_valid ? std::optional(item) : std::nullopt;
}

std::optional<extent_item> decode_extent(const tree_key& key, bytes_view bytes,
                                         std::uint64_t blocks) noexcept {
    const bool is_encrypted = bytes.size() == extent_plain_bytes + extent_context_size_bytes;
    if ((!is_encrypted && bytes.size() != extent_plain_bytes) || key.offset != 0)
        return std::nullopt;
    extent_item item;
    item.blocks = load<std::uint32_t>(bytes, 0);
    item.references = load<std::uint32_t>(bytes, 4);
    if (is_encrypted) {
        item.context.emplace();
        std::memcpy(item.context->data(), bytes.data() + extent_plain_bytes, extent_context_size_bytes);
    }
    const bool is_valid = item.blocks != 0 && item.blocks <= extent_blocks_max && item.references != 0 &&
                          lies_on_image(key.object, item.blocks, blocks);
    return is_valid ? std::optional(item) : std::nullopt;
}

std::optional<free_item> decode_free(const tree_key& key, bytes_view bytes, std::uint64_t blocks) noexcept {
    if (bytes.size() != 8 || key.offset != 0)
        return std::nullopt;
    const free_item item{load<std::uint64_t>(bytes, 0)};
    const bool is_valid = item.blocks != 0 && lies_on_image(key.object, item.blocks, blocks);
    return is_valid ? std::optional(item) : std::nullopt;
}

// --- names ---

bool is_valid_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= name_bytes_max && name != "." && name != ".." &&
           name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

std::uint64_t hash_name(const filesystem_uuid& uuid, std::string_view name) noexcept {
    return siphash(uuid, std::as_bytes(std::span(name))) & ~std::uint64_t{0xff};
}

} // namespace blkcrypto::fsdemo
