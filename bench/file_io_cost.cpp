// SPDX-License-Identifier: Apache-2.0
// What does a filesystem add to the bios it sends? A file of 1 GiB on an image in memory, AES-256-XTS, keys
// of 256 extents of 4 MiB in the cache, 32 in flight at random places:
//
// - direct/write/4096: the bios that the file's places, keys and DUNs make, sent to the block layer directly
// - in_place/write/4096: the same as file_ios, in place
// - copy_on_write/4096: to new extents, each under a new key, of a file made of such, with a sync every 64
// MiB
// - direct/read, file/read: likewise
//
// And what grows with a file: first_block/N is from lookup() to the first block of a file with N extents that
// has not been looked at since the mount; random_read/N reads it at random, 4 KiB at a time. Its data was
// never written: what is read is decrypted noise.
//
// Images are made in $BLKCRYPTO_BENCH_DIR, or /dev/shm: 1.3 GiB, and for a file of 1,000,000 extents a sparse
// one of 200 MiB.

#include "bench/micro.hpp"
#include "bench/seeded.hpp"
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/dev/image_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "fsdemo/demo_fs.hpp"

#include <chrono>
#include <cstdlib>
#include <deque>
#include <fmt/format.h>
#include <map>
#include <unistd.h>

namespace blkcrypto::bench {
namespace {

using namespace fsdemo;
using wall_clock = std::chrono::steady_clock;

constexpr std::uint64_t file_bytes = 1 << 30;
constexpr std::uint64_t extent_bytes = 4 << 20;
constexpr std::uint64_t cow_file_bytes = 64 << 20;
constexpr unsigned in_flight = 32;

std::string place() {
    const char* named = std::getenv("BLKCRYPTO_BENCH_DIR");
    return named != nullptr ? named : "/dev/shm";
}

/// An image that goes when the program does.
class scratch_image {
  public:
    scratch_image(const char* name, std::uint64_t bytes)
        : path_(fmt::format("{}/blkcrypto-file_io_cost.{}.{}", place(), getpid(), name)) {
        (void)unlink(path_.c_str());
        if (create_image(path_, {0}, false) || truncate(path_.c_str(), static_cast<off_t>(bytes)) != 0)
            std::abort();
    }
    ~scratch_image() { (void)unlink(path_.c_str()); }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

/// A filesystem over the fallback, on an image.
class mounted {
  public:
    explicit mounted(const std::string& path, bool format) {
        e_ = thread_env::make().value();
        metadata_env_ = thread_env::make().value();
        device_ = make_image_device({.path = path}).value();
        fallback_ = crypto_fallback::make(*e_, make_keyslot_tfms(*e_, 100, 1).value(), {}).value();
        if (format && demo_fs::format(*device_, *metadata_env_, {}))
            std::abort();
        mount();
    }
    void mount() {
        fs.reset();
        std::string why;
        fs = demo_fs::mount({*e_, *device_, fallback_.get(), *metadata_env_}, {}, why).value();
        key = fs->keys().add(std::as_bytes(std::span("a master key of 32 bytes and some"))).value();
    }
    inode_number make_file(const char* name) {
        encryption_policy policy;
        policy.contents_mode = fscrypt_mode::aes_256_xts;
        policy.filenames_mode = default_filenames_mode(policy.contents_mode);
        policy.master_key_identifier = key;
        std::string_view why;
        auto directory = fs->lookup_in(root_inode, "d");
        if (!directory)
            directory = fs->make_directory(root_inode, "d");
        if (fs->set_policy(*directory, encode(policy), why))
            std::abort();
        return fs->create_file(*directory, name).value();
    }
    env& environment() { return *e_; }
    block_device& device() { return *device_; }
    crypto_fallback& fallback() { return *fallback_; }

  private:
    std::unique_ptr<thread_env> e_;
    std::unique_ptr<thread_env> metadata_env_;
    std::unique_ptr<image_device> device_;
    std::unique_ptr<crypto_fallback> fallback_;

  public:
    std::unique_ptr<demo_fs> fs; // on all of the above
    key_identifier key{};
};

/// file_ios at random, whole blocks, always as many in flight.
class file_load final : file_io_end {
  public:
    file_load(demo_fs& fs, open_file& file, std::uint64_t bytes, file_op op, bool in_place,
              std::uint32_t block)
        : fs_(fs), file_(file), blocks_(bytes / block), block_(block), op_(op), in_place_(in_place),
          buffers_(make_touched_buffers(in_flight, block)), ios_(in_flight) {}

    void run(std::uint64_t count) {
        left_ = count;
        for (unsigned i = 0; i < in_flight && left_ != 0; ++i)
            start(ios_[i], buffers_[i]);
        while (fs_.in_flight() != 0)
            fs_.wait();
        if (failed_)
            std::abort();
    }

  private:
    void start(file_io& io, bytes_span memory) noexcept {
        --left_;
        io.prepare(op_, file_, random_.below(blocks_) * block_, memory, *this);
        io.in_place = in_place_;
        fs_.submit(io);
    }
    void end_io(file_io& io) noexcept override {
        failed_ = failed_ || io.status || io.done_bytes != block_;
        if (left_ != 0)
            start(io, {io.memory, block_});
    }

    demo_fs& fs_;
    open_file& file_;
    const std::uint64_t blocks_;
    const std::uint32_t block_;
    const file_op op_;
    const bool in_place_;
    io_buffers buffers_;
    std::vector<file_io> ios_;
    seeded_numbers random_{1};
    std::uint64_t left_ = 0;
    bool failed_ = false;
};

/// The bios that file_load ends up with, made from a list of extents.
class direct_load final : bio_end_io {
  public:
    direct_load(mounted& m, inode_number inode, bio_op op, std::uint32_t block)
        : queue_(submit_queue::make(m.device(), &m.fallback(), m.environment(), {}).value()), m_(m), op_(op),
          block_(block), buffers_(make_touched_buffers(in_flight, block)), bios_(in_flight),
          segments_(in_flight) {
        const auto rows = m.fs->extents_of(inode).value();
        const auto master = m.fs->keys().get(m.key, 32).value();
        for (const extent_row& row : rows) {
            std::array<std::byte, 64> key;
            master->derive(hkdf_context::per_extent_enc_key, row.context->nonce, key);
            extents_.push_back(
                {row,
                 crypto_key::make(key, {crypto_mode::aes_256_xts, *data_unit_size::make(4096), 3}).value()});
            if (start_using_key(m.environment(), m.device(), &m.fallback(), *extents_.back().key))
                std::abort();
        }
    }
    ~direct_load() {
        for (const auto& extent : extents_)
            (void)evict_key(m_.environment(), m_.device(), &m_.fallback(), *extent.key);
    }

    void run(std::uint64_t count) {
        left_ = count;
        for (unsigned i = 0; i < in_flight && left_ != 0; ++i) {
            segments_[i] = {buffers_[i].data(), block_};
            start(i);
        }
        while (queue_->in_flight() != 0)
            queue_->wait();
        if (failed_)
            std::abort();
    }

  private:
    struct keyed_extent {
        extent_row row;
        std::unique_ptr<crypto_key> key;
    };
    void start(std::size_t i) noexcept {
        --left_;
        const std::uint64_t at = random_.below(file_bytes / block_) * block_;
        const keyed_extent& e = extents_[at / extent_bytes];
        const std::uint64_t within = at % extent_bytes;
        bios_[i].prepare(op_, to_sectors_exact({e.row.physical_offset_bytes + within}), {&segments_[i], 1},
                         *this);
        bios_[i].set_crypt_ctx(*e.key, dun(within / 4096));
        queue_->submit(bios_[i]);
    }
    void end_io(bio& b) noexcept override {
        failed_ = failed_ || b.status != blk_status::ok;
        if (left_ != 0)
            start(static_cast<std::size_t>(&b - bios_.data()));
    }

    std::unique_ptr<submit_queue> queue_;
    mounted& m_;
    const bio_op op_;
    const std::uint32_t block_;
    io_buffers buffers_;
    std::vector<bio> bios_;
    std::vector<bio_vec> segments_;
    std::vector<keyed_extent> extents_;
    seeded_numbers random_{1};
    std::uint64_t left_ = 0;
    bool failed_ = false;
};

template <typename Load>
void measure(benchmark::State& state, Load& load, std::uint32_t block) {
    const std::uint64_t ios = std::max<std::uint64_t>(64, (16 << 20) / block);
    load.run(ios); // keys are derived, places looked up
    for (auto _ : state) {
        const auto begin = wall_clock::now();
        load.run(ios);
        state.SetIterationTime(std::chrono::duration<double>(wall_clock::now() - begin).count());
    }
    count(state, ios, block);
}

// --- one file for all that is in place ---

struct big_file {
    scratch_image image{"big", file_bytes + (256 << 20)};
    mounted m{image.path(), true};
    inode_number inode = m.make_file("f");
    inode_number cow_inode = m.make_file("g");

    big_file() {
        const auto file = m.fs->open(inode).value();
        file_io io;
        struct : file_io_end {
            void end_io(file_io&) noexcept override {}
        } told;
        const io_buffers memory = make_touched_buffers(1, extent_bytes);
        for (std::uint64_t at = 0; at < file_bytes; at += extent_bytes) {
            io.prepare(file_op::write, *file, at, memory[0], told);
            m.fs->submit(io);
            while (m.fs->in_flight() != 0)
                m.fs->wait();
        }
        if (io.status || m.fs->sync() || m.fs->extents_of(inode)->size() != file_bytes / extent_bytes)
            std::abort();
    }
};
big_file& the_file() {
    static big_file file;
    return file;
}

void run_direct(benchmark::State& state, bio_op op, std::uint32_t block) {
    direct_load load(the_file().m, the_file().inode, op, block);
    measure(state, load, block);
}

void run_file(benchmark::State& state, file_op op, std::uint32_t block) {
    mounted& m = the_file().m;
    const auto file = m.fs->open(the_file().inode).value();
    file_load load(*m.fs, *file, file_bytes, op, op == file_op::write, block);
    measure(state, load, block);
}

void run_copy_on_write(benchmark::State& state, std::uint32_t block) {
    mounted& m = the_file().m;
    const auto file = m.fs->open(the_file().cow_inode).value();
    if (m.fs->truncate(*file, 0) || m.fs->sync())
        std::abort();
    file_load load(*m.fs, *file, cow_file_bytes, file_op::write, false, block);
    const std::uint64_t ios = cow_file_bytes / block;
    for (auto _ : state) {
        const auto begin = wall_clock::now();
        load.run(ios);
        if (m.fs->sync())
            std::abort();
        state.SetIterationTime(std::chrono::duration<double>(wall_clock::now() - begin).count());
    }
    count(state, ios, block);
}

// --- files of many extents ---

struct many_extents {
    explicit many_extents(std::uint64_t extents)
        : image(fmt::format("many{}", extents).c_str(), (extents + extents / 8 + 10000) << block_bits),
          m(image.path(), true), inode(m.make_file("f")), bytes(extents << block_bits) {
        volume& v = m.fs->metadata();
        extent_context context{fscrypt_mode::aes_256_xts, m.key, {}};
        for (std::uint64_t i = 0; i < extents; ++i) {
            const auto run = v.room().take(1).value();
            m.environment().fill_random(context.nonce);
            if (put_extent(v, inode, i << block_bits, run, encode(context)))
                std::abort();
            if (i % 50'000 == 49'999 && v.commit())
                std::abort();
        }
        auto item = load_inode(v, inode).value();
        item.size_bytes = bytes;
        if (store_inode(v, inode, item) || m.fs->sync())
            std::abort();
    }

    scratch_image image;
    mounted m;
    inode_number inode;
    std::uint64_t bytes;
};
many_extents& file_of(std::uint64_t extents) {
    static std::map<std::uint64_t, many_extents> files;
    return files.try_emplace(extents, extents).first->second;
}

void run_first_block(benchmark::State& state, std::uint64_t extents) {
    mounted& m = file_of(extents).m;
    for (auto _ : state) {
        m.mount();
        const auto begin = wall_clock::now();
        const auto file = m.fs->open(m.fs->lookup("/d/f").value()).value();
        file_load load(*m.fs, *file, block_bytes, file_op::read, false, block_bytes);
        load.run(1);
        state.SetIterationTime(std::chrono::duration<double>(wall_clock::now() - begin).count());
        state.counters["nodes_read"] = static_cast<double>(m.fs->metadata().nodes().reads());
    }
    count(state, 1);
}

void run_random_read(benchmark::State& state, std::uint64_t extents) {
    many_extents& f = file_of(extents);
    f.m.mount();
    const auto file = f.m.fs->open(f.inode).value();
    file_load load(*f.m.fs, *file, f.bytes, file_op::read, false, block_bytes);
    measure(state, load, block_bytes);
}

} // namespace
} // namespace blkcrypto::bench

int main(int argc, char** argv) {
    using namespace blkcrypto::bench;
    using blkcrypto::bio_op;
    using blkcrypto::fsdemo::file_op;
    micro_list all;
    for (const std::uint32_t block : {4096U, 131072U}) {
        all.add_timed(fmt::format("direct/write/{}", block),
                      [=](auto& state) { run_direct(state, bio_op::write, block); });
        all.add_timed(fmt::format("in_place/write/{}", block),
                      [=](auto& state) { run_file(state, file_op::write, block); });
        all.add_timed(fmt::format("copy_on_write/{}", block),
                      [=](auto& state) { run_copy_on_write(state, block); });
        all.add_timed(fmt::format("direct/read/{}", block),
                      [=](auto& state) { run_direct(state, bio_op::read, block); });
        all.add_timed(fmt::format("file/read/{}", block),
                      [=](auto& state) { run_file(state, file_op::read, block); });
    }
    for (const std::uint64_t extents : {1ULL, 1000ULL, 1'000'000ULL}) {
        all.add_timed(fmt::format("first_block/{}", extents),
                      [=](auto& state) { run_first_block(state, extents); });
        all.add_timed(fmt::format("random_read/{}", extents),
                      [=](auto& state) { run_random_read(state, extents); });
    }
    return all.run(argc, argv);
}
