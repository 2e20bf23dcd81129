// SPDX-License-Identifier: Apache-2.0
// Each operation of the device fails in turn, each allocation, and room runs out in every way: who asked is
// told, nothing hangs, and the image holds a state that was synced, or the one whose sync went wrong.
#include "blkcrypto/dev/memory_device.hpp"
#include "tests/fsdemo/fs_rig.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/simulated_device.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <functional>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

using file_data = std::vector<std::byte>;
using snapshot = std::map<std::string, file_data>; // directories end in a slash

void look(demo_fs& fs, inode_number directory, const std::string& path, snapshot& found) {
    for (const dir_entry& entry : fs.list(directory).value()) {
        const std::string name = path + "/" + entry.name;
        if (entry.kind == inode_kind::directory) {
            found.emplace(name + "/", file_data());
            look(fs, entry.inode, name, found);
        } else {
            found.emplace(name, read_all(fs, entry.inode).value());
        }
    }
}

snapshot snapshot_of(demo_fs& fs) {
    snapshot found;
    look(fs, root_inode, "", found);
    return found;
}

std::string numbered(std::string_view name, std::uint64_t number) {
    std::string text(name);
    text += std::to_string(number);
    return text;
}

file_data piece(std::size_t length, std::uint64_t number) {
    return random_bytes(length, number);
}

/// Calls the filesystem, which throws nothing. The test itself may run out of memory.
template <typename Call>
auto call(Call&& library) {
    try {
        return library();
    } catch (const std::bad_alloc&) {
        FAIL("std::bad_alloc came out of the filesystem");
        throw;
    }
}

/// Everything a filesystem does, step by step. What is written in place is new since the last sync, so that
/// no synced state changes.
class script {
  public:
    explicit script(demo_fs& fs) : fs_(fs) {}

    /// Empty: no step failed. `at_sync` with each sync that begins and each that ended.
    std::error_code run(const std::function<void(bool has_ended)>& at_sync) {
        const auto bytes = master_key_bytes(1);
        const auto key = call([&] { return fs_.keys().add(bytes); });
        if (!key)
            return key.error();
        for (const auto& [directory, name] : {std::pair("plain", ""), std::pair("vault", "secret")})
            for (int round = 0; round < 2; ++round) {
                const std::error_code error = steps(directory, *name != '\0', *key, round);
                if (error)
                    return error;
                at_sync(false);
                if (const std::error_code failed = call([&] { return fs_.sync(); }))
                    return failed;
                at_sync(true);
            }
        return {};
    }

  private:
    std::error_code steps(const char* directory, bool encrypted, const key_identifier& key, int round) {
        if (round == 0) {
            const auto made = call([&] { return fs_.make_directory(root_inode, directory); });
            if (!made)
                return made.error();
            std::string_view why;
            const auto policy = encode(policy_under(key, fscrypt_mode::aes_256_xts, 9));
            if (encrypted)
                if (const std::error_code error = call([&] { return fs_.set_policy(*made, policy, why); }))
                    return error;
        }
        const auto parent = call([&] { return fs_.lookup(directory); });
        if (!parent)
            return parent.error();
        return with_files(*parent, static_cast<std::uint64_t>(round));
    }

    std::error_code with_files(inode_number parent, std::uint64_t number) {
        const std::string name = numbered("file", number);
        const std::string twin = numbered("twin", number);
        const auto made = call([&] { return fs_.create_file(parent, name); });
        if (!made)
            return made.error();
        {
            const auto file = call([&] { return fs_.open(*made); });
            if (!file)
                return file.error();
            if (const std::error_code error = data_steps(**file, number))
                return error;
            const auto shared = call([&] { return fs_.reflink(**file, parent, twin); });
            if (!shared)
                return shared.error();
            if (const std::error_code error = write_at(fs_, **file, 8192, piece(3000, number + 5)))
                return error;
        }
        if (const std::error_code error = call([&] { return fs_.rename(parent, twin, parent, "moved"); }))
            return error; // over that of the round before
        const auto gone = call([&] { return fs_.create_file(parent, "gone"); });
        if (!gone)
            return gone.error();
        return call([&] { return fs_.remove(parent, "gone"); });
    }

    std::error_code data_steps(open_file& file, std::uint64_t number) {
        if (const std::error_code error = write_at(fs_, file, 1000, piece(40'000, number)))
            return error;
        if (const std::error_code error = write_at(fs_, file, 5000, piece(6000, number + 1), true))
            return error;
        if (const std::error_code error = zero_at(fs_, file, 20'000, 5000))
            return error;
        if (const std::error_code error = call([&] { return fs_.truncate(file, 30'001); }))
            return error;
        const auto got = read_at(fs_, file, 5000, 6000);
        if (!got)
            return got.error();
        const bool is_same = *got == piece(6000, number + 1);
        CHECK(is_same);
        return {};
    }

    demo_fs& fs_;
};

class faulty_fs {
    static constexpr std::uint64_t blocks = 512;

  public:
    /// On a device that allocates nothing, or one that can be made to fail.
    faulty_fs(crypt_path path, bool is_simulated)
        : e_(test_seed()), simulated_(sector_of(blocks), completion_order::timed, test_seed()),
          memory_(make_memory_device(simulated_.medium())),
          device_(is_simulated ? static_cast<block_device&>(simulated_) : *memory_),
          stack_(e_, device_, path) {
        REQUIRE_FALSE(demo_fs::format(device_, e_, test_uuid));
        base_.assign(simulated_.medium().begin(), simulated_.medium().end());
        auto fs = mount();
        states_.push_back({});
        REQUIRE_FALSE(script(*fs).run([&](bool has_ended) {
            if (has_ended)
                states_.push_back(snapshot_of(*fs));
        }));
        REQUIRE(states_.size() == 5);
    }

    /// False: there are fewer operations.
    bool run(std::size_t n, data_moved moved) {
        nth_fails faults(n, moved);
        const std::error_code error =
            run_with([&] { simulated_.set_faults(&faults); }, [&] { simulated_.set_faults(nullptr); });
        CHECK(static_cast<bool>(error) == faults.has_failed());
        return faults.has_failed();
    }

    /// The same with an allocation.
    bool run_without_memory(std::uint64_t n) {
        std::optional<allocation_fault> fault;
        bool happened = false;
        (void)run_with([&] { fault.emplace(n); },
                       [&] {
                           happened = fault->happened();
                           fault.reset();
                       });
        return happened;
    }

  private:
    std::unique_ptr<demo_fs> mount() {
        std::string why;
        auto fs = demo_fs::mount(stack_.door(), {.keys_max = 8, .nodes_max = 8, .depth = 4}, why);
        REQUIRE_MESSAGE(fs.has_value(), why);
        return std::move(*fs);
    }

    std::error_code run_with(const std::function<void()>& set_fault, const std::function<void()>& heal) {
        std::ranges::copy(base_, simulated_.medium().begin());
        std::size_t begun = 0;
        std::size_t ended = 0;
        std::error_code error;
        {
            std::string why;
            const auto door = stack_.door();
            const std::function<void(bool)> at_sync = [&](bool has_ended) { ++(has_ended ? ended : begun); };
            set_fault();
            auto fs =
                call([&] { return demo_fs::mount(door, {.keys_max = 8, .nodes_max = 8, .depth = 4}, why); });
            try {
                error = fs ? script(**fs).run(at_sync) : fs.error();
            } catch (const std::bad_alloc&) {
                error = make_error(ENOMEM);
            }
            heal();
            if (fs) {
                CHECK((**fs).in_flight() == 0);
                if ((**fs).metadata().has_failed())
                    CHECK((**fs).sync().value() == EIO);
            }
        }
        CHECK(findings_on(device_, e_) == "");
        const auto fs = mount();
        (void)*fs->keys().add(master_key_bytes(1));
        const auto found = snapshot_of(*fs);
        CHECK((found == states_[ended] || (begun > ended && found == states_[begun])));
        return error;
    }

    simulated_env e_;
    simulated_device simulated_;
    std::unique_ptr<block_device> memory_; // the same bytes
    block_device& device_;
    fs_stack stack_;
    file_data base_;
    std::vector<snapshot> states_; // after each sync
};

void fail_each_in_turn(crypt_path path, data_moved moved) {
    faulty_fs run(path, true);
    std::size_t n = 0;
    for (bool has_failed = true; has_failed; ++n) {
        CAPTURE(n);
        has_failed = run.run(n, moved);
    }
    CHECK(n > 60);
}

// --- no room ---

struct small_fs {
    explicit small_fs(std::uint64_t blocks)
        : image(blocks * block_bytes), device(make_memory_device(image)),
          stack(e, *device, crypt_path::fallback) {
        REQUIRE_FALSE(demo_fs::format(*device, e, test_uuid));
        mount();
    }
    void mount() {
        fs.reset();
        std::string why;
        fs = demo_fs::mount(stack.door(), {}, why).value();
        key = *fs->keys().add(master_key_bytes(1));
    }
    std::uint64_t free_blocks() const { return fs->space().free_blocks; }
    inode_number vault() {
        const inode_number directory = *fs->make_directory(root_inode, "vault");
        std::string_view why;
        REQUIRE_FALSE(fs->set_policy(directory, encode(policy_under(key, fscrypt_mode::aes_256_xts)), why));
        return directory;
    }

    simulated_env e{1};
    file_data image;
    std::unique_ptr<block_device> device;
    fs_stack stack;
    std::unique_ptr<demo_fs> fs;
    key_identifier key{};
};

/// Files of so many bytes, until there is no room.
int fill(demo_fs& fs, inode_number directory, std::size_t bytes, const std::string& prefix) {
    for (int n = 0;; ++n) {
        const auto made = fs.create_file(directory, numbered(prefix, static_cast<std::uint64_t>(n)));
        std::error_code error = made ? std::error_code() : made.error();
        if (!error) {
            const auto file = fs.open(*made);
            error = write_at(fs, **file, 0, piece(bytes, static_cast<std::uint64_t>(n)));
        }
        if (error) {
            CHECK(error.value() == ENOSPC);
            return n;
        }
    }
}

void empty(demo_fs& fs, inode_number directory) {
    for (const dir_entry& entry : fs.list(directory).value())
        REQUIRE_FALSE(fs.remove(directory, entry.name));
}

} // namespace

TEST_CASE("a device that fails once is reported, and leaves the files of a sync") {
    fail_each_in_turn(crypt_path::fallback, data_moved::none);
    fail_each_in_turn(crypt_path::inline_engine, data_moved::some_sectors);
    fail_each_in_turn(crypt_path::fallback, data_moved::all);
}

TEST_CASE("an allocation that fails is reported or makes no difference, and leaves the files of a sync") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    faulty_fs run(crypt_path::fallback, false);
    std::uint64_t n = 0;
    for (bool happened = true; happened; ++n) {
        CAPTURE(n);
        happened = run.run_without_memory(n);
    }
    CHECK(n > 100);
}

TEST_CASE("a full filesystem keeps what it has, and gives all room back") {
    for (const std::uint64_t blocks : {std::uint64_t{64}, std::uint64_t{300}})
        for (const std::size_t bytes : {std::size_t{1}, std::size_t{9000}, std::size_t{90'000}}) {
            CAPTURE(blocks);
            CAPTURE(bytes);
            small_fs on(blocks);
            for (const inode_number directory : {root_inode, on.vault()}) {
                REQUIRE_FALSE(on.fs->sync());
                const std::uint64_t free_before = on.free_blocks();
                const std::size_t entries_before = on.fs->list(directory)->size();
                const inode_number inside = *on.fs->make_directory(directory, "full");
                const int files = fill(*on.fs, inside, bytes, "f");
                CHECK(files > 0);
                REQUIRE_FALSE(on.fs->sync());
                CHECK(findings_on(*on.device, on.e) == "");
                on.mount();
                for (int n = 0; n < files; ++n) {
                    const auto inode =
                        on.fs->lookup_in(inside, numbered("f", static_cast<std::uint64_t>(n))).value();
                    CHECK(read_all(*on.fs, inode).value() == piece(bytes, static_cast<std::uint64_t>(n)));
                }
                empty(*on.fs, inside);
                REQUIRE_FALSE(on.fs->remove(directory, "full"));
                REQUIRE_FALSE(on.fs->sync());
                CHECK(on.fs->list(directory)->size() == entries_before);
                CHECK(on.free_blocks() == free_before);
                CHECK(findings_on(*on.device, on.e) == "");
                const inode_number again = *on.fs->make_directory(directory, "again");
                CHECK(fill(*on.fs, again, bytes, "g") > files / 2);
                empty(*on.fs, again);
                REQUIRE_FALSE(on.fs->remove(directory, "again"));
            }
        }
}

TEST_CASE("files that share their extents are overwritten until there is no room, and stay what they are") {
    small_fs on(64);
    const auto data = piece(40'000, 1);
    const inode_number original = *on.fs->create_file(root_inode, "original");
    int copies = 0;
    {
        const auto file = on.fs->open(original);
        REQUIRE_FALSE(write_at(*on.fs, **file, 0, data));
        for (; copies < 8; ++copies)
            REQUIRE(on.fs->reflink(**file, root_inode, numbered("copy", static_cast<std::uint64_t>(copies))));
    }
    REQUIRE_FALSE(on.fs->sync());
    int overwritten = 0;
    for (std::error_code error; !error; overwritten += error ? 0 : 1) {
        const auto file =
            on.fs->open(on.fs->lookup(numbered("copy", static_cast<std::uint64_t>(overwritten))).value());
        error = write_at(*on.fs, **file, 0, piece(40'000, 2));
        CHECK((!error || error.value() == ENOSPC));
        REQUIRE(overwritten < copies);
    }
    CHECK(overwritten > 1);
    REQUIRE_FALSE(on.fs->sync());
    CHECK(findings_on(*on.device, on.e) == "");
    CHECK(read_all(*on.fs, original).value() == data);
    CHECK(read_all(*on.fs, on.fs->lookup("copy7").value()).value() == data);
    CHECK(read_all(*on.fs, on.fs->lookup("copy0").value()).value() == piece(40'000, 2));
}

TEST_CASE("a file is overwritten, made and removed again and again without a sync, in a small image") {
    small_fs on(64);
    for (const inode_number directory : {root_inode, on.vault()}) {
        const auto file = *on.fs->open(*on.fs->create_file(directory, "f"));
        for (std::uint64_t n = 0; n < 60; ++n) {
            REQUIRE_FALSE(write_at(*on.fs, *file, 0, piece(50'000, n)));
            REQUIRE_FALSE(write_at(*on.fs, *file, n * 800, piece(100, n)));
            REQUIRE(on.fs->create_file(directory, "other"));
            REQUIRE_FALSE(on.fs->remove(directory, "other"));
        }
        // Several at once, who all need what the others give up.
        std::vector<file_data> memory;
        std::array<waited_io, 24> ios;
        for (std::size_t n = 0; n < ios.size(); ++n) {
            memory.push_back(piece(8192, n));
            ios[n].io.prepare(file_op::write, *file, n % 6 * 8192, memory.back(), ios[n]);
            on.fs->submit(ios[n].io);
        }
        while (on.fs->in_flight() != 0)
            on.fs->wait();
        for (const waited_io& w : ios)
            CHECK((w.ends == 1 && !w.io.status));
        for (std::size_t n = 18; n < ios.size(); ++n)
            CHECK(read_at(*on.fs, *file, n % 6 * 8192, 8192).value() == memory[n]);
        REQUIRE_FALSE(on.fs->truncate(*file, 0));
        REQUIRE_FALSE(on.fs->sync());
        CHECK(findings_on(*on.device, on.e) == "");
    }
}

TEST_CASE("a commit that makes room for a write leaves out no blocks that others have taken") {
    simulated_env e(test_seed());
    simulated_env fsck_env(1); // not that of a queue with I/O in flight, which nobody polls meanwhile
    simulated_device device(sector_of(64), completion_order::timed, test_seed());
    fs_stack stack(e, device, crypt_path::fallback);
    REQUIRE_FALSE(demo_fs::format(device, e, test_uuid));
    std::string why;
    const auto fs = demo_fs::mount(stack.door(), {}, why).value();
    const auto file = *fs->open(*fs->create_file(root_inode, "f"));
    REQUIRE_FALSE(write_at(*fs, *file, 0, piece(80'000, 1)));
    REQUIRE_FALSE(fs->sync());
    const std::uint64_t generation = fs->super().generation;
    auto memory = piece(8192, 2);
    std::array<waited_io, 40> ios;
    for (std::size_t n = 0; n < ios.size(); ++n) {
        ios[n].io.prepare(file_op::write, *file, n % 8 * 8192, memory, ios[n]);
        fs->submit(ios[n].io);
    }
    std::uint64_t seen = generation;
    while (fs->in_flight() != 0) {
        fs->wait();
        if (std::exchange(seen, fs->super().generation) != fs->super().generation)
            CHECK(findings_on(device, fsck_env) == "");
    }
    for (const waited_io& w : ios)
        CHECK((w.ends == 1 && !w.io.status));
    CHECK(seen > generation + 1);
}
