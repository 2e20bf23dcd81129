// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/demo_fs.hpp"

#include "fsdemo/fs_modules.hpp"
#include "fsdemo/key_strategy.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

bool have_same_policy(const inode_item& a, const inode_item& b) noexcept {
    return a.context && b.context && a.context->policy == b.context->policy;
}

} // namespace

file_handle::~file_handle() {
    if (file_ != nullptr)
        fs_->close(*file_);
}

// --- mounting ---

demo_fs::demo_fs(const crypto_door& door, std::unique_ptr<volume> metadata)
    : door_(door), volume_(std::move(metadata)) {}

result<std::unique_ptr<demo_fs>> demo_fs::mount(const crypto_door& door, const fs_options& options,
                                                std::string& why) {
    return or_no_memory([&]() -> result<std::unique_ptr<demo_fs>> {
        auto metadata = volume::open(door.device, door.metadata_environment,
                                     {.read_only = options.read_only, .nodes_max = options.nodes_max}, why);
        if (!metadata)
            return metadata.error();
        std::unique_ptr<demo_fs> fs(new demo_fs(door, std::move(*metadata)));
        if (const std::error_code error = fs->set_up(options))
            return error;
        return fs;
    });
}

std::error_code demo_fs::set_up(const fs_options& options) {
    commits_for_room_ = options.commits_for_room;
    const bool wants_modules =
        door_.strategy != nullptr && door_.strategy->traits().modules != module_use::never;
    if (wants_modules)
        modules_ = std::make_unique<fs_modules>(*this, door_.environment, door_.strategy->traits().modules);
    if (options.derived_keys_max != 0) {
        auto derived = derived_keys::make(door_.environment, options.derived_keys_max);
        if (!derived)
            return derived.error();
        derived_keys_ = std::move(*derived);
    }
    auto keys = extent_keys::make(
        door_, {.capacity = options.keys_max, .derived = derived_keys_.get(), .modules = modules_.get()});
    if (!keys)
        return keys.error();
    extent_keys_ = std::move(*keys);
    keys_.set_observer(extent_keys_.get());
    auto queue = fs_queue::make(door_, *volume_, *extent_keys_, {options.depth, options.commits_for_room});
    if (!queue)
        return queue.error();
    queue_ = std::move(*queue);
    return wants_modules ? modules_->find() : std::error_code{};
}

std::uint64_t demo_fs::modules_loaded() const noexcept {
    return modules_ ? modules_->loaded() : 0;
}

demo_fs::~demo_fs() {
    modules_.reset(); // its files are open
    assert(open_.empty());
    keys_.forget_all(); // while there is somebody who hears of it
    keys_.set_observer(nullptr);
}

demo_fs::space_use demo_fs::space() const noexcept {
    const fsdemo::space& room = volume_->room();
    return {super().blocks, room.free_blocks() + room.retired_blocks()};
}

void demo_fs::wait_for_all() noexcept {
    while (in_flight() != 0)
        wait();
}

std::error_code demo_fs::sync() {
    wait_for_all();
    return volume_->commit();
}

// Blocks that the last state uses and this one does not are there once this one is durable.
std::error_code demo_fs::may_change(volume::room_for what, std::uint64_t blocks) {
    const std::error_code error = volume_->may_change(what, blocks);
    if (error != make_error(ENOSPC) || !commits_for_room_ || !volume_->has_changed())
        return error;
    if (const std::error_code failed = sync())
        return failed;
    return volume_->may_change(what, blocks);
}

// --- looking names up ---

result<inode_item> demo_fs::load(inode_number inode) {
    if (const std::error_code error = volume_->may_read())
        return error;
    return load_inode(*volume_, inode);
}

result<inode_item> demo_fs::load_directory(inode_number inode) {
    auto item = load(inode);
    if (item && item->kind != inode_kind::directory)
        return make_error(ENOTDIR);
    return item;
}

// fscrypt_has_permitted_context(): what is in an encrypted directory has its policy.
std::error_code demo_fs::check_permitted(const inode_item& directory,
                                         const inode_item& child) const noexcept {
    return make_error(directory.context && !have_same_policy(directory, child) ? EPERM : 0);
}

result<inode_number> demo_fs::lookup_in(inode_number directory, std::string_view name) {
    return or_no_memory([&]() -> result<inode_number> {
        const auto parent = load_directory(directory);
        if (!parent)
            return parent.error();
        const auto entry = find_entry(*volume_, directory, name);
        if (!entry)
            return entry.error();
        const auto child = load(entry->inode);
        if (!child)
            return child.error() == make_error(ENOENT) ? volume_->bad_item(inode_key(entry->inode))
                                                       : child.error();
        if (const std::error_code error = check_permitted(*parent, *child))
            return error;
        return entry->inode;
    });
}

result<inode_number> demo_fs::lookup(std::string_view path) {
    inode_number at = root_inode;
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('/'), path.size());
        const std::string_view name = path.substr(0, end);
        path.remove_prefix(std::min(end + 1, path.size()));
        if (name.empty())
            continue;
        const auto next = lookup_in(at, name);
        if (!next)
            return next.error();
        at = *next;
    }
    return at;
}

result<inode_status> demo_fs::status_of(inode_number inode) {
    return or_no_memory([&]() -> result<inode_status> {
        const auto item = load(inode);
        if (!item)
            return item.error();
        return inode_status{inode, *item};
    });
}

result<std::vector<dir_entry>> demo_fs::list(inode_number directory) {
    return or_no_memory([&]() -> result<std::vector<dir_entry>> {
        if (const auto parent = load_directory(directory); !parent)
            return parent.error();
        auto entries = all_entries(*volume_, directory);
        if (entries)
            std::ranges::sort(*entries, {}, &dir_entry::name);
        return entries;
    });
}

result<std::vector<extent_row>> demo_fs::extents_of(inode_number inode) {
    return or_no_memory([&]() -> result<std::vector<extent_row>> {
        wait_for_all();
        const auto item = load(inode);
        if (!item)
            return item.error();
        const auto parts = all_parts(*volume_, inode);
        if (!parts)
            return parts.error();
        std::vector<extent_row> rows;
        rows.reserve(parts->size());
        for (const file_part& part : *parts) {
            extent_row row{part.begin_bytes,
                           part.physical_bytes(part.begin_bytes),
                           part.end_bytes - part.begin_bytes,
                           part.offset_bytes,
                           part.item.references,
                           {}};
            if (part.item.context.has_value() != item->context.has_value())
                return make_error(EINVAL);
            if (part.item.context) {
                std::string_view why;
                const auto context = decode_extent_context(*part.item.context, item->context->policy, why);
                if (!context)
                    return context.error();
                row.context = *context;
            }
            rows.push_back(row);
        }
        return rows;
    });
}

} // namespace blkcrypto::fsdemo
