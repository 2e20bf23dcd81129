// SPDX-License-Identifier: Apache-2.0
// Modules as files: read when the strategy says, once, before the first transform; and what happens when that
// goes wrong.
#include "fsdemo/fs_modules.hpp"
#include "tests/fsdemo/crypt_rig.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/test_seed.hpp"

#include <cerrno>
#include <deque>
#include <malloc.h>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

constexpr strategy_options few{.pool_size = 3, .keyslots = 3};
constexpr std::size_t module_bytes = 200'000; // more than one piece

/// An image with a module for XTS, and a file that is encrypted with it.
struct module_rig : crypt_rig {
    explicit module_rig(const strategy_info& strategy, const fs_options& options = {})
        : crypt_rig(strategies()[0], few) {
        const inode_number modules = *fs->make_directory(root_inode, "modules");
        {
            const auto module = new_file(modules, "aes-256-xts");
            REQUIRE_FALSE(write_at(*fs, *module, 0, random_bytes(module_bytes, test_seed())));
            module_at = extents(*module).front().physical_offset_bytes;
        }
        const inode_number directory =
            encrypted_directory("d", policy_under(add_key(), fscrypt_mode::aes_256_xts));
        inode = fs->create_file(directory, "f").value();
        {
            const auto file = *fs->open(inode);
            for (std::uint64_t n = 0; n < 8; ++n)
                REQUIRE_FALSE(write_at(*fs, *file, 2 * n * block_bytes, block_of(n)));
        }
        REQUIRE_FALSE(fs->sync());
        change_strategy(strategy, few, options);
        add_key();
    }
    static std::vector<std::byte> block_of(std::uint64_t n) {
        return random_bytes(block_bytes, test_seed() + n);
    }

    std::uint64_t module_at = 0;
    inode_number inode = 0;
};

bool loads_in_io(const strategy_info& s) {
    return s.name == "full-in-io" || s.name == "nofs-in-io";
}
bool loads_never(const strategy_info& s) {
    return s.name == "library-key" || s.name == "inline-hardware";
}

/// Many reads at once; how many went wrong.
unsigned read_all_at_once(module_rig& r, open_file& file) {
    struct one final : waited_io {
        std::vector<std::byte> memory;
    };
    std::deque<one> ios;
    for (std::uint64_t n = 0; n < 8; ++n) {
        one& io = ios.emplace_back();
        io.memory.resize(block_bytes);
        io.io.prepare(file_op::read, file, 2 * n * block_bytes, io.memory, io);
        r.fs->submit(io.io);
    }
    while (r.fs->in_flight() != 0)
        r.fs->wait();
    unsigned wrong = 0;
    for (std::uint64_t n = 0; n < 8; ++n)
        wrong += ios[n].io.status || ios[n].memory != module_rig::block_of(n) ? 1U : 0U;
    return wrong;
}

} // namespace

TEST_CASE("a module is read at open, in the I/O path or never, as the strategy says, and only once") {
    for (const strategy_info& s : strategies()) {
        CAPTURE(s.name);
        module_rig r(s);
        const auto file = *r.fs->open(r.inode);
        CHECK(r.fs->modules_loaded() == (loads_in_io(s) || loads_never(s) ? 0U : 1U));
        CHECK(read_all_at_once(r, *file) == 0);
        CHECK(r.fs->modules_loaded() == (loads_never(s) ? 0U : 1U));
        const auto requests = r.medium.requests().size();
        CHECK(read_all_at_once(r, *file) == 0);
        CHECK(r.fs->modules_loaded() == (loads_never(s) ? 0U : 1U));
        CHECK(r.medium.requests().size() - requests <= 8);
    }
}

TEST_CASE("while its module is read an I/O waits, and allocates nothing") {
    module_rig r(*find_strategy("full-in-io"));
    const auto file = *r.fs->open(r.inode);
    std::vector<std::byte> memory(block_bytes);
    waited_io io;
    bio_stamps stamps;
    io.io.prepare(file_op::read, *file, 0, memory, io);
    io.io.stamps = &stamps;
    stamps.begin(r.e.now_ns());
    r.fs->submit(io.io);
    while (r.fs->in_flight() != 0) {
        r.e.advance_clock(1000);
        r.fs->poll();
    }
    CHECK(r.fs->modules_loaded() == 1);
    CHECK(stamps.spent_ns[static_cast<std::size_t>(bio_stage::tfm_wait)] >= 1000);
    CHECK(stamps.spent_ns[static_cast<std::size_t>(bio_stage::allocate)] == 0);
}

TEST_CASE("a module that is loaded has no memory left that it was read into") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    constexpr std::size_t most_of_a_piece = 60'000;
    const auto heap_bytes = [] { return mallinfo2().uordblks; };
    for (const strategy_info& s : strategies()) {
        CAPTURE(s.name);
        module_rig r(s);
        const std::size_t mounted = heap_bytes();
        const auto file = *r.fs->open(r.inode);
        CHECK(heap_bytes() < mounted + most_of_a_piece);
        const std::size_t opened = heap_bytes();
        CHECK(read_at(*r.fs, *file, 0, block_bytes).has_value());
        CHECK(heap_bytes() + (loads_in_io(s) ? most_of_a_piece : 0) <= opened + block_bytes);
    }
}

TEST_CASE("all that wait for a module go on when it is there, and are told when it cannot be read") {
    for (const strategy_info& s : strategies()) {
        CAPTURE(s.name);
        if (loads_never(s))
            continue;
        module_rig r(s);
        r.medium.fail(bio_op::read, to_sectors_exact({r.module_at}), blk_status::medium);
        if (!loads_in_io(s)) {
            CHECK(r.fs->open(r.inode).error() == make_error(to_errno(blk_status::medium)));
            r.medium.heal();
            CHECK(r.fs->open(r.inode).has_value());
            continue;
        }
        const auto file = *r.fs->open(r.inode);
        CHECK(read_all_at_once(r, *file) == 8);
        r.medium.heal();
        CHECK(read_all_at_once(r, *file) == 0);
    }
}

TEST_CASE("without such a file a mode is built in, and what is encrypted or a directory is no module") {
    crypt_rig r(*find_strategy("full-in-io"), few);
    CHECK(r.fs->modules_loaded() == 0);
    const inode_number modules = *r.fs->make_directory(root_inode, "modules");
    REQUIRE(r.fs->make_directory(modules, "aes-256-xts").has_value());
    REQUIRE_FALSE(r.fs->sync());
    r.change_strategy(*find_strategy("full-in-io"), few);
    const auto file = r.new_encrypted_file("f", fscrypt_mode::aes_256_xts);
    CHECK_FALSE(write_at(*r.fs, *file, 0, random_bytes(block_bytes, test_seed())));
    CHECK(r.fs->modules_loaded() == 0);
}
