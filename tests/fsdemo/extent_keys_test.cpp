// SPDX-License-Identifier: Apache-2.0
// The keys of extents: found again, derived without allocating, limited in number, gone when they should be.
#include "fsdemo/extent_crypt_info.hpp"
#include "tests/fsdemo/crypt_rig.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/property.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <map>
#include <optional>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

constexpr std::array modes{crypto_mode::aes_256_xts, crypto_mode::aes_128_cbc_essiv, crypto_mode::sm4_xts,
                           crypto_mode::adiantum};

crypto_config config_of(crypto_mode mode) {
    return {mode, *data_unit_size::make(4096), 4};
}

/// What demo_fs starts when a file is opened: one for all keys of its configuration.
struct any_key final : key_request {
    explicit any_key(const crypto_config& config) noexcept : key_request(config) {}
    std::error_code derive(secret&) const noexcept override { return make_error(ENOKEY); }
};

/// Some of them begin alike, so that they are in the same bucket.
crypto_nonce nonce_of(std::uint64_t number) {
    crypto_nonce nonce{};
    store_little(nonce.data(), number / 4);
    store_little(nonce.data() + 8, number);
    return nonce;
}

/// The cache by itself, and two master keys.
struct keys_rig {
    explicit keys_rig(unsigned capacity, crypt_path path = crypt_path::fallback)
        : e(test_seed(), &hooks), medium(sector{64 * 8}, completion_order::as_submitted, test_seed()),
          stack(e, medium, path,
                [this](std::unique_ptr<tfm_source> tfms) {
                    return is_logging ? make_logging_tfms(std::move(tfms), log) : std::move(tfms);
                }),
          keys(*extent_keys::make(stack.door(), {.capacity = capacity})) {
        ring.set_observer(keys.get());
        for (std::uint64_t n = 0; n < masters.size(); ++n) {
            identifiers[n] = *ring.add(master_key_bytes(n));
            masters[n] = *ring.get(identifiers[n], 16);
        }
    }
    ~keys_rig() {
        masters = {};
        ring.set_observer(nullptr);
    }

    extent_crypt_info* get(unsigned master, std::uint64_t nonce,
                           crypto_mode mode = crypto_mode::aes_256_xts) {
        const auto granted = keys->get(*masters[master], nonce_of(nonce), config_of(mode));
        CHECK_FALSE(granted.error);
        return granted.key;
    }

    bool is_right(const extent_crypt_info& key, unsigned master, std::uint64_t nonce) const {
        std::vector<std::byte> expected(find_mode(key.config().mode)->key_size_bytes);
        masters[master]->derive(hkdf_context::per_extent_enc_key, nonce_of(nonce), expected);
        secret bytes = *secret::make(0);
        return !key.derive(bytes) && std::ranges::equal(bytes.bytes(), expected);
    }

    bool is_logging = true;
    std::vector<tfm_call> log;
    tfm_counter hooks;
    simulated_env e;
    simulated_device medium;
    fs_stack stack;
    keyring ring;
    std::unique_ptr<extent_keys> keys;
    std::array<key_identifier, 2> identifiers{};
    std::array<master_key_ref, 2> masters;
};

/// What the cache should have, in the order of last use.
struct modelled_key {
    unsigned master;
    std::uint64_t nonce;
    crypto_mode mode;
    extent_crypt_info* key;
    unsigned references = 0;
};
struct modelled_cache {
    std::deque<modelled_key> kept; // those not in use: the one not used for longest first

    modelled_key* find(unsigned master, std::uint64_t nonce, crypto_mode mode) {
        const auto found = std::ranges::find_if(kept, [&](const modelled_key& k) {
            return k.master == master && k.nonce == nonce && k.mode == mode;
        });
        return found == kept.end() ? nullptr : &*found;
    }
    std::size_t in_use() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(kept, [](const modelled_key& k) { return k.references != 0; }));
    }
};

std::size_t count_calls(const std::vector<tfm_call>& log, tfm_call::kind what) {
    return static_cast<std::size_t>(std::ranges::count(log, what, &tfm_call::what));
}

} // namespace

TEST_CASE(
    "a key is found by master key, nonce and mode, the one not used for longest makes room, never one in use, "
    "and all go with their secret" *
    PROPERTY(71)) {
    constexpr unsigned capacity = 5;
    random_source random(test_seed());
    keys_rig r(capacity);
    modelled_cache model;
    std::uint64_t hits = 0, misses = 0, evictions = 0;
    for (int step = 0; step < 20'000; ++step) {
        const auto master = static_cast<unsigned>(random.below(2));
        const std::uint64_t pick = random.below(100);
        if (pick < 50) {
            const std::uint64_t nonce = random.below(6);
            const crypto_mode mode = modes[random.below(2)];
            extent_crypt_info* const got = r.get(master, nonce, mode);
            modelled_key* known = model.find(master, nonce, mode);
            if (known == nullptr && model.in_use() == capacity) {
                CHECK(got == nullptr);
                continue;
            }
            REQUIRE(got != nullptr);
            if (known == nullptr) {
                ++misses;
                if (model.kept.size() == capacity) {
                    ++evictions;
                    model.kept.erase(std::ranges::find(model.kept, 0U, &modelled_key::references));
                }
                model.kept.push_back({master, nonce, mode, got});
                known = &model.kept.back();
            } else {
                ++hits;
                CHECK(got == known->key);
            }
            ++known->references;
            REQUIRE(r.is_right(*got, master, nonce));
        } else if (pick < 99 && model.in_use() != 0) {
            std::size_t skip = random.below(model.in_use());
            const auto used = std::ranges::find_if(
                model.kept, [&](const modelled_key& k) { return k.references != 0 && skip-- == 0; });
            r.keys->put(*used->key);
            if (--used->references == 0) {
                const modelled_key last = *used;
                model.kept.erase(used);
                model.kept.push_back(last);
            }
        } else if (std::ranges::none_of(model.kept, [&](const modelled_key& k) {
                       return k.master == master && k.references != 0;
                   })) {
            r.keys->secret_wiped(*r.masters[master]);
            std::erase_if(model.kept, [&](const modelled_key& k) { return k.master == master; });
        }
        REQUIRE(r.keys->in_use() == model.in_use());
        for (const modelled_key& k : model.kept)
            if (k.references != 0)
                REQUIRE(r.is_right(*k.key, k.master, k.nonce));
    }
    CHECK(r.keys->counters().hits == hits);
    CHECK(r.keys->counters().misses == misses);
    CHECK(r.keys->counters().evictions == evictions);
    CHECK(evictions > 0);
    for (const modelled_key& k : model.kept)
        for (unsigned n = 0; n < k.references; ++n)
            r.keys->put(*k.key);
    CHECK(std::ranges::none_of(r.log, [](const tfm_call& c) { return bool(c.error); }));
}

TEST_CASE("a cache of keys needs a place") {
    keys_rig r(1);
    CHECK(extent_keys::make(r.stack.door(), {.capacity = 0}).error() == make_error(EINVAL));
}

TEST_CASE("what infos take is on the account of those who share it, for as long as there are infos") {
    keys_rig r(1);
    std::atomic<std::uint64_t> bytes{7};
    auto door = r.stack.door();
    door.info_bytes = &bytes;
    for (const unsigned capacity : {1U, 100U, 1024U}) {
        auto first = extent_keys::make(door, {.capacity = capacity}).value();
        const std::uint64_t one_bytes = extent_keys::bytes_for(capacity);
        CHECK(bytes == 7 + one_bytes);
        CHECK(one_bytes >= capacity * sizeof(extent_crypt_info));
        {
            const auto second = extent_keys::make(door, {.capacity = capacity}).value();
            CHECK(bytes == 7 + 2 * one_bytes);
        }
        first.reset();
        CHECK(bytes == 7);
    }
}

TEST_CASE("a nonce that is known with another data unit size is refused, its key is left alone") {
    keys_rig r(2);
    extent_crypt_info* const key = r.get(0, 1);
    crypto_config other = config_of(crypto_mode::aes_256_xts);
    other.unit_size = *data_unit_size::make(512);
    const auto refused = r.keys->get(*r.masters[0], nonce_of(1), other);
    CHECK(refused.key == nullptr);
    CHECK(refused.error == make_error(EINVAL));
    CHECK(r.is_right(*key, 0, 1));
    r.keys->put(*key);
    CHECK(r.keys->in_use() == 0);
}

TEST_CASE("deriving the key of an extent and starting it allocates nothing, no tfm either, hit or miss" *
          PROPERTY(70)) {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    for (const crypt_path path : both_paths)
        for (const crypto_mode mode : modes) {
            keys_rig r(8, path);
            const auto door = r.stack.door();
            const any_key any(config_of(mode));
            REQUIRE_FALSE(start_using_key(door.environment, door.device, door.fallback, any));
            r.log.reserve(1000);
            const unsigned tfms = r.hooks.tfms;
            bool is_granted = true;
            const allocation_counter counter;
            for (std::uint64_t n = 0; n < 40; ++n)
                for (int times = 0; times < 2; ++times) {
                    const auto granted = r.keys->get(*r.masters[n % 2], nonce_of(n), config_of(mode));
                    is_granted = is_granted && granted.key != nullptr;
                    r.keys->put(*granted.key);
                }
            CHECK(counter.count() == 0);
            CHECK(is_granted);
            CHECK(r.keys->counters().misses == 40);
            CHECK(r.keys->counters().hits == 40);
            CHECK(r.hooks.tfms == tfms);
        }
}

TEST_CASE("at open everything that any extent needs is started, and nothing after it for thousands of them") {
    for (const crypt_path path : both_paths) {
        crypt_rig r(path, {.keys_max = 64}, 16384);
        std::vector<file_handle> files;
        for (const fscrypt_mode mode : contents_modes)
            files.push_back(r.new_encrypted_file(std::string(name_of(mode)).c_str(), mode));
        const auto did_something = [](const tfm_call& c) {
            return c.what == tfm_call::kind::start && !c.was_started;
        };
        CHECK(std::ranges::count_if(r.log, did_something) ==
              (path == crypt_path::fallback ? std::ptrdiff_t(contents_modes.size()) : 0));
        r.log.clear();
        const unsigned tfms = r.hooks.tfms;
        CHECK(tfms > 0);
        const std::uint64_t blocks = 800;
        for (const auto& file : files) {
            const auto data = random_bytes(block_bytes, test_seed());
            for (std::uint64_t n = 0; n < blocks; ++n)
                REQUIRE_FALSE(write_at(*r.fs, *file, 2 * n * block_bytes, data));
            CHECK(r.extents(*file).size() == blocks);
            for (std::uint64_t n = 0; n < blocks; n += 7)
                CHECK(*read_at(*r.fs, *file, 2 * n * block_bytes, block_bytes) == data);
        }
        CHECK(r.fs->key_use().misses >= blocks * files.size());
        CHECK(r.hooks.tfms == tfms);
        CHECK(std::ranges::none_of(r.log, did_something));
    }
}

TEST_CASE("a key leaves the keyslots before its place is another's, and when its secret is wiped" *
          PROPERTY(67)) {
    crypt_rig r(crypt_path::fallback, {.keys_max = 2});
    std::optional<file_handle> file = r.new_encrypted_file("f", fscrypt_mode::aes_256_xts);
    const auto key = (*file)->item().policy()->master_key_identifier;
    random_source random(test_seed());
    const auto block = random_bytes(block_bytes, test_seed());
    for (std::uint64_t n = 0; n < 8; ++n)
        REQUIRE_FALSE(write_at(*r.fs, **file, 2 * n * block_bytes, block));
    for (int n = 0; n < 200; ++n)
        CHECK(*read_at(*r.fs, **file, 2 * random.below(8) * block_bytes, block_bytes) == block);
    CHECK(r.fs->key_use().evictions > 50);
    CHECK(count_calls(r.log, tfm_call::kind::evict) == r.fs->key_use().evictions);
    REQUIRE(r.fs->keys().remove(key).has_value());
    file.reset();
    CHECK(count_calls(r.log, tfm_call::kind::evict) == r.fs->key_use().misses);

    // Which bytes the source knows each address by: they go before others come.
    std::map<const key_request*, std::uint64_t> held;
    for (const tfm_call& call : r.log) {
        CHECK_FALSE(call.error);
        if (call.what == tfm_call::kind::acquire) {
            const auto known = held.try_emplace(call.key, call.fingerprint).first;
            CHECK(known->second == call.fingerprint);
        } else if (call.what == tfm_call::kind::evict) {
            const auto known = held.find(call.key);
            REQUIRE(known != held.end());
            CHECK(known->second == call.fingerprint); // it still had its bytes
            held.erase(known);
        }
    }
    CHECK(held.empty());
}

TEST_CASE("nothing of a key is left in memory once its place is another's") {
    if (!is_optimised || !allocation_counter::available()) {
        MESSAGE("skipped, not optimised, or the heap is not ours to count");
        return;
    }
    for (const crypt_path path : both_paths)
        for (const fscrypt_mode mode : contents_modes) {
            crypt_rig r(path, {.keys_max = 1, .derived_keys_max = 1});
            const auto file = r.new_encrypted_file("f", mode);
            const auto block = random_bytes(block_bytes, test_seed());
            REQUIRE_FALSE(write_at(*r.fs, *file, 0, block));
            REQUIRE_FALSE(write_at(*r.fs, *file, 2 * block_bytes, block));
            CHECK(*read_at(*r.fs, *file, 0, block_bytes) == block);
            const auto pieces = hidden_extent_key(1, r.extents(*file)[0].context->nonce, mode);
            CHECK(count_in_memory(pieces) > 0);
            CHECK(*read_at(*r.fs, *file, 2 * block_bytes, block_bytes) == block);
            CHECK(count_in_memory(pieces) == 0);
        }
}

TEST_CASE(
    "nothing of any extent's key is left in memory once its master key is removed and its files are closed") {
    if (!is_optimised || !allocation_counter::available()) {
        MESSAGE("skipped, not optimised, or the heap is not ours to count");
        return;
    }
    for (const crypt_path path : both_paths)
        for (const fscrypt_mode mode : contents_modes)
            for (const bool closed_before : {true, false}) {
                crypt_rig r(path);
                std::optional<file_handle> file = r.new_encrypted_file("f", mode);
                const auto key = (*file)->item().policy()->master_key_identifier;
                for (std::uint64_t n = 0; n < 6; ++n) { // more than keyslots
                    const auto block = random_bytes(block_bytes, test_seed() + n);
                    REQUIRE_FALSE(write_at(*r.fs, **file, 2 * n * block_bytes, block));
                    CHECK(*read_at(*r.fs, **file, 2 * n * block_bytes, block_bytes) == block);
                }
                std::vector<masked_pattern> pieces;
                for (const extent_row& row : r.extents(**file))
                    for (const auto& piece : hidden_extent_key(1, row.context->nonce, mode))
                        pieces.push_back(piece);
                CHECK(count_in_memory(pieces) > 0);
                if (closed_before)
                    file.reset();
                CHECK(r.fs->keys().remove(key)->files_busy == !closed_before);
                CHECK((count_in_memory(pieces) > 0) == !closed_before);
                file.reset();
                CHECK(count_in_memory(pieces) == 0);
            }
}

TEST_CASE("with more extents in flight than there are places for keys all I/O makes progress and is right") {
    constexpr unsigned count = 40;
    for (const crypt_path path : both_paths)
        for (const unsigned places : {1U, 2U, 7U}) {
            crypt_rig r(path, {.keys_max = places, .depth = 32});
            std::vector<file_handle> files;
            for (const fscrypt_mode mode : contents_modes)
                files.push_back(r.new_encrypted_file(std::string(name_of(mode)).c_str(), mode));
            const auto block = [](unsigned n) { return random_bytes(3 * block_bytes, test_seed() + n); };
            struct one final : waited_io {
                std::vector<std::byte> memory;
            };
            // First to new extents, then reads with writes in place between them, each of another extent.
            for (int round = 0; round < 3; ++round) {
                std::deque<one> ios;
                for (unsigned n = 0; n < count; ++n) {
                    const bool is_read = round == 2 || (round == 1 && n % 2 == 0);
                    one& io = ios.emplace_back();
                    io.memory = is_read ? std::vector<std::byte>(3 * block_bytes) : block(n);
                    io.io.prepare(is_read ? file_op::read : file_op::write, *files[n % files.size()],
                                  std::uint64_t{n} * 4 * block_bytes, io.memory, io);
                    io.io.in_place = round == 1;
                    r.fs->submit(io.io);
                }
                while (r.fs->in_flight() != 0)
                    r.fs->wait();
                for (unsigned n = 0; n < count; ++n) {
                    CHECK(ios[n].ends == 1);
                    CHECK_FALSE(ios[n].io.status);
                    CHECK(ios[n].memory == block(n));
                }
            }
            for (const auto& file : files)
                for (const extent_row& row : r.extents(*file))
                    CHECK(r.decrypted(*file, row) ==
                          block(static_cast<unsigned>(row.file_offset_bytes / block_bytes / 4)));
            CHECK(r.fs->key_use().evictions >= 2 * count - 2 * places);
            CHECK(std::ranges::none_of(r.log, [](const tfm_call& c) { return bool(c.error); }));
        }
}
