// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one tree of an image: items under keys in order, copied on write. It knows how nodes hang together and
// nothing of what items mean. Each operation that fails leaves a tree that is whole: it is done or it is not.
//
// What an operation returns of an item lies in a node: it is good until the next call. For one thread. May
// throw std::bad_alloc.

#include "fsdemo/node_store.hpp"

#include <optional>

namespace blkcrypto::fsdemo {

struct tree_item {
    tree_key key;
    bytes_view data;
};

class btree {
  public:
    btree(node_store& nodes, const node_ref& root, unsigned root_level)
        : nodes_(nodes), root_(root), root_level_(root_level) {}

    const node_ref& root() const noexcept { return root_; }
    unsigned root_level() const noexcept { return root_level_; }
    void set_root(const node_ref& root) noexcept { root_ = root; }

    // All: the errors of node_store::get().

    /// Nothing: there is no such item.
    result<std::optional<tree_item>> find(const tree_key& key);
    /// The first item whose key is not less, the last whose key is not greater; nothing if there is none.
    result<std::optional<tree_item>> at_or_after(const tree_key& key);
    result<std::optional<tree_item>> at_or_before(const tree_key& key);

    /// EEXIST.
    std::error_code insert(const tree_key& key, bytes_view data);
    /// Other data of the same size. ENOENT.
    std::error_code update(const tree_key& key, bytes_view data);
    /// ENOENT.
    std::error_code erase(const tree_key& key);

  private:
    struct step {
        node_ref ref;
        node* what;
        unsigned slot;               // of an inner node: where the path goes on. Of a leaf: lower_bound
        std::optional<tree_key> end; // all keys in it and below are less; none: there is no bound
    };
    /// From the root, which is first, to a leaf.
    struct path {
        std::array<step, level_max + 1> steps;
        unsigned length = 0;
        bool empty() const noexcept { return length == 0; }
        step& leaf() noexcept { return steps[length - 1]; }
    };

    std::error_code descend(const tree_key& key, path& way);
    std::error_code descend_changing(const tree_key& key, path& way);
    static std::optional<tree_key> end_of_child(const step& parent, unsigned slot) noexcept;
    std::error_code check_bounds(const step& parent, unsigned slot, const node& child, const node_ref& ref);
    /// To the neighbouring leaf: -1 the one before, +1 the one behind. The path is empty if there is none.
    std::error_code go_beside(path& way, int direction);
    std::error_code grow_root();
    void split_child(node& parent, unsigned slot, node& child);
    std::error_code insert_behind(step& parent, const tree_key& key, bytes_view data);
    std::error_code thin_out(path& way);
    std::error_code merge_with_sibling(step& parent, unsigned level);
    std::error_code merge(step& parent, unsigned left_slot, unsigned level);
    std::error_code shrink_root();

    node_store& nodes_;
    node_ref root_;
    unsigned root_level_;
};

} // namespace blkcrypto::fsdemo
