// SPDX-License-Identifier: Apache-2.0
// Every strategy fails at each of its steps: memory, the transform itself, deriving and setting the key, the
// module, the limit. Who asked is told, nothing is leaked, and what does not need the missing thing goes on.
#include "tests/fsdemo/crypt_rig.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/test_cipher.hpp"
#include "tests/support/test_seed.hpp"

#include <cerrno>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

constexpr strategy_options few{.pool_size = 3, .keyslots = 3};
constexpr unsigned extent_count = 6;

std::vector<std::byte> block_of(std::uint64_t number) {
    return random_bytes(block_bytes, test_seed() + number);
}

/// A file of some extents in an encrypted directory, closed again; its inode.
inode_number prepare(crypt_rig& r, fscrypt_mode mode) {
    const auto policy = policy_under(r.add_key(), mode);
    const inode_number directory = r.encrypted_directory("d", policy);
    const inode_number inode = r.fs->create_file(directory, "f").value();
    const auto file = *r.fs->open(inode);
    for (unsigned n = 0; n < extent_count; ++n)
        REQUIRE_FALSE(write_at(*r.fs, *file, 2 * n * block_bytes, block_of(n)));
    return inode;
}

struct attempt {
    std::error_code opening;
    std::vector<std::error_code> reads; // by extent; nothing: not opened
    bool all_right() const {
        return !opening && std::ranges::none_of(reads, [](const auto& e) { return bool(e); });
    }
};

attempt try_all(crypt_rig& r, inode_number inode) {
    attempt a;
    auto file = r.fs->open(inode);
    if (!file) {
        a.opening = file.error();
        return a;
    }
    for (unsigned n = 0; n < extent_count; ++n) {
        const auto expected = block_of(n); // may itself run out of memory
        const auto data = read_at(*r.fs, **file, 2 * n * block_bytes, block_bytes);
        a.reads.push_back(data ? std::error_code{} : data.error());
        if (data)
            CHECK(*data == expected); // right, or not at all
    }
    return a;
}

/// What a strategy keeps when no filesystem is mounted any more: what it made for a mode, whole.
std::uint64_t kept_transforms(std::string_view name) {
    if (name == "clone-transform")
        return 1;
    return name == "pool-global" || name == "prepared-map" || name == "fallback-keyslots" ? few.pool_size : 0;
}

void check_nothing_is_left(crypt_rig& r, const strategy_info& s) {
    r.fs.reset();
    if (s.make == nullptr)
        return;
    const strategy_figures left = r.stack->strategy()->figures(r.e);
    CHECK(left.transforms == kept_transforms(s.name));
    CHECK((left.transform_bytes == 0) == (left.transforms == 0));
}

} // namespace

TEST_CASE(
    "each allocation that a strategy asks for fails in turn: ENOMEM at open or of the I/O, then all is well") {
    for (const strategy_info& s : strategies()) {
        CAPTURE(s.name);
        bool has_failed = true;
        for (std::uint64_t failing = 0; has_failed; ++failing) {
            crypt_rig r(s, few, {.keys_max = 4, .derived_keys_max = 0});
            const inode_number inode = prepare(r, fscrypt_mode::aes_256_xts);
            REQUIRE_FALSE(r.fs->sync());
            r.change_strategy(s, few, {.keys_max = 4, .derived_keys_max = 0});
            r.add_key();
            r.hooks.failing = r.hooks.allocations + failing;
            const attempt a = try_all(r, inode);
            has_failed = r.hooks.allocations > r.hooks.failing;
            CHECK(a.all_right() == !has_failed);
            if (a.opening)
                CHECK(a.opening == make_error(ENOMEM));
            for (const std::error_code& error : a.reads)
                CHECK((!error || error == make_error(ENOMEM)));
            r.hooks.failing = UINT64_MAX;
            CHECK(try_all(r, inode).all_right());
            check_nothing_is_left(r, s);
            REQUIRE(failing < 100);
        }
    }
}

TEST_CASE("each tfm that cannot be made is ENOMEM where it was to be made, and later there is one") {
    constexpr fscrypt_mode mode = fscrypt_mode::sm4_xts;
    for (const strategy_info& s : strategies()) {
        if (s.name == "library-key" || s.make == nullptr) // make none
            continue;
        CAPTURE(s.name);
        const second_mode stand_in(block_mode(mode));
        bool has_failed = true;
        for (int allowed = 0; has_failed; ++allowed) {
            crypt_rig r(s, few, {.keys_max = 4, .derived_keys_max = 0});
            const inode_number inode = prepare(r, mode);
            REQUIRE_FALSE(r.fs->sync());
            r.change_strategy(s, few, {.keys_max = 4, .derived_keys_max = 0});
            r.add_key();
            second_mode::allow_tfms(allowed);
            const attempt a = try_all(r, inode);
            has_failed = !a.all_right();
            if (a.opening)
                CHECK(a.opening == make_error(ENOMEM));
            for (const std::error_code& error : a.reads)
                CHECK((!error || error == make_error(ENOMEM)));
            second_mode::allow_tfms(1000);
            CHECK(try_all(r, inode).all_right());
            check_nothing_is_left(r, s);
            r.stack.reset();
            CHECK(second_mode::tfms() == 0);
            REQUIRE(allowed < 100);
        }
    }
}

TEST_CASE("each key that cannot be derived is EIO where it was needed, there alone, and later there is one") {
    for (const strategy_info& s : strategies()) {
        CAPTURE(s.name);
        bool has_failed = true;
        for (std::uint64_t failing = 0; has_failed; ++failing) {
            CAPTURE(failing);
            crypt_rig r(s, few, {.keys_max = 4, .derived_keys_max = 0});
            const inode_number inode = prepare(r, fscrypt_mode::aes_256_xts);
            REQUIRE_FALSE(r.fs->sync());
            r.change_strategy(s, few, {.keys_max = 4, .derived_keys_max = 0});
            r.add_key();
            r.hooks.failing_derivation = r.hooks.derivations + failing;
            const attempt a = try_all(r, inode);
            has_failed = r.hooks.derivations > r.hooks.failing_derivation;
            CHECK(a.opening == (has_failed && s.name == "all-at-open" ? make_error(EIO) : std::error_code{}));
            const auto failed = std::ranges::count(a.reads, make_error(EIO));
            CHECK(failed == (has_failed && !a.opening ? 1 : 0));
            CHECK(std::ranges::count(a.reads, std::error_code{}) + failed == std::ssize(a.reads));
            r.hooks.failing_derivations = 0;
            CHECK(try_all(r, inode).all_right());
            check_nothing_is_left(r, s);
            REQUIRE(failing < 100);
        }
    }
}

TEST_CASE("no transform, keyslot or waiter is lost however many keys in a row cannot be derived") {
    for (const strategy_info& s : strategies()) {
        CAPTURE(s.name);
        crypt_rig r(s, few, {.keys_max = 1, .derived_keys_max = 0});
        const inode_number inode = prepare(r, fscrypt_mode::aes_256_xts);
        REQUIRE_FALSE(r.fs->sync());
        r.hooks.failing_derivation = r.hooks.derivations;
        r.hooks.failing_derivations = UINT64_MAX / 2;
        for (unsigned times = 0; times < 4; ++times) { // more than there are transforms
            const attempt a = try_all(r, inode);
            CHECK((a.opening || std::ranges::count(a.reads, make_error(EIO)) >= extent_count - 1));
        }
        CHECK(r.fs->in_flight() == 0);
        r.hooks.failing_derivations = 0;
        CHECK(try_all(r, inode).all_right());
        check_nothing_is_left(r, s);
    }
}

TEST_CASE("a key that is refused fails its I/O alone, and no transform is lost by it") {
    constexpr fscrypt_mode mode = fscrypt_mode::sm4_xts;
    for (const strategy_info& s : strategies()) {
        CAPTURE(s.name);
        std::optional<second_mode> stand_in(block_mode(mode));
        crypt_rig r(s, few, {.keys_max = 4, .derived_keys_max = 0});
        const inode_number inode = prepare(r, mode);
        const auto other = r.new_encrypted_file("other", fscrypt_mode::aes_256_xts);
        REQUIRE_FALSE(r.fs->sync());
        second_mode::refuse_keys();
        const attempt a = try_all(r, inode);
        CHECK_FALSE(a.all_right());
        const std::error_code refused = make_error(to_errno(to_blk_status(make_error(EINVAL))));
        CHECK(a.opening == (s.name == "all-at-open" ? make_error(EINVAL) : std::error_code{}));
        for (const std::error_code& error : a.reads) // some had their key already
            CHECK((!error || error == refused));
        for (int times = 0; times < 4; ++times) { // more than there are transforms
            REQUIRE_FALSE(write_at(*r.fs, *other, 0, block_of(9)));
            CHECK(read_at(*r.fs, *other, 0, block_bytes).value() == block_of(9));
            (void)try_all(r, inode);
        }
        CHECK(r.fs->in_flight() == 0);
        if (s.name == "library-key" || s.name == "full-in-io")
            CHECK(r.stack->strategy()->figures(r.e).transforms <= 2); // none for what was refused
    }
}

TEST_CASE("a mode that nobody implements is ENOPKG at open, or of an engine not supported") {
    for (const strategy_info& s : strategies()) {
        CAPTURE(s.name);
        const missing_mode missing(crypto_mode::adiantum);
        crypt_rig r(s, few);
        const auto policy = policy_under(r.add_key(), fscrypt_mode::adiantum);
        const inode_number inode = r.fs->create_file(r.encrypted_directory("d", policy), "f").value();
        CHECK(r.fs->open(inode).error() == make_error(ENOPKG));
        const auto other = r.new_encrypted_file("other", fscrypt_mode::aes_256_xts);
        CHECK_FALSE(write_at(*r.fs, *other, 0, block_of(1)));
    }
}

TEST_CASE("at its limit of memory a strategy says ENOMEM, and below it goes on") {
    const std::uint64_t each = tfm_bytes(crypto_mode::aes_256_xts, 1);
    for (const strategy_info& s : strategies()) {
        if (s.make == nullptr)
            continue;
        CAPTURE(s.name);
        crypt_rig first(s, few, {.keys_max = 4});
        const inode_number inode = prepare(first, fscrypt_mode::aes_256_xts);
        REQUIRE_FALSE(first.fs->sync());
        strategy_options limited = few;
        limited.memory_limit_bytes = each / 2;
        first.change_strategy(s, limited, {.keys_max = 4});
        first.add_key();
        const attempt a = try_all(first, inode);
        CHECK_FALSE(a.all_right());
        CHECK((a.opening == make_error(ENOMEM) || a.reads.front() == make_error(ENOMEM)));
        CHECK(first.stack->strategy()->figures(first.e).transforms == 0);
        CHECK(first.stack->strategy()->figures(first.e).limit_refusals > 0);
        limited.memory_limit_bytes = 20 * each;
        first.change_strategy(s, limited, {.keys_max = 4});
        first.add_key();
        CHECK(try_all(first, inode).all_right());
        CHECK(first.stack->strategy()->figures(first.e).limit_refusals == 0);
    }
}

TEST_CASE(
    "malloc fails in turn while files are opened, read and closed: an error or none, never a wrong byte") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    for (const strategy_info& s : strategies()) {
        CAPTURE(s.name);
        crypt_rig r(s, few, {.keys_max = 4});
        const inode_number inode = prepare(r, fscrypt_mode::aes_256_xts);
        REQUIRE_FALSE(r.fs->sync());
        bool happened = true;
        for (std::uint64_t failing = 0; happened && failing < 400; ++failing) {
            r.change_strategy(s, few, {.keys_max = 4});
            r.add_key();
            std::error_code error;
            try {
                const allocation_fault fault(failing);
                const attempt a = try_all(r, inode);
                happened = fault.happened();
                error = a.opening;
                for (const std::error_code& read : a.reads)
                    error = error ? error : read;
            } catch (const std::bad_alloc&) { // of the test's own
                happened = true;
            }
            CHECK((!error || error == make_error(ENOMEM)));
            CHECK(try_all(r, inode).all_right());
        }
        CHECK_FALSE(happened);
    }
}
