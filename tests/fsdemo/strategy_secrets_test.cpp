// SPDX-License-Identifier: Apache-2.0
// No strategy leaves a key behind: when a master key goes, every map, pool, slot and cache is without its
// extents' keys, and this process's memory says so.
#include "tests/cipher/key_secrets.hpp"
#include "tests/fsdemo/crypt_rig.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/test_seed.hpp"

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

constexpr strategy_options few{.pool_size = 3, .keyslots = 3};

// Looking for all of them takes a minute.
constexpr std::size_t pieces_apart = 4;

/// The keys of a file's extents, and some of what this library's own ciphers expand them into.
std::vector<masked_pattern> hidden_keys(crypt_rig& r, const open_file& file, std::uint64_t key_number,
                                        fscrypt_mode mode) {
    std::vector<masked_pattern> pieces;
    for (const extent_row& row : r.extents(file))
        for (const masked_pattern& key : hidden_extent_key(key_number, row.context->nonce, mode))
            pieces.push_back(key);
    auto material = master_key_bytes(key_number);
    const auto hkdf = hkdf_sha512::make(material);
    zeroize(material);
    zeroized_bytes key(find_mode(block_mode(mode))->key_size_bytes);
    for (const extent_row& row : r.extents(file)) {
        derive(*hkdf, hkdf_context::per_extent_enc_key, row.context->nonce, key);
        for (const cipher_secret& secret : secrets_of_key(block_mode(mode), key))
            if (secret.is_kept) {
                auto all = masked_pieces(secret.bytes);
                for (std::size_t i = 0; i < all.size(); i += pieces_apart)
                    pieces.push_back(std::move(all[i]));
            }
    }
    wipe_stack<16384>();
    return pieces;
}

bool has_own_cipher(fscrypt_mode mode) {
    return selected_implementation(block_mode(mode))->placed.make_at != nullptr;
}

void use(crypt_rig& r, open_file& file, std::uint64_t count) {
    for (std::uint64_t n = 0; n < count; ++n) {
        const auto block = random_bytes(block_bytes, test_seed() + n);
        REQUIRE_FALSE(write_at(*r.fs, file, 2 * n * block_bytes, block));
        CHECK(*read_at(*r.fs, file, 2 * n * block_bytes, block_bytes) == block);
    }
}

} // namespace

TEST_CASE("once a master key is removed nothing of its extents' keys is in memory, under any strategy") {
    if (!is_optimised || !allocation_counter::available()) {
        MESSAGE("skipped, not optimised, or the heap is not ours to count");
        return;
    }
    for (const strategy_info& s : strategies())
        for (const fscrypt_mode mode : contents_modes)
            for (const unsigned derived : {0U, 16U}) {
                if (derived != 0 && mode != fscrypt_mode::aes_256_xts)
                    continue; // the cache does not look at the mode
                if (s.name == "library-key" && !has_own_cipher(mode))
                    continue;
                CAPTURE(s.name);
                crypt_rig r(s, few, {.derived_keys_max = derived});
                std::optional<file_handle> gone = r.new_encrypted_file("gone", mode, 0, 1);
                std::optional<file_handle> stays = r.new_encrypted_file("stays", mode, 0, 2);
                const auto key = (*gone)->item().policy()->master_key_identifier;
                const auto last = (*stays)->item().policy()->master_key_identifier;
                use(r, **gone, 5); // more than transforms
                use(r, **stays, 1);
                const auto pieces = hidden_keys(r, **gone, 1, mode);
                const auto kept = hidden_keys(r, **stays, 2, mode);
                if (has_own_cipher(mode) || derived != 0)
                    CHECK(count_in_memory(pieces) > 0);
                gone.reset();
                CHECK_FALSE(r.fs->keys().remove(key)->files_busy);
                CHECK(count_in_memory(pieces) == 0);
                if (has_own_cipher(mode) || derived != 0)
                    CHECK(count_in_memory(kept) > 0); // it is not that nothing is left of anything
                stays.reset();
                CHECK_FALSE(r.fs->keys().remove(last)->files_busy);
                CHECK(count_in_memory(kept) == 0); // not even of the one that was derived last
            }
}

TEST_CASE("what a strategy has of a file's keys beside the caches goes when the filesystem does") {
    if (!is_optimised || !allocation_counter::available()) {
        MESSAGE("skipped, not optimised, or the heap is not ours to count");
        return;
    }
    for (const strategy_info& s : strategies()) {
        CAPTURE(s.name);
        crypt_rig r(s, few);
        std::vector<masked_pattern> pieces;
        {
            const auto file = r.new_encrypted_file("f", fscrypt_mode::aes_256_xts);
            use(r, *file, 5);
            pieces = hidden_keys(r, *file, 1, fscrypt_mode::aes_256_xts);
        }
        CHECK(count_in_memory(pieces) > 0);
        r.fs.reset(); // the strategy stays
        CHECK(count_in_memory(pieces) == 0);
    }
}

TEST_CASE("an info that makes room for another takes its key out of every transform") {
    if (!is_optimised || !allocation_counter::available()) {
        MESSAGE("skipped, not optimised, or the heap is not ours to count");
        return;
    }
    for (const strategy_info& s : strategies()) {
        CAPTURE(s.name);
        crypt_rig r(s, few, {.keys_max = 1, .derived_keys_max = 0});
        const auto file = r.new_encrypted_file("f", fscrypt_mode::aes_256_xts);
        use(r, *file, 1);
        const auto pieces = hidden_keys(r, *file, 1, fscrypt_mode::aes_256_xts);
        CHECK(count_in_memory(pieces) > 0);
        REQUIRE_FALSE(write_at(*r.fs, *file, 8 * block_bytes, random_bytes(block_bytes, test_seed())));
        CHECK(count_in_memory(pieces) == 0);
    }
}
