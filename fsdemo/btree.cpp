// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/btree.hpp"

#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

// A node with less than this in it is put together with a neighbour, if both fit into one.
constexpr std::size_t thin_bytes = (block_bytes - node::header_bytes) / 3;

} // namespace

// --- ways down ---

std::optional<tree_key> btree::end_of_child(const step& parent, unsigned slot) noexcept {
    return slot + 1 < parent.what->count() ? parent.what->key(slot + 1) : parent.end;
}

std::error_code btree::check_bounds(const step& parent, unsigned slot, const node& child,
                                    const node_ref& ref) {
    const auto end = end_of_child(parent, slot);
    if (child.count() == 0 || child.key(0) < parent.what->key(slot) ||
        (end && child.key(child.count() - 1) >= *end)) {
        nodes_.set_trouble("block " + std::to_string(ref.block) + " has keys its parent does not lead to");
        return make_error(EUCLEAN);
    }
    return {};
}

std::error_code btree::descend(const tree_key& key, path& way) {
    way.length = 0;
    node_ref ref = root_;
    for (unsigned level = root_level_;; --level) {
        const auto found = nodes_.get(ref, level);
        if (!found)
            return found.error();
        node* const here = *found;
        std::optional<tree_key> end;
        if (way.length != 0) {
            const step& parent = way.leaf();
            if (const std::error_code error = check_bounds(parent, parent.slot, *here, ref))
                return error;
            end = end_of_child(parent, parent.slot);
        }
        const unsigned slot = level == 0 ? here->lower_bound(key) : here->slot_towards(key);
        way.steps[way.length++] = {ref, here, slot, end};
        if (level == 0)
            return {};
        ref = here->child(slot);
    }
}

// All nodes on the way become changed ones, with room for one more child each.
std::error_code btree::descend_changing(const tree_key& key, path& way) {
    const auto top = nodes_.change(root_, root_level_);
    if (!top)
        return top.error();
    root_ = top->ref;
    if (root_level_ != 0 && top->what->is_full()) {
        if (const std::error_code error = grow_root())
            return error;
        return descend_changing(key, way);
    }
    way.length = 0;
    way.steps[way.length++] = {root_, top->what, 0, {}};
    for (unsigned level = root_level_; level != 0; --level) {
        step& parent = way.leaf();
        parent.slot = parent.what->slot_towards(key);
        const node_ref old = parent.what->child(parent.slot);
        const auto child = nodes_.change(old, level - 1);
        if (!child)
            return child.error();
        const std::error_code error = check_bounds(parent, parent.slot, *child->what, old);
        parent.what->set_child(parent.slot, child->ref);
        if (error)
            return error;
        if (key < parent.what->key(parent.slot))
            parent.what->set_key(parent.slot, key);
        if (level != 1 && child->what->is_full()) {
            split_child(*parent.what, parent.slot, *child->what);
            ++level; // once more from the same parent
            continue;
        }
        way.steps[way.length++] = {child->ref, child->what, 0, end_of_child(parent, parent.slot)};
    }
    way.leaf().slot = way.leaf().what->lower_bound(key);
    return {};
}

std::error_code btree::go_beside(path& way, int direction) {
    unsigned up = way.length - 1;
    const auto can_move = [&](const step& s) {
        return direction < 0 ? s.slot != 0 : s.slot + 1 < s.what->count();
    };
    do {
        if (up == 0) {
            way.length = 0;
            return {};
        }
        --up;
    } while (!can_move(way.steps[up]));
    way.steps[up].slot += static_cast<unsigned>(direction);
    for (way.length = up + 1; way.leaf().what->level() != 0;) {
        const step& parent = way.leaf();
        const node_ref ref = parent.what->child(parent.slot);
        const auto found = nodes_.get(ref, parent.what->level() - 1);
        if (!found)
            return found.error();
        if (const std::error_code error = check_bounds(parent, parent.slot, **found, ref))
            return error;
        way.steps[way.length++] = {ref, *found, direction < 0 ? (*found)->count() - 1 : 0,
                                   end_of_child(parent, parent.slot)};
    }
    return {};
}

// --- looking ---

result<std::optional<tree_item>> btree::find(const tree_key& key) {
    path way;
    if (const std::error_code error = descend(key, way))
        return error;
    const step& leaf = way.leaf();
    if (leaf.slot == leaf.what->count() || leaf.what->key(leaf.slot) != key)
        return std::optional<tree_item>();
    return std::optional<tree_item>({key, std::as_const(*leaf.what).item(leaf.slot)});
}

result<std::optional<tree_item>> btree::at_or_after(const tree_key& key) {
    path way;
    if (const std::error_code error = descend(key, way))
        return error;
    if (way.leaf().slot == way.leaf().what->count()) {
        if (const std::error_code error = go_beside(way, 1))
            return error;
        if (way.empty())
            return std::optional<tree_item>();
    }
    const step& leaf = way.leaf();
    return std::optional<tree_item>({leaf.what->key(leaf.slot), std::as_const(*leaf.what).item(leaf.slot)});
}

result<std::optional<tree_item>> btree::at_or_before(const tree_key& key) {
    path way;
    if (const std::error_code error = descend(key, way))
        return error;
    step& leaf = way.leaf();
    const bool is_exact = leaf.slot != leaf.what->count() && leaf.what->key(leaf.slot) == key;
    if (!is_exact && leaf.slot != 0)
        --leaf.slot;
    else if (!is_exact) {
        if (const std::error_code error = go_beside(way, -1))
            return error;
        if (way.empty())
            return std::optional<tree_item>();
    }
    const step& found = way.leaf();
    return std::optional<tree_item>(
        {found.what->key(found.slot), std::as_const(*found.what).item(found.slot)});
}

// --- adding ---

std::error_code btree::grow_root() {
    if (root_level_ == level_max)
        return make_error(EFBIG);
    const auto old = nodes_.get(root_, root_level_);
    if (!old)
        return old.error();
    const auto above = nodes_.create(root_level_ + 1);
    above.what->insert_child(0, (*old)->key(0), root_);
    split_child(*above.what, 0, **old);
    root_ = above.ref;
    ++root_level_;
    return {};
}

void btree::split_child(node& parent, unsigned slot, node& child) {
    const auto sibling = nodes_.create(child.level());
    child.move_tail(child.middle(), *sibling.what);
    parent.insert_child(slot + 1, sibling.what->key(0), sibling.ref);
}

std::error_code btree::insert(const tree_key& key, bytes_view data) {
    for (;;) {
        path way;
        if (const std::error_code error = descend_changing(key, way))
            return error;
        step& leaf = way.leaf();
        if (leaf.slot != leaf.what->count() && leaf.what->key(leaf.slot) == key)
            return make_error(EEXIST);
        if (leaf.what->has_room_for(data.size())) {
            leaf.what->insert_item(leaf.slot, key, data);
            return {};
        }
        if (way.length == 1) {
            if (const std::error_code error = grow_root())
                return error;
            continue;
        }
        step& parent = way.steps[way.length - 2];
        if (leaf.slot == leaf.what->count())
            return insert_behind(parent, key, data);
        split_child(*parent.what, parent.slot, *leaf.what);
    }
}

// What comes behind all that is in a full leaf is the next of a sequence, more often than not: it begins a
// leaf of its own. Unless there is little in the next one, or a descending sequence would give one to each
// item.
std::error_code btree::insert_behind(step& parent, const tree_key& key, bytes_view data) {
    const unsigned next_slot = parent.slot + 1;
    if (next_slot < parent.what->count()) {
        const node_ref ref = parent.what->child(next_slot);
        const auto next = nodes_.get(ref, 0);
        if (!next)
            return next.error();
        if (const std::error_code error = check_bounds(parent, next_slot, **next, ref))
            return error;
        if ((*next)->used_bytes() < thin_bytes) {
            const auto changed = nodes_.change(ref, 0);
            if (!changed)
                return changed.error();
            changed->what->insert_item(0, key, data);
            parent.what->set_child(next_slot, changed->ref);
            parent.what->set_key(next_slot, key);
            return {};
        }
    }
    const auto sibling = nodes_.create(0);
    sibling.what->insert_item(0, key, data);
    parent.what->insert_child(next_slot, key, sibling.ref);
    return {};
}

std::error_code btree::update(const tree_key& key, bytes_view data) {
    const auto found = find(key);
    if (!found)
        return found.error();
    if (!*found)
        return make_error(ENOENT);
    assert((*found)->data.size() == data.size());
    path way;
    if (const std::error_code error = descend_changing(key, way))
        return error;
    const bytes_span old = way.leaf().what->item(way.leaf().slot);
    std::memcpy(old.data(), data.data(), data.size());
    return {};
}

// --- taking away ---

std::error_code btree::erase(const tree_key& key) {
    const auto found = find(key);
    if (!found)
        return found.error();
    if (!*found)
        return make_error(ENOENT);
    path way;
    if (const std::error_code error = descend_changing(key, way))
        return error;
    way.leaf().what->erase(way.leaf().slot);
    return thin_out(way);
}

// From the leaf upwards. An error is of reading a neighbour. A node may stay thin then, but not empty: its
// item is gone from the parent as well.
std::error_code btree::thin_out(path& way) {
    for (unsigned i = way.length; i-- > 1;) {
        const node& here = *way.steps[i].what;
        if (here.used_bytes() >= thin_bytes)
            break;
        step& parent = way.steps[i - 1];
        if (here.count() == 0) {
            nodes_.drop(way.steps[i].ref);
            parent.what->erase(parent.slot);
        } else if (const std::error_code error = merge_with_sibling(parent, here.level())) {
            return error;
        }
    }
    return shrink_root();
}

// With the one before it, else with the one behind it: where only one side is tried, items taken away from
// that side on leave a little in every node.
std::error_code btree::merge_with_sibling(step& parent, unsigned level) {
    const unsigned slot = parent.slot;
    const unsigned count = parent.what->count();
    std::error_code error;
    if (slot != 0)
        error = merge(parent, slot - 1, level);
    if (!error && slot + 1 < count && parent.what->count() == count)
        error = merge(parent, slot, level);
    return error;
}

// The child and the one behind it become one, if they fit.
std::error_code btree::merge(step& parent, unsigned left_slot, unsigned level) {
    node& above = *parent.what;
    const node_ref left_ref = above.child(left_slot);
    const node_ref right_ref = above.child(left_slot + 1);
    const auto left_read = nodes_.get(left_ref, level);
    if (!left_read)
        return left_read.error();
    if (const std::error_code error = check_bounds(parent, left_slot, **left_read, left_ref))
        return error;
    const auto right_read = nodes_.get(right_ref, level);
    if (!right_read)
        return right_read.error();
    if (const std::error_code error = check_bounds(parent, left_slot + 1, **right_read, right_ref))
        return error;
    if ((*left_read)->used_bytes() + (*right_read)->used_bytes() > block_bytes - node::header_bytes)
        return {};
    const auto left = nodes_.change(left_ref, level);
    if (!left)
        return left.error();
    above.set_child(left_slot, left->ref);
    const auto right = nodes_.change(right_ref, level);
    if (!right)
        return right.error();
    right->what->move_tail(0, *left->what);
    nodes_.drop(right->ref);
    above.erase(left_slot + 1);
    return {};
}

// A root that leads to one node only is not needed; one that leads to none is an empty tree.
std::error_code btree::shrink_root() {
    for (;;) {
        if (root_level_ == 0)
            return {};
        const auto root = nodes_.get(root_, root_level_);
        if (!root)
            return root.error();
        if ((*root)->count() > 1)
            return {};
        const node_ref old = root_;
        if ((*root)->count() == 1) {
            root_ = (*root)->child(0);
            --root_level_;
        } else {
            root_ = nodes_.create(0).ref;
            root_level_ = 0;
        }
        nodes_.drop(old);
    }
}

} // namespace blkcrypto::fsdemo
