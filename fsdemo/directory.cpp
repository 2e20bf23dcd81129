// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/directory.hpp"

#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

constexpr std::uint64_t same_hash_max = 256;

constexpr tree_key entry_key(inode_number directory, std::uint64_t hash) {
    return {item_type::dir_entry, directory, hash};
}

struct stored_entry {
    tree_key key;
    dir_entry entry;
};

/// The first entry whose hash is not less; its key is of another type or object if there is none.
result<std::optional<stored_entry>> next_entry(volume& v, inode_number directory, std::uint64_t hash) {
    const auto found = v.tree().at_or_after(entry_key(directory, hash));
    if (!found)
        return found.error();
    if (!*found || (*found)->key.type != item_type::dir_entry || (*found)->key.object != directory)
        return std::optional<stored_entry>();
    const auto item = decode_dir_entry((*found)->key, (*found)->data);
    if (!item)
        return v.bad_item((*found)->key);
    return std::optional<stored_entry>({(*found)->key, {std::string(item->name), item->inode, item->kind}});
}

struct place_of_name {
    std::optional<stored_entry> found;
    std::uint64_t free_offset = 0; // the least that is free for the name's hash
    bool is_full = false;
};

result<place_of_name> look_for(volume& v, inode_number directory, std::string_view name) {
    const std::uint64_t hash = hash_name(v.super().uuid, name);
    place_of_name place;
    std::uint64_t expected = hash;
    for (std::uint64_t at = hash;;) {
        const auto next = next_entry(v, directory, at);
        if (!next)
            return next.error();
        if (!*next || (*next)->key.offset >= hash + same_hash_max || (*next)->key.offset < hash)
            break;
        if ((*next)->entry.name == name) {
            place.found = **next;
            return place;
        }
        expected += (*next)->key.offset == expected ? 1U : 0U;
        at = (*next)->key.offset + 1;
        if (at == 0)
            break;
    }
    place.free_offset = expected;
    place.is_full = expected - hash == same_hash_max;
    return place;
}

} // namespace

std::error_code check_name(std::string_view name) noexcept {
    if (name.size() > name_bytes_max)
        return make_error(ENAMETOOLONG);
    return make_error(is_valid_name(name) ? 0 : EINVAL);
}

// --- inodes ---

result<inode_item> load_inode(volume& v, inode_number inode) {
    const tree_key key = inode_key(inode);
    const auto found = v.tree().find(key);
    if (!found)
        return found.error();
    if (!*found)
        return make_error(ENOENT);
    const auto item = decode_inode(key, (*found)->data);
    if (!item)
        return v.bad_item(key);
    return *item;
}

std::error_code store_inode(volume& v, inode_number inode, const inode_item& item) {
    const tree_key key = inode_key(inode);
    const auto data = encode(item);
    const auto found = v.tree().find(key);
    if (!found)
        return found.error();
    if (*found && (*found)->data.size() == data.view().size())
        return v.tree().update(key, data);
    if (*found)
        if (const std::error_code error = v.tree().erase(key))
            return error;
    return v.tree().insert(key, data);
}

std::error_code erase_inode(volume& v, inode_number inode) {
    return v.tree().erase(inode_key(inode));
}

// --- entries ---

result<dir_entry> find_entry(volume& v, inode_number directory, std::string_view name) {
    if (const std::error_code error = check_name(name))
        return error;
    const auto place = look_for(v, directory, name);
    if (!place)
        return place.error();
    if (!place->found)
        return make_error(ENOENT);
    return place->found->entry;
}

std::error_code add_entry(volume& v, inode_number directory, const dir_entry& entry) {
    if (const std::error_code error = check_name(entry.name))
        return error;
    const auto place = look_for(v, directory, entry.name);
    if (!place)
        return place.error();
    if (place->found || place->is_full)
        return make_error(place->found ? EEXIST : ENOSPC);
    return v.tree().insert(entry_key(directory, place->free_offset),
                           encode(dir_entry_item{entry.inode, entry.kind, entry.name}));
}

std::error_code erase_entry(volume& v, inode_number directory, std::string_view name) {
    const auto place = look_for(v, directory, name);
    if (!place)
        return place.error();
    return place->found ? v.tree().erase(place->found->key) : make_error(ENOENT);
}

result<std::vector<dir_entry>> all_entries(volume& v, inode_number directory) {
    std::vector<dir_entry> entries;
    for (std::uint64_t at = 0;;) {
        const auto next = next_entry(v, directory, at);
        if (!next)
            return next.error();
        if (!*next)
            return entries;
        entries.push_back((*next)->entry);
        at = (*next)->key.offset + 1;
        if (at == 0)
            return entries;
    }
}

std::error_code check_empty(volume& v, inode_number directory) {
    const auto first = next_entry(v, directory, 0);
    if (!first)
        return first.error();
    return make_error(*first ? ENOTEMPTY : 0);
}

} // namespace blkcrypto::fsdemo
