// SPDX-License-Identifier: Apache-2.0
// The power goes at any point: the filesystem is then as it was at the last sync, or as the sync under way
// makes it, to the last name and byte. What was written in place is the only thing that may be otherwise, and
// only where it was written.
#include "blkcrypto/dev/memory_device.hpp"
#include "tests/fsdemo/crash_recorder.hpp"
#include "tests/fsdemo/fs_model.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

constexpr std::uint64_t image_blocks = 1500;

std::vector<std::byte> formatted(std::uint64_t blocks) {
    std::vector<std::byte> image(blocks * block_bytes);
    simulated_env e(1);
    REQUIRE_FALSE(demo_fs::format(*make_memory_device(image), e, test_uuid));
    return image;
}

/// What a crash left, on a device of its own.
class crashed {
  public:
    explicit crashed(crypt_path path)
        : image_(formatted(image_blocks)), device_(make_memory_device(image_)), stack_(e_, *device_, path),
          pair_(stack_, nullptr, {}) {}

    void take(bytes_view bytes) {
        std::ranges::copy(bytes, image_.begin());
        if (const std::string text = findings_on(*device_, e_); !text.empty())
            FAIL(text);
    }
    /// Empty: it is that, to the last byte.
    std::string differs_from(const model_inode& state) {
        const std::string why = pair_.mount_as(state);
        return why.empty() ? pair_.compare() : why;
    }
    void go_on(std::uint64_t seed) {
        auto ops = random_ops(10, seed);
        ops.insert(ops.begin(), fs_op{fs_op_kind::sync}); // what a remount goes back to
        ops.push_back({fs_op_kind::sync});
        for (const fs_op& op : ops)
            if (const std::string why = pair_.apply(op); !why.empty())
                FAIL(why);
        if (const std::string text = findings_on(*device_, e_); !text.empty())
            FAIL("after more work: " << text);
    }

  private:
    std::vector<std::byte> image_;
    std::unique_ptr<block_device> device_;
    simulated_env e_{1};
    fs_stack stack_;
    fs_pair pair_;
};

struct crash_counts {
    std::size_t images = 0;
    std::size_t later = 0; // that held the state of a sync that had not ended
};

void crash_run(crypt_path path, std::uint64_t seed, crash_counts& counts) {
    auto image = formatted(image_blocks);
    crash_recorder recorder(image);
    simulated_env e(seed);
    fs_stack stack(e, recorder, path);
    fs_pair pair(stack, nullptr, {.keys_max = 8, .nodes_max = 16, .depth = 8});
    auto ops = random_ops(150, seed);
    never_in_place(ops);
    for (std::size_t i = 0; i < ops.size(); i += 12)
        ops[i].kind = fs_op_kind::sync;
    for (const fs_op& op : ops) {
        const std::size_t before = pair.syncs_done();
        if (const std::string why = pair.apply(op); !why.empty())
            FAIL(why);
        for (std::size_t n = before; n != pair.syncs_done(); ++n)
            recorder.mark();
    }

    crashed after(path);
    random_source random(seed);
    const crash_bounds bounds{.all_subsets_of = 2, .random_subsets = 3, .torn = 1, .every = 5};
    counts.images += recorder.for_each_crash(random, bounds, [&](const crash_image& crash) {
        after.take(crash.bytes);
        std::string why = after.differs_from(*pair.synced()[crash.marks]);
        if (!why.empty() && crash.marks + 1 < pair.synced().size()) {
            ++counts.later;
            why += ", and: " + after.differs_from(*pair.synced()[crash.marks + 1]);
            why = why.ends_with(", and: ") ? std::string() : why;
        }
        if (!why.empty())
            FAIL("sync " << crash.marks << ": " << why);
        if (random.below(8) == 0)
            after.go_on(random.next());
    });
}

// --- in place ---

constexpr std::uint64_t in_place_blocks = 400;
constexpr std::uint64_t file_blocks = 12;
constexpr std::uint64_t file_sectors = file_blocks * block_bytes / sector_size_bytes;

/// Whether a torn data unit is, sector by sector, of one of its versions: plain, and XTS, which decrypts 16
/// bytes at a time. Of other modes it may be anything.
enum class torn_unit { by_sector, anything };

struct file_kind {
    const char* path;
    const char* directory;
    fscrypt_mode mode;
    std::uint8_t log2_unit;
    torn_unit torn;
};
constexpr std::array file_kinds{
    file_kind{"/plain/f", "plain", {}, 0, torn_unit::by_sector},
    file_kind{"/xts/f", "xts", fscrypt_mode::aes_256_xts, 0, torn_unit::by_sector},
    file_kind{"/sectors/f", "sectors", fscrypt_mode::aes_256_xts, 9, torn_unit::by_sector},
    file_kind{"/adiantum/f", "adiantum", fscrypt_mode::adiantum, 12, torn_unit::anything}};

using file_data = std::vector<std::byte>;
using all_data = std::array<file_data, file_kinds.size()>;

struct epoch {
    all_data synced;                // at its beginning
    std::vector<std::string> names; // in the root directory
    /// What sectors of what is synced held since, by file.
    std::array<std::map<std::uint64_t, std::set<std::string>>, file_kinds.size()> versions;
};

std::string sector_of_file(const file_data& data, std::uint64_t sector) {
    return {reinterpret_cast<const char*>(data.data()) + sector * sector_size_bytes, sector_size_bytes};
}

/// Writes in place and not, on files that are there all the time.
class in_place_run {
  public:
    in_place_run(crypt_path path, std::uint64_t seed)
        : random_(seed), image_(formatted(in_place_blocks)), recorder_(image_), e_(seed),
          stack_(e_, recorder_, path), after_image_(formatted(in_place_blocks)),
          after_device_(make_memory_device(after_image_)), after_stack_(after_e_, *after_device_, path) {
        std::string why;
        fs_ = demo_fs::mount(stack_.door(), {}, why).value();
        const auto key = *fs_->keys().add(master_key_bytes(1));
        epochs_.emplace_back(); // an empty filesystem
        for (std::size_t i = 0; i < file_kinds.size(); ++i) {
            const file_kind& kind = file_kinds[i];
            const inode_number directory = *fs_->make_directory(root_inode, kind.directory);
            std::string_view rule;
            if (kind.mode != fscrypt_mode{})
                REQUIRE_FALSE(
                    fs_->set_policy(directory, encode(policy_under(key, kind.mode, kind.log2_unit)), rule));
            files_.push_back(fs_->open(*fs_->create_file(directory, "f")).value());
            now_[i] = random_bytes(file_blocks * block_bytes, random_.next());
            REQUIRE_FALSE(write_at(*fs_, *files_[i], 0, now_[i]));
        }
        sync();
    }

    void run(int syncs, int writes) {
        for (int i = 0; i < syncs; ++i) {
            for (int n = 0; n < writes; ++n)
                write();
            REQUIRE(fs_->create_file(root_inode, "after" + std::to_string(i)));
            sync();
        }
        for (int n = 0; n < writes; ++n)
            write();
    }

    std::size_t check_crashes(const crash_bounds& bounds) {
        const std::size_t images = recorder_.for_each_crash(random_, bounds, [&](const crash_image& crash) {
            std::ranges::copy(crash.bytes, after_image_.begin());
            if (const std::string text = findings_on(*after_device_, after_e_); !text.empty())
                FAIL(text);
            std::string why;
            const auto fs = demo_fs::mount(after_stack_.door(), {.read_only = true}, why).value();
            (void)*fs->keys().add(master_key_bytes(1));
            const auto names = names_of(*fs);
            const bool is_last = names == epochs_[crash.marks].names;
            REQUIRE(
                (is_last || (crash.marks + 1 < epochs_.size() && names == epochs_[crash.marks + 1].names)));
            if (names.empty())
                return; // before the first sync
            for (std::size_t i = 0; i < file_kinds.size(); ++i)
                check_file(*fs, i, epochs_[crash.marks + (is_last ? 0 : 1)], is_last);
        });
        CHECK(newer_ > 0);
        return images;
    }

  private:
    void write() {
        const auto i = static_cast<std::size_t>(random_.below(file_kinds.size()));
        const bool in_place = random_.below(4) != 0;
        const std::uint64_t length = 1 + random_.below(random_.below(2) == 0 ? 600 : 3 * block_bytes);
        std::uint64_t offset = random_.below(file_blocks * block_bytes - length);
        if (random_.below(2) == 0)
            offset &= ~(block_bytes - 1);
        const bool is_zero = random_.below(6) == 0;
        const auto data = is_zero ? file_data(length) : random_bytes(length, random_.next());
        const std::error_code error = is_zero ? zero_at(*fs_, *files_[i], offset, length, in_place)
                                              : write_at(*fs_, *files_[i], offset, data, in_place);
        REQUIRE_FALSE(error);
        std::ranges::copy(data, now_[i].begin() + static_cast<std::ptrdiff_t>(offset));
        note(i, offset, offset + length, in_place);
    }

    // In whole data units, since the rest of one is encrypted anew, to the same. Blocks that are new since
    // the last sync are not of its state.
    void note(std::size_t i, std::uint64_t begin, std::uint64_t end, bool in_place) {
        const std::uint64_t unit =
            in_place && (i == 0 || file_kinds[i].log2_unit == 9) ? sector_size_bytes : block_bytes;
        for (std::uint64_t at = begin & ~(unit - 1); at < end; at += sector_size_bytes) {
            if (!in_place)
                fresh_[i].insert(at / block_bytes);
            else if (!fresh_[i].contains(at / block_bytes))
                epochs_.back().versions[i][at / sector_size_bytes].insert(
                    sector_of_file(now_[i], at / sector_size_bytes));
        }
        if (in_place && unit == block_bytes) // up to the end of its last unit
            for (std::uint64_t at = end; at % block_bytes != 0; at = (at | (sector_size_bytes - 1)) + 1)
                if (!fresh_[i].contains(at / block_bytes))
                    epochs_.back().versions[i][at / sector_size_bytes].insert(
                        sector_of_file(now_[i], at / sector_size_bytes));
    }

    void sync() {
        epoch next;
        next.synced = now_;
        next.names = names_of(*fs_);
        REQUIRE_FALSE(fs_->sync());
        recorder_.mark();
        epochs_.push_back(std::move(next));
        fresh_ = {};
    }

    static std::vector<std::string> names_of(demo_fs& fs) {
        std::vector<std::string> names;
        for (const dir_entry& entry : fs.list(root_inode).value())
            names.push_back(entry.name);
        return names;
    }

    void check_file(demo_fs& fs, std::size_t i, const epoch& state, bool is_last) {
        const file_kind& kind = file_kinds[i];
        const auto data = read_all(fs, fs.lookup(kind.path).value()).value();
        REQUIRE(data.size() == state.synced[i].size());
        for (std::uint64_t n = 0; n < file_sectors; ++n) {
            const auto got = sector_of_file(data, n);
            if (got == sector_of_file(state.synced[i], n))
                continue;
            const auto& versions = state.versions[i];
            const auto known = versions.find(n);
            if (!is_last || known == versions.end())
                FAIL(kind.path << ": sector " << n << " was not written in place and is another");
            if (kind.torn == torn_unit::by_sector && !known->second.contains(got))
                FAIL(kind.path << ": sector " << n << " is none of its versions");
            ++newer_;
        }
    }

    random_source random_;
    std::vector<std::byte> image_;
    crash_recorder recorder_;
    simulated_env e_;
    fs_stack stack_;
    std::unique_ptr<demo_fs> fs_;
    std::vector<file_handle> files_;
    all_data now_;
    std::array<std::set<std::uint64_t>, file_kinds.size()> fresh_; // blocks of files
    std::vector<epoch> epochs_;
    std::vector<std::byte> after_image_;
    std::unique_ptr<block_device> after_device_;
    simulated_env after_e_{1};
    fs_stack after_stack_;
    std::size_t newer_ = 0; // sectors that a crash left as they were written in place
};

} // namespace

TEST_CASE("a crash at any point leaves the files of the last sync or of the next, to the last byte") {
    crash_counts counts;
    for (std::uint64_t i = 0; i < 6; ++i) {
        CAPTURE(i);
        crash_run(i % 2 == 0 ? crypt_path::fallback : crypt_path::inline_engine, test_seed() + i, counts);
    }
    CHECK(counts.images > 500);
    CHECK(counts.later > 5);
}

TEST_CASE("a crash leaves old or new where files were written in place, and the last sync elsewhere") {
    std::size_t images = 0;
    for (const crypt_path path : {crypt_path::fallback, crypt_path::inline_engine}) {
        in_place_run run(path, test_seed());
        run.run(8, 12);
        images += run.check_crashes({.all_subsets_of = 3, .random_subsets = 4, .torn = 2, .every = 3});
    }
    CHECK(images > 300);
}
