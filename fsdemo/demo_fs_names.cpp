// SPDX-License-Identifier: Apache-2.0
// demo_fs: making, removing and moving names, and policies of directories.
#include "fsdemo/demo_fs.hpp"

#include <algorithm>
#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

/// Something that fscrypt_ioctl_set_policy() looks at any further: a version it knows, and as long as that
/// is.
bool is_policy(bytes_view policy) noexcept {
    const bool is_v1 = policy.size() == policy_v1_size_bytes && policy[0] == std::byte{0};
    return is_v1 || (policy.size() == policy_size_bytes && policy[0] == std::byte{2});
}

} // namespace

// --- making names ---

// Of something new in a directory: its policy, and a nonce. Who makes it has to have the key.
result<std::optional<encryption_context>> demo_fs::context_for_new(const inode_item& parent) {
    std::optional<encryption_context> context;
    if (!parent.context)
        return context;
    if (keys_.status(parent.context->policy.master_key_identifier) != key_status::present)
        return make_error(ENOKEY);
    context.emplace(encryption_context{parent.context->policy, {}});
    door_.environment.fill_random(context->nonce);
    return context;
}

result<inode_number> demo_fs::make(inode_number parent, std::string_view name, inode_kind kind) {
    const auto directory = load_directory(parent);
    if (!directory)
        return directory.error();
    if (const std::error_code error = check_name(name))
        return error;
    const auto existing = find_entry(*volume_, parent, name);
    if (existing || existing.error() != make_error(ENOENT))
        return existing ? make_error(EEXIST) : existing.error();
    const auto context = context_for_new(*directory);
    if (!context)
        return context.error();
    if (const std::error_code error = may_change(volume::room_for::more))
        return error;
    if (super().next_inode >= inode_numbers_max)
        return make_error(ENOSPC);
    const inode_number inode = volume_->take_inode_number();
    // One that is there already is a damaged image's.
    if (const std::error_code error = volume_->change([&] {
            return volume_->tree().insert(inode_key(inode), encode(inode_item{kind, 0, parent, *context}));
        }))
        return error == make_error(EEXIST) ? volume_->bad_item(inode_key(inode)) : error;
    if (const std::error_code error = volume_->change([&] {
            return add_entry(*volume_, parent, {std::string(name), inode, kind});
        }))
        return error;
    return inode;
}

result<inode_number> demo_fs::make_directory(inode_number parent, std::string_view name) {
    return or_no_memory([&] { return make(parent, name, inode_kind::directory); });
}

result<inode_number> demo_fs::create_file(inode_number parent, std::string_view name) {
    return or_no_memory([&] { return make(parent, name, inode_kind::file); });
}

std::error_code demo_fs::set_policy(inode_number directory, bytes_view policy, std::string_view& why) {
    return or_no_memory([&]() -> std::error_code {
        auto item = load(directory);
        if (!item)
            return item.error();
        if (!is_policy(policy)) {
            why = "no policy of a known version";
            return make_error(EINVAL);
        }
        if (item->context)
            return make_error(std::ranges::equal(encode(item->context->policy), policy) ? 0 : EEXIST);
        if (item->kind != inode_kind::directory)
            return make_error(ENOTDIR);
        if (const std::error_code error = check_empty(*volume_, directory))
            return error;
        const auto checked = check_policy(policy, traits(), why);
        if (!checked)
            return checked.error();
        if (keys_.status(checked->master_key_identifier) != key_status::present)
            return make_error(ENOKEY);
        if (const std::error_code error = may_change(volume::room_for::more))
            return error;
        item->context.emplace(encryption_context{*checked, {}});
        door_.environment.fill_random(item->context->nonce);
        return volume_->change([&] { return store_inode(*volume_, directory, *item); });
    });
}

// --- removing and moving names ---

std::error_code demo_fs::cut_size(inode_number inode, std::uint64_t size_bytes_max) {
    auto item = load(inode);
    if (!item)
        return item.error();
    item->size_bytes = std::min(item->size_bytes, size_bytes_max);
    return store_inode(*volume_, inode, *item);
}

// From its end, so that it is a shorter file whenever a commit has to make room for the next one.
std::error_code demo_fs::shorten(inode_number inode, std::uint64_t kept_bytes) {
    for (;;) {
        const auto last = last_part(*volume_, inode);
        if (!last)
            return last.error();
        if (!*last || (*last)->end_bytes() <= kept_bytes)
            return {};
        if (volume_->may_change(volume::room_for::less) == make_error(ENOSPC)) {
            if (const std::error_code error =
                    volume_->change([&] { return cut_size(inode, (*last)->end_bytes()); }))
                return error;
            if (const std::error_code error = volume_->commit())
                return error;
            if (const std::error_code error = volume_->may_change(volume::room_for::less))
                return error;
        }
        const std::uint64_t begin_bytes = std::max((*last)->begin_bytes, kept_bytes);
        if (const std::error_code error = volume_->change(
                [&] { return remove_parts(*volume_, inode, begin_bytes, (*last)->end_bytes()); }))
            return error;
    }
}

std::error_code demo_fs::remove_with_data(inode_number parent, std::string_view name, inode_number inode) {
    if (const std::error_code error = shorten(inode, 0))
        return error;
    return volume_->change([&] {
        const std::error_code error = erase_entry(*volume_, parent, name);
        return error ? error : erase_inode(*volume_, inode);
    });
}

std::error_code demo_fs::remove(inode_number parent, std::string_view name) {
    return or_no_memory([&]() -> std::error_code {
        wait_for_all();
        if (const auto directory = load_directory(parent); !directory)
            return directory.error();
        const auto entry = find_entry(*volume_, parent, name);
        if (!entry)
            return entry.error();
        const auto item = load(entry->inode);
        if (!item)
            return item.error();
        if (item->kind == inode_kind::directory)
            if (const std::error_code error = check_empty(*volume_, entry->inode))
                return error;
        if (open_.contains(entry->inode))
            return make_error(EBUSY);
        if (const std::error_code error = may_change(volume::room_for::less))
            return error;
        return remove_with_data(parent, name, entry->inode);
    });
}

// A directory that is moved must not be above the one it is moved to.
std::error_code demo_fs::check_not_below(inode_number directory, inode_number other) {
    constexpr int depth_max = 100000; // a damaged image may have a circle
    for (int depth = 0; depth < depth_max; ++depth) {
        if (other == directory)
            return make_error(EINVAL);
        if (other == root_inode)
            return {};
        const auto item = load_directory(other);
        if (!item)
            return item.error();
        other = item->parent;
    }
    return make_error(EUCLEAN);
}

std::error_code demo_fs::check_replaceable(const inode_item& from, inode_number inode,
                                           const inode_item& target) {
    if (from.kind != target.kind)
        return make_error(target.kind == inode_kind::directory ? EISDIR : ENOTDIR);
    if (open_.contains(inode))
        return make_error(EBUSY);
    return target.kind == inode_kind::directory ? check_empty(*volume_, inode) : std::error_code{};
}

// What rename() is about, and that it may be.
result<demo_fs::renaming> demo_fs::look_at_rename(inode_number from_parent, std::string_view from,
                                                  inode_number to_parent, std::string_view to) {
    if (const auto directory = load_directory(from_parent); !directory)
        return directory.error();
    const auto new_parent = load_directory(to_parent);
    if (!new_parent)
        return new_parent.error();
    if (const std::error_code error = check_name(to))
        return error;
    const auto entry = find_entry(*volume_, from_parent, from);
    if (!entry)
        return entry.error();
    const auto item = load(entry->inode);
    if (!item)
        return item.error();
    if (check_permitted(*new_parent, *item))
        return make_error(EXDEV);
    if (item->kind == inode_kind::directory)
        if (const std::error_code error = check_not_below(entry->inode, to_parent))
            return error;
    renaming what{*entry, *item, {}};
    const auto target = find_entry(*volume_, to_parent, to);
    if (!target)
        return target.error() == make_error(ENOENT) ? result<renaming>(what) : target.error();
    what.replaced = target->inode;
    if (target->inode == entry->inode)
        return what;
    const auto replaced = load(target->inode);
    if (!replaced)
        return replaced.error();
    if (const std::error_code error = check_replaceable(*item, target->inode, *replaced))
        return error;
    return what;
}

std::error_code demo_fs::rename(inode_number from_parent, std::string_view from, inode_number to_parent,
                                std::string_view to) {
    return or_no_memory([&]() -> std::error_code {
        wait_for_all();
        auto what = look_at_rename(from_parent, from, to_parent, to);
        if (!what)
            return what.error();
        const inode_number inode = what->entry.inode;
        if (what->replaced == inode)
            return {};
        if (const std::error_code error = may_change(volume::room_for::more))
            return error;
        if (what->replaced)
            if (const std::error_code error = remove_with_data(to_parent, to, *what->replaced))
                return error;
        what->item.parent = to_parent;
        const std::error_code error = volume_->change([&] {
            if (const std::error_code failed = erase_entry(*volume_, from_parent, from))
                return failed;
            if (const std::error_code failed = store_inode(*volume_, inode, what->item))
                return failed;
            return add_entry(*volume_, to_parent, {std::string(to), inode, what->entry.kind});
        });
        if (const auto opened = open_.find(inode); !error && opened != open_.end())
            opened->second->item_.parent = to_parent;
        return error;
    });
}

} // namespace blkcrypto::fsdemo
