// SPDX-License-Identifier: Apache-2.0
// Every strategy through whole filesystems: the bytes are the same, whoever sets keys up, and everybody gets
// on with a single transform; what is allocated when is what the strategy says.
#include "tests/fsdemo/crypt_rig.hpp"
#include "tests/support/counted_waiter.hpp"
#include "tests/support/test_seed.hpp"
#include "tests/support/ticking_env.hpp"

#include <algorithm>
#include <deque>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

constexpr strategy_options roomy{.pool_size = 8, .keyslots = 8};
constexpr strategy_options tight{.pool_size = 1, .keyslots = 1};

std::string numbered(std::string_view name, std::uint64_t number) {
    std::string text(name);
    text += std::to_string(number);
    return text;
}

std::vector<std::byte> block_of(std::uint64_t number) {
    return random_bytes(block_bytes, test_seed() + number);
}

/// Extents of one block each, with holes between them.
void write_extents(demo_fs& fs, open_file& file, std::uint64_t count, std::uint64_t seed) {
    for (std::uint64_t n = 0; n < count; ++n)
        REQUIRE_FALSE(write_at(fs, file, 2 * n * block_bytes, block_of(seed + n)));
}

bool has_extents(demo_fs& fs, open_file& file, std::uint64_t count, std::uint64_t seed) {
    for (std::uint64_t n = 0; n < count; ++n)
        if (read_at(fs, file, 2 * n * block_bytes, block_bytes).value() != block_of(seed + n))
            return false;
    return true;
}

inode_number inode_of(demo_fs& fs, const std::string& path) {
    return fs.lookup(path).value();
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, name) != names.end();
}

// Of an extent that nothing was prepared for at open.
bool allocates_in_io(const strategy_info& s) {
    return is_one_of(s.name, {"full-in-io", "nofs-in-io", "all-at-open", "clone-transform"});
}

std::uint64_t spent_in(const bio_stamps& stamps, bio_stage stage) {
    return stamps.spent_ns[static_cast<std::size_t>(stage)];
}

} // namespace

TEST_CASE("the eleven strategies have names of their own and are found by them") {
    CHECK(strategies().size() == 11);
    for (const strategy_info& s : strategies())
        CHECK(find_strategy(s.name) == &s);
    CHECK(find_strategy("full-in-i") == nullptr);
    CHECK(find_strategy("") == nullptr);
}

TEST_CASE("a strategy without a transform, or with more than there may be, cannot be made") {
    simulated_env e(test_seed());
    for (const strategy_info& s : strategies()) {
        if (s.make == nullptr)
            continue;
        CAPTURE(s.name);
        for (const unsigned size : {0U, pool_size_max + 1}) {
            CHECK(s.make(e, {.pool_size = size}).has_error() == s.has_pool);
            CHECK(s.make(e, {.keyslots = size}).has_error() == s.has_keyslots);
        }
        CHECK(s.make(e, {.pool_size = 1, .keyslots = 1}).has_value());
    }
}

TEST_CASE("every strategy writes what the reference decrypts, in every mode, with room and without") {
    for (const strategy_info& s : strategies())
        for (const auto& sizes : {roomy, tight}) {
            CAPTURE(s.name);
            crypt_rig r(s, sizes, {.derived_keys_max = sizes.pool_size == 1 ? 0U : 16U});
            for (const fscrypt_mode mode : contents_modes) {
                const auto file = r.new_encrypted_file(std::string(name_of(mode)).c_str(), mode);
                write_extents(*r.fs, *file, 12, 0);
                REQUIRE_FALSE(write_at(*r.fs, *file, 0, block_of(77), true)); // in place
                for (const extent_row& row : r.extents(*file)) {
                    const std::uint64_t n = row.file_offset_bytes / block_bytes / 2;
                    CHECK(r.decrypted(*file, row) == block_of(n == 0 ? 77 : n));
                }
            }
        }
}

TEST_CASE("every strategy reads what every other has written, and goes on where it ended") {
    crypt_rig r(strategies()[0], roomy);
    const auto policy = policy_under(r.add_key(), fscrypt_mode::aes_256_xts);
    const inode_number directory = r.encrypted_directory("d", policy);
    REQUIRE_FALSE(r.fs->sync());
    std::uint64_t written = 0;
    for (const strategy_info& s : strategies()) {
        CAPTURE(s.name);
        r.change_strategy(s, roomy);
        r.add_key();
        for (std::uint64_t n = 0; n < written; ++n) {
            const auto file = *r.fs->open(inode_of(*r.fs, numbered("/d/f", n)));
            CHECK(has_extents(*r.fs, *file, 5, 10 * n));
        }
        {
            const auto file = r.new_file(directory, numbered("f", written).c_str());
            write_extents(*r.fs, *file, 5, 10 * written);
        }
        ++written;
        REQUIRE_FALSE(r.fs->sync());
    }
    CHECK(written == 11);
}

TEST_CASE("with one transform, one slot or one info and many extents in flight all I/O ends and is right") {
    constexpr unsigned count = 48;
    struct one final : waited_io {
        std::vector<std::byte> memory;
    };
    for (const strategy_info& s : strategies())
        for (const unsigned infos : {1U, 64U}) {
            CAPTURE(s.name);
            crypt_rig r(s, tight, {.keys_max = infos, .derived_keys_max = 0, .depth = 32});
            std::vector<file_handle> files;
            for (const fscrypt_mode mode : contents_modes)
                files.push_back(r.new_encrypted_file(std::string(name_of(mode)).c_str(), mode));
            for (int round = 0; round < 3; ++round) {
                std::deque<one> ios;
                for (unsigned n = 0; n < count; ++n) {
                    const bool is_read = round == 2 || (round == 1 && n % 2 == 0);
                    one& io = ios.emplace_back();
                    io.memory = is_read ? std::vector<std::byte>(block_bytes) : block_of(n);
                    io.io.prepare(is_read ? file_op::read : file_op::write, *files[n % files.size()],
                                  std::uint64_t{n} * 2 * block_bytes, io.memory, io);
                    io.io.in_place = round == 1;
                    r.fs->submit(io.io);
                }
                while (r.fs->in_flight() != 0)
                    r.fs->wait();
                for (unsigned n = 0; n < count; ++n) {
                    CHECK(ios[n].ends == 1);
                    CHECK_FALSE(ios[n].io.status);
                    CHECK(ios[n].memory == block_of(n));
                }
            }
        }
}

TEST_CASE("I/O waits for the only transform while somebody else has it, and goes on when it comes back") {
    for (const std::string_view name :
         {"pool-global", "pool-per-master-key", "prepared-map", "fallback-keyslots"}) {
        CAPTURE(name);
        crypt_rig r(*find_strategy(name), tight);
        const auto file = r.new_encrypted_file("f", fscrypt_mode::aes_256_xts);
        REQUIRE_FALSE(write_at(*r.fs, *file, 0, block_of(1)));
        // Another filesystem's extent, under the same strategy.
        keyring ring;
        const auto bytes = master_key_bytes(1);
        file_crypt_info other(*ring.get(*ring.add(bytes), 16),
                              {crypto_mode::aes_256_xts, *data_unit_size::make(4096), 3});
        REQUIRE_FALSE(r.stack->strategy()->file_opened(r.e, other));
        const auto keys = *extent_keys::make(r.stack->door(), {.capacity = 1});
        extent_crypt_info* const extent = keys->get(*other.master, {}, other.config, &other).key;
        counted_waiter parked(r.e);
        keyslot_counters use;
        acquire_context asker{r.e, parked, use};
        const tfm_grant held = r.stack->strategy()->acquire(*extent, asker);
        REQUIRE(held.outcome == acquire_outcome::ready);

        auto block = block_of(2);
        waited_io io;
        io.io.prepare(file_op::write, *file, 0, block, io);
        io.io.in_place = true;
        bio_stamps stamps;
        io.io.stamps = &stamps;
        stamps.begin(r.e.now_ns());
        r.fs->submit(io.io);
        for (int polls = 0; polls < 1000; ++polls) {
            r.e.advance_clock(1'000'000);
            r.fs->poll();
        }
        CHECK(io.ends == 0);
        CHECK(r.fs->tfm_use().waits == 1);
        r.stack->strategy()->release(r.e, held.lease);
        while (r.fs->in_flight() != 0)
            r.fs->wait();
        CHECK(io.ends == 1);
        CHECK_FALSE(io.io.status);
        // The clock stands still but for the polls, the first of which are the filesystem's.
        CHECK(spent_in(stamps, bio_stage::tfm_wait) + spent_in(stamps, bio_stage::queued) == 1'000'000'000);
        CHECK(spent_in(stamps, bio_stage::tfm_wait) > 900'000'000);
        CHECK(read_at(*r.fs, *file, 0, block_bytes).value() == block_of(2));
        keys->put(*extent);
        keys->forget(other);
        r.stack->strategy()->file_closed(r.e, other);
    }
}

TEST_CASE("an extent that two files share is read through both, whoever its info belongs to") {
    for (const strategy_info& s : strategies()) {
        CAPTURE(s.name);
        crypt_rig r(s, roomy);
        const auto policy = policy_under(r.add_key(), fscrypt_mode::aes_256_xts);
        const inode_number directory = r.encrypted_directory("d", policy);
        std::optional<file_handle> first = r.new_file(directory, "first");
        write_extents(*r.fs, **first, 4, 0);
        const inode_number shared = r.fs->reflink(**first, directory, "second").value();
        CHECK(has_extents(*r.fs, **first, 4, 0));
        const std::uint64_t infos_made = r.fs->key_use().misses;
        const auto second = *r.fs->open(shared);
        CHECK(has_extents(*r.fs, *second, 4, 0));
        const key_strategy* const strategy = r.stack->strategy();
        const bool are_of_files = strategy != nullptr && strategy->traits().have_infos_files();
        CHECK(r.fs->key_use().misses - infos_made == (are_of_files ? 4U : 0U));
        first.reset(); // whose infos, if they are its own, go
        CHECK(has_extents(*r.fs, *second, 4, 0));
    }
}

TEST_CASE("a first use derives, sets and, under some, allocates, and the next one only looks up") {
    for (const strategy_info& s : strategies()) {
        CAPTURE(s.name);
        if (s.make == nullptr)
            continue;
        crypt_rig r(s, roomy);
        ticking_env ticking(r.e);
        keyring ring;
        const auto bytes = master_key_bytes(1);
        file_crypt_info file(*ring.get(*ring.add(bytes), 16),
                             {crypto_mode::aes_256_xts, *data_unit_size::make(4096), 3});
        key_strategy& strategy = *r.stack->strategy();
        const auto keys = *extent_keys::make(r.stack->door(), {.capacity = 1});
        REQUIRE_FALSE(strategy.start_using(r.e, file.config));
        REQUIRE_FALSE(keys->reserve_memory(file.config.mode));
        REQUIRE_FALSE(strategy.file_opened(r.e, file));
        extent_crypt_info* const extent = keys->get(*file.master, {}, file.config, &file).key;
        counted_waiter parked(ticking);
        keyslot_counters use;
        for (const bool is_first : {true, false}) {
            bio_stamps stamps;
            stamps.begin(ticking.now_ns());
            acquire_context asker{ticking, parked, use, &stamps};
            const tfm_grant grant = strategy.acquire(*extent, asker);
            REQUIRE(grant.outcome == acquire_outcome::ready);
            stamps.enter(bio_stage::done, ticking.now_ns());
            const bool sets_up = is_first || use.hits == 0; // those without a map know no second time
            CHECK((spent_in(stamps, bio_stage::derive) != 0) == sets_up);
            CHECK((spent_in(stamps, bio_stage::setkey) != 0) == sets_up);
            CHECK((spent_in(stamps, bio_stage::allocate) != 0) == (is_first && allocates_in_io(s)));
            CHECK(spent_in(stamps, bio_stage::tfm_wait) == 0);
            strategy.release(ticking, grant.lease);
        }
        CHECK(use.hits ==
              (is_one_of(s.name, {"pool-per-file", "pool-global", "pool-per-master-key"}) ? 0 : 1));
        keys->put(*extent);
        keys->forget(file);
        strategy.file_closed(r.e, file);
    }
}

TEST_CASE("what is allocated in the I/O path, and in which context, is what the strategy is about") {
    for (const strategy_info& s : strategies()) {
        CAPTURE(s.name);
        crypt_rig r(s, roomy, {.derived_keys_max = 0});
        const auto file = r.new_encrypted_file("f", fscrypt_mode::aes_256_xts);
        const unsigned before = r.hooks.tfms;
        write_extents(*r.fs, *file, 6, 0);
        const unsigned in_io = r.hooks.tfms - before;
        const bool allocates =
            is_one_of(s.name, {"full-in-io", "nofs-in-io", "clone-transform", "all-at-open"}); // new extents
        CHECK(in_io == (allocates ? 6U : 0U));
        if (allocates)
            CHECK(r.hooks.last_context == (s.name == "nofs-in-io"        ? io_context::nofs
                                           : s.name == "clone-transform" ? io_context::noio
                                                                         : io_context::kernel));
        if (key_strategy* const made = r.stack->strategy()) {
            const strategy_figures figures = made->figures(r.e);
            CHECK(figures.io_allocations == in_io);
            CHECK((figures.io_allocated_bytes > 0) == allocates);
        }
    }
}

TEST_CASE(
    "all-at-open sets every extent up at open, uses nothing else in the I/O path, and lets go at close") {
    crypt_rig r(*find_strategy("all-at-open"), roomy, {.keys_max = 4});
    const auto policy = policy_under(r.add_key(), fscrypt_mode::aes_256_xts);
    const inode_number directory = r.encrypted_directory("d", policy);
    const inode_number inode = r.fs->create_file(directory, "f").value();
    write_extents(*r.fs, **r.fs->open(inode), 50, 0);
    CHECK(r.stack->strategy()->figures(r.e).transforms == 0); // it was closed
    const std::uint64_t allocated = r.stack->strategy()->figures(r.e).io_allocations;
    for (int again = 0; again < 2; ++again) {
        const auto file = *r.fs->open(inode);
        const strategy_figures open = r.stack->strategy()->figures(r.e);
        CHECK(open.transforms == 50); // though there is room for four infos
        CHECK(open.pinned_bytes == open.transform_bytes);
        CHECK(has_extents(*r.fs, *file, 50, 0));
        CHECK(r.stack->strategy()->figures(r.e).io_allocations == allocated);
    }
    CHECK(r.stack->strategy()->figures(r.e).transforms == 0);
    CHECK(r.stack->strategy()->figures(r.e).transform_bytes == 0);
}

TEST_CASE("pools are shared by those that their scope names") {
    struct expected {
        std::string_view name;
        unsigned after_one_file, after_two, after_other_key, after_other_mode, after_close;
    };
    for (const expected& x :
         {expected{"pool-per-file", 8, 16, 24, 32, 0}, expected{"pool-global", 8, 8, 8, 16, 16},
          expected{"pool-per-master-key", 8, 8, 16, 24, 24}, expected{"prepared-map", 8, 8, 8, 16, 16},
          expected{"fallback-keyslots", 8, 8, 8, 16, 16}}) {
        CAPTURE(x.name);
        crypt_rig r(*find_strategy(x.name), roomy);
        const auto transforms = [&] { return r.stack->strategy()->figures(r.e).transforms; };
        std::vector<file_handle> files;
        CHECK(transforms() == 0);
        files.push_back(r.new_encrypted_file("a", fscrypt_mode::aes_256_xts));
        CHECK(transforms() == x.after_one_file);
        files.push_back(r.new_encrypted_file("b", fscrypt_mode::aes_256_xts));
        CHECK(transforms() == x.after_two);
        files.push_back(r.new_encrypted_file("c", fscrypt_mode::aes_256_xts, 0, 2));
        CHECK(transforms() == x.after_other_key);
        files.push_back(r.new_encrypted_file("d", fscrypt_mode::adiantum));
        CHECK(transforms() == x.after_other_mode);
        files.clear();
        CHECK(transforms() == x.after_close);
        for (const std::uint64_t number : {1U, 2U})
            REQUIRE(r.fs->keys().remove(r.add_key(number)).has_value());
        CHECK(transforms() == (x.name == "pool-per-master-key" ? 0 : x.after_close));
    }
}

TEST_CASE("hits, misses, steals and waits are those of an order of accesses that is known") {
    const auto use_after = [](std::string_view name, const strategy_options& sizes) {
        crypt_rig r(*find_strategy(name), sizes, {.derived_keys_max = 0});
        const auto file = r.new_encrypted_file("f", fscrypt_mode::aes_256_xts);
        write_extents(*r.fs, *file, 3, 0);                         // three misses
        for (const std::uint64_t n : {0U, 1U, 2U, 0U, 1U, 2U, 2U}) // in this order
            CHECK(read_at(*r.fs, *file, 2 * n * block_bytes, block_bytes).value() == block_of(n));
        return r.fs->tfm_use();
    };
    struct expected {
        std::string_view name;
        unsigned size;
        std::uint64_t hits, misses, steals;
    };
    for (const expected& x :
         {expected{"prepared-map", 3, 7, 3, 0}, expected{"prepared-map", 2, 1, 9, 7},
          expected{"prepared-map", 1, 1, 9, 8}, expected{"fallback-keyslots", 3, 7, 3, 0},
          expected{"fallback-keyslots", 2, 1, 9, 7}, expected{"inline-hardware", 2, 1, 9, 7},
          expected{"pool-global", 3, 0, 10, 7}, expected{"pool-per-file", 1, 0, 10, 9},
          expected{"library-key", 1, 7, 3, 0}, expected{"full-in-io", 1, 7, 3, 0}}) {
        CAPTURE(x.name);
        CAPTURE(x.size);
        const keyslot_counters use = use_after(x.name, {.pool_size = x.size, .keyslots = x.size});
        CHECK(use.hits == x.hits);
        CHECK(use.misses == x.misses);
        CHECK(use.evictions == x.steals);
        CHECK(use.waits == 0);
    }
}

TEST_CASE("the library's form of a key allocates nothing, and lies in memory that its extent brings") {
    crypt_rig r(*find_strategy("library-key"), roomy, {.keys_max = 4});
    const auto file = r.new_encrypted_file("f", fscrypt_mode::aes_256_xts);
    write_extents(*r.fs, *file, 20, 0);
    CHECK(has_extents(*r.fs, *file, 20, 0));
    const strategy_figures figures = r.stack->strategy()->figures(r.e);
    CHECK(figures.transforms == 4); // as many as infos
    CHECK(figures.io_allocations == 0);
    const auto* implementation = selected_implementation(crypto_mode::aes_256_xts);
    CHECK(figures.transform_bytes == 4 * implementation->placed.bytes);
    CHECK(figures.pinned_bytes == figures.transform_bytes); // used or not
}
