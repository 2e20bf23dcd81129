// SPDX-License-Identifier: Apache-2.0
// docs/fsdemo-format.md, "What a reader has to refuse", field by field.
#include "fsdemo/crc32c.hpp"
#include "tests/fsdemo/volume_rig.hpp"
#include "tests/support/test_seed.hpp"

#include <cerrno>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

constexpr std::uint64_t blocks = 1000;

using byte_vector = std::vector<std::byte>;

template <typename Item>
byte_vector encoded(const Item& item) {
    const auto bytes = encode(item);
    return {bytes.view().begin(), bytes.view().end()};
}

byte_vector with(byte_vector bytes, std::size_t at, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i)
        bytes.at(at + i) = static_cast<std::byte>(value >> (8 * i));
    return bytes;
}

/// No prefix of the bytes is an item, but for one of a size that is an item too, and none with a byte more.
template <typename Decode>
void refuses_other_sizes(const byte_vector& good, Decode decode, std::size_t other_size = 0) {
    REQUIRE(decode(good));
    for (std::size_t size = 0; size < good.size(); ++size)
        CHECK(decode(bytes_view(good).first(size)) == (size != 0 && size == other_size));
    byte_vector longer = good;
    longer.push_back(std::byte{0});
    CHECK_FALSE(decode(longer));
}

encryption_context some_context() {
    encryption_context context;
    context.policy.contents_mode = fscrypt_mode::aes_256_xts;
    context.policy.filenames_mode = fscrypt_mode::aes_256_cts;
    context.nonce.fill(std::byte{0x5a});
    return context;
}

superblock some_super() {
    superblock super;
    super.uuid = uuid_of_tests();
    super.generation = 7;
    super.blocks = blocks;
    super.root = {55, 6};
    super.root_level = 2;
    super.next_inode = 99;
    super.free_blocks = 500;
    return super;
}

byte_vector encoded_super(const superblock& super) {
    byte_vector bytes(block_bytes);
    encode(super, bytes_span(bytes).first<block_bytes>());
    return bytes;
}

byte_vector sealed(byte_vector bytes) {
    store_little(bytes.data() + 8, crc32c(bytes_view(bytes).subspan(12)));
    return bytes;
}

bool is_super(const byte_vector& bytes) {
    std::string_view why;
    const bool is_good = decode_superblock(bytes_view(bytes).first<block_bytes>(), why).has_value();
    CHECK(why.empty() == is_good);
    return is_good;
}

/// An image with both superblocks, of generations 4 and 5.
struct two_states {
    two_states() {
        for (std::uint64_t n = 0; n < 4; ++n) {
            REQUIRE_FALSE(rig.tree().insert({item_type::dir_entry, 7, n}, counting_bytes(20)));
            REQUIRE_FALSE(rig.vol().commit());
        }
        REQUIRE(rig.vol().super().generation == 5);
    }

    byte_vector copy(block_number at) const {
        const auto bytes = bytes_view(rig.image).subspan(at * block_bytes, block_bytes);
        return {bytes.begin(), bytes.end()};
    }
    void put(block_number at, const byte_vector& bytes) {
        std::ranges::copy(bytes, rig.image.begin() + static_cast<std::ptrdiff_t>(at * block_bytes));
    }
    /// The generation, or a negative errno.
    long long opened(bool read_only = false) {
        rig.open_volume.reset();
        std::string why;
        const auto v = volume::open(*rig.device, rig.e, {.read_only = read_only}, why);
        CHECK(v.has_value() == why.empty());
        return v ? static_cast<long long>((*v)->super().generation) : -v.error().value();
    }

    volume_rig rig{64};
};

} // namespace

TEST_CASE("an inode with any field wrong is refused") {
    for (const bool is_encrypted : {false, true}) {
        inode_item item{inode_kind::file, 12345, 7, {}};
        if (is_encrypted)
            item.context = some_context();
        const auto decode = [](bytes_view bytes) { return decode_inode(inode_key(9), bytes).has_value(); };
        const byte_vector good = encoded(item);
        CHECK(good.size() == (is_encrypted ? 64 : 24));
        refuses_other_sizes(good, decode);
        CHECK_FALSE(decode(with(good, 0, 0, 1)));
        CHECK_FALSE(decode(with(good, 0, 3, 1)));
        CHECK_FALSE(decode(with(good, 0, 2, 1))); // a directory has no size
        CHECK(decode(with(with(good, 0, 2, 1), 8, 0, 8)));
        CHECK_FALSE(decode(with(good, 1, is_encrypted ? 0 : 1, 1)));
        CHECK_FALSE(decode(with(good, 1, is_encrypted ? 3 : 2, 1)));
        for (std::size_t at = 2; at < 8; ++at)
            CHECK_FALSE(decode(with(good, at, 1, 1)));
        CHECK(decode(with(good, 8, file_bytes_max, 8)));
        CHECK_FALSE(decode(with(good, 8, file_bytes_max + 1, 8)));
        CHECK_FALSE(decode(with(good, 16, 0, 8)));
        if (is_encrypted)
            CHECK_FALSE(decode(with(good, 24, 1, 1)));
        CHECK_FALSE(decode_inode({item_type::inode, 0, 0}, good));
        CHECK_FALSE(decode_inode({item_type::inode, 9, 1}, good));
    }
}

TEST_CASE("a directory entry with any field wrong is refused") {
    const tree_key key{item_type::dir_entry, 1, 0x1200};
    const auto decode = [&](bytes_view bytes) { return decode_dir_entry(key, bytes).has_value(); };
    const byte_vector good = encoded(dir_entry_item{5, inode_kind::file, "name"});
    CHECK(good.size() == 14);
    refuses_other_sizes(good, decode);
    for (const std::uint64_t inode : {0U, 1U})
        CHECK_FALSE(decode(with(good, 0, inode, 8)));
    for (const std::uint64_t kind : {0U, 3U})
        CHECK_FALSE(decode(with(good, 8, kind, 1)));
    for (const std::uint64_t length : {0U, 3U, 5U})
        CHECK_FALSE(decode(with(good, 9, length, 1)));
    CHECK_FALSE(decode(with(good, 11, '/', 1)));
    CHECK_FALSE(decode(with(good, 13, 0, 1)));
    for (const std::string_view name : {".", ".."})
        CHECK_FALSE(decode(encoded(dir_entry_item{5, inode_kind::file, name})));
    CHECK(decode(encoded(dir_entry_item{5, inode_kind::directory, std::string(255, '.')})));
    CHECK_FALSE(decode_dir_entry({item_type::dir_entry, 0, 0x1200}, good));
}

TEST_CASE("a part of a file with any field wrong is refused") {
    const tree_key key = file_extent_key(5, 8192);
    const auto decode = [&](bytes_view bytes) { return decode_file_extent(key, bytes, blocks).has_value(); };
    const byte_vector good = encoded(file_extent_item{100, 4096, 8192});
    CHECK(good.size() == 24);
    refuses_other_sizes(good, decode);
    for (const std::uint64_t extent :
         {std::uint64_t{0}, std::uint64_t{1}, blocks - 2, blocks, ~std::uint64_t{0}})
        CHECK_FALSE(decode(with(good, 0, extent, 8)));
    CHECK(decode(with(good, 0, blocks - 3, 8)));
    for (const std::uint64_t offset : {std::uint64_t{1}, std::uint64_t{128 << 20}, ~std::uint64_t{4095}})
        CHECK_FALSE(decode(with(good, 8, offset, 8)));
    for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{512}, ~std::uint64_t{4095}})
        CHECK_FALSE(decode(with(good, 16, length, 8)));
    CHECK_FALSE(decode_file_extent(file_extent_key(5, 512), good, blocks));
    CHECK_FALSE(decode_file_extent(file_extent_key(1, 0), good, blocks)); // the root is a directory
    CHECK_FALSE(decode_file_extent(file_extent_key(5, file_bytes_max - 4096), good, blocks));
    CHECK(decode_file_extent(file_extent_key(5, file_bytes_max - 8192), good, blocks));
}

TEST_CASE("an extent or a run of free blocks with any field wrong is refused") {
    for (const bool is_encrypted : {false, true}) {
        extent_item item{10, 1, {}};
        if (is_encrypted)
            item.context.emplace();
        const auto decode = [](bytes_view bytes) {
            return decode_extent(extent_key(50), bytes, blocks).has_value();
        };
        const byte_vector good = encoded(item);
        CHECK(good.size() == (is_encrypted ? 42 : 8));
        refuses_other_sizes(good, decode, is_encrypted ? 8 : 0);
        for (const std::uint64_t length : {std::uint64_t{0}, blocks - 49, std::uint64_t{0xffffffff}})
            CHECK_FALSE(decode(with(good, 0, length, 4)));
        CHECK(decode(with(good, 0, blocks - 50, 4)));
        CHECK_FALSE(decode(with(good, 4, 0, 4)));
        CHECK(decode_extent(extent_key(50), with(good, 0, 32768, 4), 100'000));
        CHECK_FALSE(decode_extent(extent_key(50), with(good, 0, 32769, 4), 100'000));
        CHECK_FALSE(decode_extent({item_type::extent, 50, 1}, good, blocks));
        for (const block_number first : {std::uint64_t{0}, std::uint64_t{1}, blocks, ~std::uint64_t{0}})
            CHECK_FALSE(decode_extent(extent_key(first), good, blocks));
    }
    const auto decode = [](bytes_view bytes) { return decode_free(free_key(50), bytes, blocks).has_value(); };
    const byte_vector good = encoded(free_item{10});
    refuses_other_sizes(good, decode);
    for (const std::uint64_t length : {std::uint64_t{0}, blocks - 49, ~std::uint64_t{0}})
        CHECK_FALSE(decode(with(good, 0, length, 8)));
    CHECK_FALSE(decode_free({item_type::free, 50, 1}, good, blocks));
    CHECK_FALSE(decode_free(free_key(1), good, blocks));
}

TEST_CASE("an item is what it was after encoding and decoding") {
    random_source random(test_seed());
    for (int i = 0; i < 1000; ++i) {
        inode_item inode{inode_kind::file, random.below(file_bytes_max + 1), 1 + random.next() / 2, {}};
        if (random.below(2) == 0)
            inode.context = some_context();
        const auto inode_back = decode_inode(inode_key(2), encode(inode));
        REQUIRE(inode_back);
        CHECK(inode_back->size_bytes == inode.size_bytes);
        CHECK(inode_back->parent == inode.parent);
        CHECK(inode_back->context == inode.context);

        const std::string name(1 + random.below(255), static_cast<char>('a' + random.below(26)));
        const auto bytes = encode(dir_entry_item{2 + random.below(1000), inode_kind::directory, name});
        const auto entry = decode_dir_entry({item_type::dir_entry, 1, 0}, bytes);
        REQUIRE(entry);
        CHECK(entry->name == name);

        extent_item extent{1 + static_cast<std::uint32_t>(random.below(32768)),
                           1 + static_cast<std::uint32_t>(random.below(1000)),
                           {}};
        if (random.below(2) == 0)
            random.fill(extent.context.emplace());
        const auto extent_back = decode_extent(extent_key(2), encode(extent), 40'000);
        REQUIRE(extent_back);
        CHECK(extent_back->blocks == extent.blocks);
        CHECK(extent_back->references == extent.references);
        CHECK(extent_back->context == extent.context);
    }
}

TEST_CASE("decoders take any bytes") {
    random_source random(test_seed() + 1);
    for (int i = 0; i < 20'000; ++i) {
        const auto bytes = random_bytes(random.below(300), random.next());
        const tree_key key{item_type::inode, random.below(3) * random.next(), random.below(2)};
        (void)decode_inode(key, bytes);
        (void)decode_dir_entry(key, bytes);
        (void)decode_file_extent(key, bytes, blocks);
        (void)decode_extent(key, bytes, blocks);
        (void)decode_free(key, bytes, blocks);
    }
}

TEST_CASE("a superblock with any field wrong is refused") {
    const byte_vector good = encoded_super(some_super());
    REQUIRE(is_super(good));
    CHECK_FALSE(is_super(with(good, 0, 'x', 1)));
    CHECK_FALSE(is_super(with(good, 7, 1, 1)));
    random_source random(test_seed() + 2);
    for (int i = 0; i < 200; ++i) {
        byte_vector flipped = good;
        flipped[random.below(block_bytes)] ^= std::byte{1} << random.below(8);
        CHECK_FALSE(is_super(flipped));
    }
    const auto wrong = [&](std::size_t at, std::uint64_t value, std::size_t size) {
        return !is_super(sealed(with(good, at, value, size)));
    };
    CHECK(wrong(12, 0, 4));
    CHECK(wrong(12, 2, 4));
    CHECK(wrong(56, 0, 8));
    CHECK(wrong(64, blocks_min - 1, 8));
    CHECK(wrong(64, blocks_max + 1, 8));
    CHECK(wrong(72, 1, 8));
    CHECK(wrong(72, blocks, 8));
    CHECK(wrong(80, 0, 8));
    CHECK(wrong(80, 8, 8)); // newer than the state
    CHECK(wrong(88, 16, 1));
    for (std::size_t at = 89; at < 96; ++at)
        CHECK(wrong(at, 1, 1));
    CHECK(wrong(96, 1, 8));
    CHECK(wrong(104, blocks, 8));
    CHECK(wrong(112, 1, 1));
    CHECK(wrong(4095, 1, 1));
    CHECK_FALSE(wrong(48, ~std::uint64_t{0}, 8)); // compatible features
}

TEST_CASE("of two superblocks the newest valid one counts") {
    two_states states;
    CHECK(states.opened() == 5);
    const byte_vector newest = states.copy(1);
    for (std::size_t sectors = 0; sectors < 8; ++sectors) {
        byte_vector torn = newest;
        std::fill(torn.begin() + static_cast<std::ptrdiff_t>(sectors * sector_size_bytes), torn.end(),
                  std::byte{0xee});
        states.put(1, torn);
        CHECK(states.opened() == 4);
    }
    states.put(1, newest);
    const byte_vector older = states.copy(0);
    states.put(0, byte_vector(block_bytes));
    CHECK(states.opened() == 5);
    // In the place of the other it would be overwritten by the state after it.
    states.put(0, newest);
    states.put(1, byte_vector(block_bytes));
    CHECK(states.opened() == -EUCLEAN);
    states.put(0, byte_vector(block_bytes));
    CHECK(states.opened() == -EMEDIUMTYPE);
    states.put(0, with(older, 100, 0xff, 1));
    CHECK(states.opened() == -EUCLEAN);
}

TEST_CASE("features that are not known keep an image from being read or written") {
    const auto opened_with = [](std::size_t at, std::uint64_t features, bool read_only) {
        two_states states;
        states.put(1, sealed(with(states.copy(1), at, features, 8)));
        return states.opened(read_only);
    };
    CHECK(opened_with(32, 1, false) == 5);
    CHECK(opened_with(32, 0, true) == -EOPNOTSUPP);
    CHECK(opened_with(32, 3, false) == -EOPNOTSUPP);
    CHECK(opened_with(32, std::uint64_t{1} << 63 | 1, true) == -EOPNOTSUPP);
    CHECK(opened_with(40, 1, false) == -EROFS);
    CHECK(opened_with(40, 1, true) == 5);
    CHECK(opened_with(48, 1, false) == 5);
}

TEST_CASE("the checksum of metadata is CRC-32C") {
    CHECK(crc32c(std::as_bytes(std::span("123456789", 9))) == 0xe3069283);
    CHECK(crc32c({}) == 0);
}
