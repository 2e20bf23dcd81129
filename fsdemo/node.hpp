// SPDX-License-Identifier: Apache-2.0
#pragma once
// One node of the tree, as its block on the image has it, changed in place: docs/fsdemo-format.md, "Node".
// Used by btree, which knows how nodes hang together, and node_store, which knows where they are.

#include "fsdemo/format.hpp"

#include <cassert>
#include <string_view>

namespace blkcrypto::fsdemo {

class node {
  public:
    static constexpr std::size_t header_bytes = 48;
    static constexpr std::size_t leaf_slot_bytes = key_bytes + 4;
    static constexpr std::size_t inner_slot_bytes = key_bytes + 16;
    static constexpr unsigned children_max = (block_bytes - header_bytes) / inner_slot_bytes;

    /// An empty one; what is its own on the image comes with seal().
    void init(unsigned level) noexcept;

    block_bytes_span bytes() noexcept { return bytes_; }
    block_bytes_view bytes() const noexcept { return bytes_; }

    unsigned level() const noexcept { return static_cast<unsigned>(bytes_[40]); }
    bool is_leaf() const noexcept { return level() == 0; }
    unsigned count() const noexcept { return load_little<std::uint16_t>(bytes_.data() + 42); }
    std::uint64_t generation() const noexcept { return load_little<std::uint64_t>(bytes_.data() + 16); }

    tree_key key(unsigned slot) const noexcept { return load_key(slot_at(slot)); }
    /// The first slot whose key is not less; count() if there is none.
    unsigned lower_bound(const tree_key& wanted) const noexcept;
    /// The last slot whose key is not greater, the slot of an inner node to go down by; 0 if there is none.
    unsigned slot_towards(const tree_key& wanted) const noexcept;

    // Inner nodes.
    node_ref child(unsigned slot) const noexcept;
    void set_child(unsigned slot, const node_ref& ref) noexcept;
    void set_key(unsigned slot, const tree_key& key) noexcept { store_key(slot_at(slot), key); }
    bool is_full() const noexcept { return count() == children_max; }
    void insert_child(unsigned slot, const tree_key& key, const node_ref& ref) noexcept;

    // Leaves.
    bytes_view item(unsigned slot) const noexcept;
    bytes_span item(unsigned slot) noexcept;
    bool has_room_for(std::size_t item_size_bytes) const noexcept {
        return free_bytes() >= leaf_slot_bytes + item_size_bytes;
    }
    void insert_item(unsigned slot, const tree_key& key, bytes_view data) noexcept;

    // Both.
    void erase(unsigned slot) noexcept;
    std::size_t used_bytes() const noexcept { return block_bytes - header_bytes - free_bytes(); }
    std::size_t free_bytes() const noexcept;
    /// Moves the slots from `first` on to the end of `to`, which has room for them.
    void move_tail(unsigned first, node& to) noexcept;
    /// The slot from which on the bytes are about half of all; never 0.
    unsigned middle() const noexcept;

    /// Fills in what says which node this is, and the checksum.
    void seal(const node_ref& self, const filesystem_uuid& uuid) noexcept;
    /// What is wrong with untrusted bytes that are to be the node `expected` of that level; empty: nothing.
    std::string_view check(const node_ref& expected, unsigned level,
                           const filesystem_uuid& uuid) const noexcept;

  private:
    std::size_t slot_bytes() const noexcept { return is_leaf() ? leaf_slot_bytes : inner_slot_bytes; }
    std::byte* slot_at(unsigned slot) noexcept { return bytes_.data() + header_bytes + slot * slot_bytes(); }
    const std::byte* slot_at(unsigned slot) const noexcept {
        return bytes_.data() + header_bytes + slot * slot_bytes();
    }
    std::size_t data_begin(unsigned slot) const noexcept {
        return load_little<std::uint16_t>(slot_at(slot) + key_bytes);
    }
    std::size_t data_size(unsigned slot) const noexcept {
        return load_little<std::uint16_t>(slot_at(slot) + key_bytes + 2);
    }
    /// Where the data of a slot ends: at the beginning of its predecessor's.
    std::size_t data_end(unsigned slot) const noexcept {
        return slot == 0 ? block_bytes : data_begin(slot - 1);
    }
    void set_count(unsigned count) noexcept {
        store_little(bytes_.data() + 42, static_cast<std::uint16_t>(count));
    }
    /// Moves the data of the slots from `slot` on by so many bytes, towards the front if negative.
    void shift_data(unsigned slot, std::ptrdiff_t by) noexcept;
    std::string_view check_slots() const noexcept;
    bool are_data_in_place() const noexcept;

    alignas(block_bytes) std::array<std::byte, block_bytes> bytes_;
};

} // namespace blkcrypto::fsdemo
