// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_layout.hpp"

#include "bench/lab/lab_image.hpp"
#include "bench/lab/round_contents.hpp"
#include "bench/lab/seeded_env.hpp"
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/dev/image_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "blkcrypto/tools/cli/progress.hpp"
#include "fsdemo/fs_modules.hpp"

#include <cerrno>
#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

using namespace fsdemo;

constexpr std::uint64_t layout_part = 0x6c61796f7574; // of the seed
constexpr std::uint64_t extents_per_commit = 16384;   // what changed of the tree until then is in memory

fscrypt_mode policy_mode(const crypto_mode_info& mode) {
    for (const auto known : {fscrypt_mode::aes_256_xts, fscrypt_mode::aes_128_cbc, fscrypt_mode::sm4_xts,
                             fscrypt_mode::adiantum})
        if (block_mode(known) == mode.mode)
            return known;
    throw cli::unusable(mode.name, "no mode that files' contents can have");
}

/// One write after the other: of several in flight the one that ends first would be in the tree first, and
/// the image another one every time.
class waited_write final : file_io_end {
  public:
    waited_write(demo_fs& fs, open_file& file) : fs_(fs), file_(file) {}

    std::error_code write(std::uint64_t offset_bytes, bytes_span data) {
        is_busy_ = true;
        io_.prepare(file_op::write, file_, offset_bytes, data, *this);
        fs_.submit(io_);
        while (is_busy_)
            fs_.wait();
        return io_.status;
    }

  private:
    void end_io(file_io&) noexcept override { is_busy_ = false; }

    demo_fs& fs_;
    open_file& file_;
    file_io io_;
    bool is_busy_ = false;
};

class layout {
  public:
    layout(const std::string& image, const lab_options& options, env& e);

    laid_out_files fill(const lab_master_keys& keys);

  private:
    void make_directories(const std::vector<key_identifier>& keys);
    void make_modules();
    inode_number make_file(std::uint64_t number);
    void find_extents(inode_number inode, std::vector<std::uint64_t>& places_bytes);
    void write_whole(inode_number inode, std::uint64_t bytes, std::uint32_t piece_bytes,
                     std::uint64_t first_key);
    void commit() { check(fs_->sync()); }

    void check(std::error_code error) const {
        if (error)
            throw cli::file_error(cli::exit_failed, image_, error.value());
    }
    template <typename T>
    T take(result<T> made) const {
        return cli::take(std::move(made), image_, cli::exit_failed);
    }

    const std::string& image_;
    const lab_image_options& options_;
    const unsigned jobs_;
    const round_contents contents_;
    const std::unique_ptr<thread_env> metadata_env_;
    std::unique_ptr<image_device> device_;
    std::unique_ptr<crypto_fallback> fallback_;
    std::unique_ptr<demo_fs> fs_;
    std::vector<inode_number> directories_; // by pair
};

// Through the page cache: of a million small extents, each by itself, a disk would take its time.
layout::layout(const std::string& image, const lab_options& options, env& e)
    : image_(image), options_(options.image), jobs_(options.workload.jobs),
      contents_(options.workload.seed, round_contents::laid_out,
                std::max<std::uint32_t>(options.image.extent_bytes, module_bytes)),
      metadata_env_(take(thread_env::make())),
      device_(take(make_image_device({.path = image, .direct = direct_io::off}))) {
    auto tfms = take(make_keyslot_tfms(e, kernel_7_0.fallback_keyslots, 1));
    fallback_ = take(crypto_fallback::make(e, std::move(tfms), {}));
    filesystem_uuid uuid{};
    e.fill_random(uuid);
    check(demo_fs::format(*device_, *metadata_env_, uuid));
    std::string why;
    fs_ = take(demo_fs::mount({e, *device_, fallback_.get(), *metadata_env_}, {.derived_keys_max = 0}, why));
}

laid_out_files layout::fill(const lab_master_keys& keys) {
    make_directories(keys.add_to(fs_->keys()));
    make_modules();
    cli::progress progress("layout", options_.extents() * options_.extent_bytes);
    const std::uint64_t files_per_commit = extents_per_commit / options_.extents_per_file + 1;
    laid_out_files files;
    for (std::uint64_t number = 0; number < options_.files; ++number) {
        files.inodes.push_back(make_file(number));
        if (files.inodes.size() % files_per_commit == 0)
            commit();
        progress.update(files.inodes.size() * options_.extents_per_file * options_.extent_bytes);
    }
    commit();
    files.places_bytes.reserve(options_.extents());
    for (const inode_number inode : files.inodes)
        find_extents(inode, files.places_bytes);
    return files;
}

void layout::make_directories(const std::vector<key_identifier>& keys) {
    for (std::uint64_t i = 0; i < options_.master_keys * options_.modes.size(); ++i) {
        const policy_pair pair = pair_of_file(options_, i);
        encryption_policy policy;
        policy.contents_mode = policy_mode(*pair.mode);
        policy.filenames_mode = default_filenames_mode(policy.contents_mode);
        policy.master_key_identifier = keys[pair.master_key];
        std::string_view why;
        const auto name = fmt::format("key{}.{}", pair.master_key, pair.mode->name);
        directories_.push_back(take(fs_->make_directory(root_inode, name)));
        check(fs_->set_policy(directories_.back(), encode(policy), why));
    }
}

void layout::make_modules() {
    const auto directory = take(fs_->make_directory(root_inode, modules_directory.substr(1)));
    for (const auto* mode : options_.modes)
        write_whole(take(fs_->create_file(directory, mode->name)), module_bytes, module_bytes, 0);
}

inode_number layout::make_file(std::uint64_t number) {
    // Every job has files of every pair.
    const inode_number directory = directories_[number / jobs_ % directories_.size()];
    const inode_number inode = take(fs_->create_file(directory, fmt::format("file{}", number)));
    const std::uint64_t extents = options_.extents_per_file;
    write_whole(inode, extents * options_.extent_bytes, options_.extent_bytes, number * extents);
    return inode;
}

// Of its full size first: what grows with each write is one change more of each.
void layout::write_whole(inode_number inode, std::uint64_t bytes, std::uint32_t piece_bytes,
                         std::uint64_t first_key) {
    const file_handle file = take(fs_->open(inode));
    check(fs_->truncate(*file, bytes));
    waited_write io(*fs_, *file);
    for (std::uint64_t at = 0; at < bytes; at += piece_bytes)
        check(io.write(at, contents_.of(first_key + at / piece_bytes).first(piece_bytes)));
}

// Free space in pieces would have made two of one.
void layout::find_extents(inode_number inode, std::vector<std::uint64_t>& places_bytes) {
    const auto rows = take(fs_->extents_of(inode));
    if (rows.size() != options_.extents_per_file)
        throw cli::program_error(cli::exit_failed, image_,
                                 "a file has another number of extents than asked for");
    for (const extent_row& row : rows)
        places_bytes.push_back(row.physical_offset_bytes);
}

} // namespace

laid_out_files lay_out(const std::string& image, const lab_options& options, const lab_master_keys& keys,
                       env& e) {
    seeded_env seeded(e, sub_seed(options.workload.seed, layout_part));
    return layout(image, options, seeded).fill(keys);
}

} // namespace blkcrypto::bench
