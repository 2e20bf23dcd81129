// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_job.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

using namespace fsdemo;

constexpr std::size_t nodes_min = 2048;
constexpr std::size_t nodes_max = 32768; // 128 MiB

std::vector<inode_number> files_of_job(const lab_image& image, unsigned job, unsigned jobs) {
    std::vector<inode_number> own;
    for (std::size_t file = job; file < image.files().size(); file += jobs)
        own.push_back(image.files()[file]);
    return own;
}

// A module's file is read through a place of the queue: there is one besides what the load needs.
fs_options options_of_mount(const lab_options& options, std::size_t nodes) {
    return {.keys_max = options.extent_infos,
            .derived_keys_max = options.derived_keys,
            .nodes_max = std::clamp(nodes, nodes_min, nodes_max),
            .depth = options.workload.depth + static_cast<unsigned>(options.image.modes.size()),
            .commits_for_room = false};
}

/// No memory, or no such transform in this way of having them. Everything else has nothing to do with
/// strategies.
bool is_shortage(std::error_code error) {
    return error == make_error(ENOMEM) || error == make_error(ENOPKG) || error == make_error(EOPNOTSUPP);
}

keyslot_counters difference(const keyslot_counters& after, const keyslot_counters& before) {
    return {after.hits - before.hits, after.misses - before.misses, after.evictions - before.evictions,
            after.waits - before.waits};
}
cache_counters difference(const cache_counters& after, const cache_counters& before) {
    return {after.hits - before.hits, after.misses - before.misses, after.evictions - before.evictions};
}

} // namespace

lab_job::lab_job(const round_plan& plan, const lab_image& image, lab_stack& stack, unsigned job)
    : plan_(plan), stack_(stack), inodes_(files_of_job(image, job, plan.options.workload.jobs)),
      env_(cli::take(thread_env::make(), "event loop", cli::exit_failed)),
      metadata_env_(cli::take(thread_env::make(), "event loop", cli::exit_failed)),
      memory_(plan.options.workload.depth, plan.options.image.extent_bytes),
      has_room_for_tree_(image.nodes() <= nodes_max), fs_(mount(image)),
      load_(plan, job, *fs_, *env_, memory_) {
    files_.reserve(inodes_.size());
    (void)image.master_keys().add_to(fs_->keys());
}

std::unique_ptr<demo_fs> lab_job::mount(const lab_image& image) {
    std::string why;
    auto fs = demo_fs::mount(stack_.door(*env_, *metadata_env_),
                             options_of_mount(plan_.options, image.nodes()), why);
    if (!fs)
        throw cli::program_error(cli::exit_failed, image.path(), why.empty() ? fs.error().message() : why,
                                 fs.error().value());
    return std::move(*fs);
}

// --- opening ---

void lab_job::open_files() {
    for (const inode_number inode : inodes_) {
        const std::uint64_t start_ns = env_->now_ns();
        if (!open_next(inode))
            return;
        if (files_.size() == 1)
            read_first_byte(start_ns);
        if (stopped_)
            return;
    }
}

bool lab_job::open_next(inode_number inode) {
    const std::uint64_t modules_before = fs_->modules_loaded();
    const std::uint64_t start_ns = env_->now_ns();
    auto file = fs_->open(inode);
    const std::uint64_t took_ns = env_->now_ns() - start_ns;
    if (!file) {
        stop(false, file.error(), "opening a file");
        return false;
    }
    files_.push_back(std::move(*file));
    ++opened_.files;
    opened_.all_ns += took_ns;
    opened_.max_ns = std::max(opened_.max_ns, took_ns);
    opened_.modules_loaded += fs_->modules_loaded() - modules_before;
    return true;
}

void lab_job::read_first_byte(std::uint64_t start_ns) {
    if (const std::error_code error = load_.read_one(*files_.front()))
        stop(true, error, "reading the first extent");
    opened_.first_byte_ns = env_->now_ns() - start_ns;
}

void lab_job::stop(bool is_in_io, std::error_code error, std::string_view what) {
    if (!is_shortage(error))
        throw cli::file_error(cli::exit_failed, std::string(stack_.info().name) + ", " + std::string(what),
                              error.value());
    if (!stopped_)
        stopped_ = shortage{is_in_io, error, stack_.figures(*env_)};
}

// --- the load ---

void lab_job::look_at_extents() {
    if (!has_room_for_tree_)
        return;
    for (const inode_number inode : inodes_)
        if (const auto rows = fs_->extents_of(inode); !rows)
            throw cli::file_error(cli::exit_failed, "the image's metadata", rows.error().value());
}

void lab_job::run_load() {
    const keyslot_counters tfms = fs_->tfm_use();
    const cache_counters derived = fs_->derived_key_use();
    load_.run(files_);
    tfm_use_ = difference(fs_->tfm_use(), tfms);
    derived_keys_ = difference(fs_->derived_key_use(), derived);
    if (load_.done().error)
        stop(true, load_.done().error, "I/O");
}

void lab_job::check_reads(std::string_view who) {
    const auto found = load_.find_wrong(files_);
    if (found.has_error()) {
        if (found.error() == make_error(ENOMEM)) // a limit is no wrong content; the timed I/O was done
            return;
        throw cli::file_error(cli::exit_failed, fmt::format("{}, reading what was written", who),
                              found.error().value());
    }
    const auto& wrong = *found;
    if (!wrong)
        return;
    const std::uint64_t extents = plan_.options.image.extents_per_file;
    throw cli::program_error(cli::exit_failed, who,
                             fmt::format("extent {} of file {} does not read as it was written",
                                         *wrong % extents, *wrong / extents));
}

} // namespace blkcrypto::bench
