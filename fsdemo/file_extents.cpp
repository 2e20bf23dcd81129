// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/file_extents.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>

namespace blkcrypto::fsdemo {
namespace {

/// A FILE_EXTENT item as it is in the tree.
struct stored_part {
    std::uint64_t begin_bytes = 0;
    file_extent_item item;

    std::uint64_t end_bytes() const noexcept { return begin_bytes + item.length_bytes; }
    /// The same part, but from `at_bytes` of the file on, or up to it.
    file_extent_item from(std::uint64_t at_bytes) const noexcept {
        const std::uint64_t skipped = at_bytes - begin_bytes;
        return {item.extent, item.offset_bytes + skipped, item.length_bytes - skipped};
    }
    file_extent_item up_to(std::uint64_t at_bytes) const noexcept {
        return {item.extent, item.offset_bytes, at_bytes - begin_bytes};
    }
};

using maybe_part = std::optional<stored_part>;

result<maybe_part> as_part(volume& v, inode_number inode, const result<std::optional<tree_item>>& found) {
    if (!found)
        return found.error();
    if (!*found || (*found)->key.type != item_type::file_extent || (*found)->key.object != inode)
        return maybe_part();
    const auto item = decode_file_extent((*found)->key, (*found)->data, v.super().blocks);
    if (!item)
        return v.bad_item((*found)->key);
    return maybe_part({(*found)->key.offset, *item});
}

/// The last that begins there or before, the first that begins there or behind.
result<maybe_part> part_before(volume& v, inode_number inode, std::uint64_t at_bytes) {
    return as_part(v, inode, v.tree().at_or_before(file_extent_key(inode, at_bytes)));
}
result<maybe_part> part_after(volume& v, inode_number inode, std::uint64_t at_bytes) {
    return as_part(v, inode, v.tree().at_or_after(file_extent_key(inode, at_bytes)));
}

result<extent_item> load_extent(volume& v, block_number first) {
    const tree_key key = extent_key(first);
    const auto found = v.tree().find(key);
    if (!found)
        return found.error();
    if (!*found)
        return v.bad_item(key);
    const auto item = decode_extent(key, (*found)->data, v.super().blocks);
    if (!item)
        return v.bad_item(key);
    return *item;
}

result<file_part> with_extent(volume& v, const stored_part& part) {
    const auto extent = load_extent(v, part.item.extent);
    if (!extent)
        return extent.error();
    if (part.item.offset_bytes + part.item.length_bytes > extent->length_bytes())
        return v.bad_item(extent_key(part.item.extent));
    return file_part{part.begin_bytes, part.end_bytes(), part.item.extent, part.item.offset_bytes, *extent};
}

std::error_code add_reference(volume& v, block_number first) {
    auto extent = load_extent(v, first);
    if (!extent)
        return extent.error();
    if (extent->references == std::numeric_limits<std::uint32_t>::max())
        return make_error(EOVERFLOW);
    ++extent->references;
    return v.tree().update(extent_key(first), encode(*extent));
}

std::error_code drop_reference(volume& v, block_number first) {
    auto extent = load_extent(v, first);
    if (!extent)
        return extent.error();
    if (--extent->references != 0) {
        v.note_unshared(first);
        return v.tree().update(extent_key(first), encode(*extent));
    }
    v.room().retire({first, extent->blocks});
    return v.tree().erase(extent_key(first));
}

/// A part that reaches into [begin, end), or over it, loses that.
std::error_code cut(volume& v, inode_number inode, const stored_part& part, std::uint64_t begin_bytes,
                    std::uint64_t end_bytes) {
    const bool keeps_front = part.begin_bytes < begin_bytes;
    const bool keeps_back = part.end_bytes() > end_bytes;
    const tree_key key = file_extent_key(inode, part.begin_bytes);
    std::error_code error =
        keeps_front ? v.tree().update(key, encode(part.up_to(begin_bytes))) : v.tree().erase(key);
    if (!error && keeps_back)
        error = v.tree().insert(file_extent_key(inode, end_bytes), encode(part.from(end_bytes)));
    if (!error && keeps_front && keeps_back)
        return add_reference(v, part.item.extent);
    if (!error && !keeps_front && !keeps_back)
        return drop_reference(v, part.item.extent);
    return error;
}

} // namespace

result<file_part> find_part(volume& v, inode_number inode, std::uint64_t at_bytes) {
    const auto before = part_before(v, inode, at_bytes);
    if (!before)
        return before.error();
    if (*before && (*before)->end_bytes() > at_bytes)
        return with_extent(v, **before);
    file_part hole;
    hole.begin_bytes = *before ? (*before)->end_bytes() : 0;
    const auto behind = part_after(v, inode, at_bytes);
    if (!behind)
        return behind.error();
    hole.end_bytes = *behind ? (*behind)->begin_bytes : std::numeric_limits<std::uint64_t>::max();
    return hole;
}

result<std::vector<file_part>> all_parts(volume& v, inode_number inode) {
    std::vector<file_part> parts;
    for (std::uint64_t at = 0;;) {
        const auto next = part_after(v, inode, at);
        if (!next)
            return next.error();
        if (!*next)
            return parts;
        const auto part = with_extent(v, **next);
        if (!part)
            return part.error();
        parts.push_back(*part);
        at = part->end_bytes;
    }
}

std::error_code put_extent(volume& v, inode_number inode, std::uint64_t at_bytes, const block_run& blocks,
                           const std::optional<std::array<std::byte, extent_context_size_bytes>>& context) {
    const std::uint64_t length_bytes = blocks.count << block_bits;
    if (const std::error_code error = remove_parts(v, inode, at_bytes, at_bytes + length_bytes))
        return error;
    const extent_item extent{static_cast<std::uint32_t>(blocks.count), 1, context};
    if (const std::error_code error = v.tree().insert(extent_key(blocks.first), encode(extent)))
        return error;
    return v.tree().insert(file_extent_key(inode, at_bytes),
                           encode(file_extent_item{blocks.first, 0, length_bytes}));
}

result<std::optional<part_range>> last_part(volume& v, inode_number inode) {
    const auto last = part_before(v, inode, file_bytes_max);
    if (!last)
        return last.error();
    if (!*last)
        return std::optional<part_range>();
    return std::optional<part_range>({(*last)->begin_bytes, (*last)->item.length_bytes});
}

std::error_code remove_parts(volume& v, inode_number inode, std::uint64_t begin_bytes,
                             std::uint64_t end_bytes) {
    const auto before = part_before(v, inode, begin_bytes);
    if (!before)
        return before.error();
    if (*before && (*before)->end_bytes() > begin_bytes) {
        if (const std::error_code error = cut(v, inode, **before, begin_bytes, end_bytes))
            return error;
        if ((*before)->end_bytes() >= end_bytes)
            return {};
    }
    for (;;) {
        const auto next = part_after(v, inode, begin_bytes);
        if (!next)
            return next.error();
        if (!*next || (*next)->begin_bytes >= end_bytes)
            return {};
        if (const std::error_code error = cut(v, inode, **next, begin_bytes, end_bytes))
            return error;
    }
}

std::error_code check_sharable(std::span<const file_part> parts) noexcept {
    // A file may point to an extent as often as it has parts.
    const auto references_max = std::numeric_limits<std::uint32_t>::max() - parts.size();
    const bool overflows = std::ranges::any_of(
        parts, [&](const file_part& part) { return part.item.references > references_max; });
    return make_error(overflows ? EOVERFLOW : 0);
}

std::error_code share_parts(volume& v, std::span<const file_part> parts, inode_number to) {
    for (const file_part& part : parts) {
        const file_extent_item item{part.extent, part.offset_bytes, part.end_bytes - part.begin_bytes};
        if (const std::error_code error = add_reference(v, part.extent))
            return error;
        if (const std::error_code error =
                v.tree().insert(file_extent_key(to, part.begin_bytes), encode(item)))
            return error;
    }
    return {};
}

} // namespace blkcrypto::fsdemo
