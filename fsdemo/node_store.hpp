// SPDX-License-Identifier: Apache-2.0
#pragma once
// The nodes of the tree in memory: those of the last durable state, read when they are needed and kept as
// long as there is room, and those changed since, which are kept until they are written. A changed node is a
// copy that has no block yet: its reference is a number no image has, until commit gives it one.
//
// Between two calls of get() at least the 64 nodes used last stay in memory. For one thread. May throw
// std::bad_alloc.

#include "fsdemo/metadata_io.hpp"
#include "fsdemo/node.hpp"

#include <list>
#include <string>
#include <unordered_map>

namespace blkcrypto::fsdemo {

class node_store {
  public:
    /// `clean_max`: nodes kept that could be read again.
    node_store(metadata_io& io, const filesystem_uuid& uuid, std::uint64_t blocks, std::size_t clean_max)
        : io_(io), uuid_(uuid), blocks_(blocks), clean_max_(clean_max) {}

    /// EUCLEAN: what is there is not that node, trouble() says why. Errors of the device. In a no_wait_scope
    /// also EAGAIN: it would have to be read, see missing().
    result<node*> get(const node_ref& ref, unsigned level);

    /// A node to be changed: a changed one itself, else a copy under a new reference.
    struct changed {
        node_ref ref;
        node* what;
    };
    result<changed> change(const node_ref& ref, unsigned level);
    changed create(unsigned level);
    /// It is not in the tree any more. Its block is retired.
    void drop(const node_ref& ref);

    std::size_t changed_count() const noexcept { return changed_.size(); }

    /// Blocks of the last state that the next one does not use. Moved out.
    std::vector<block_number> take_retired() noexcept { return std::exchange(retired_, {}); }

    // --- the steps of a commit ---

    /// Changed nodes that have no block yet.
    std::size_t unplaced_count() const noexcept { return unplaced_; }
    /// Gives blocks to them; how many were needed.
    std::size_t place(std::span<const block_number> blocks) noexcept;
    /// Where a changed node will be; others are where they are.
    node_ref placed(const node_ref& ref, std::uint64_t generation) const noexcept;
    /// Makes all changed nodes what they are on the image, and writes them.
    std::error_code write_changed(std::uint64_t generation);
    /// They are the last state now.
    void settle(std::uint64_t generation);

    // --- not waiting ---

    class no_wait_scope {
      public:
        explicit no_wait_scope(node_store& store) noexcept : store_(store) { store.may_wait_ = false; }
        ~no_wait_scope() { store_.may_wait_ = true; }
        no_wait_scope(const no_wait_scope&) = delete;
        no_wait_scope& operator=(const no_wait_scope&) = delete;

      private:
        node_store& store_;
    };
    struct missing_node {
        node_ref ref;
        unsigned level = 0;
        std::uint64_t settled = 0; // states that had been settled when it was missed
    };
    /// What the last EAGAIN was about.
    const missing_node& missing() const noexcept { return missing_; }
    /// Somebody has read it. Nothing is kept if there was a commit since: it may have been replaced. EUCLEAN.
    std::error_code add(const missing_node& which, const node& read);

    const std::string& trouble() const noexcept { return trouble_; }
    void set_trouble(std::string what) { trouble_ = std::move(what); }
    std::uint64_t reads() const noexcept { return reads_; }

  private:
    struct entry {
        node_ref ref;
        block_number target = 0; // of a changed one that has been placed
        std::unique_ptr<node> what;
    };
    using entry_list = std::list<entry>;
    static constexpr block_number virtual_bit = std::uint64_t{1} << 63;
    static bool is_virtual(const node_ref& ref) noexcept { return (ref.block & virtual_bit) != 0; }

    std::error_code check(const node_ref& ref, unsigned level, const node& what);
    bool are_children_possible(const node& parent) const noexcept;
    void forget(block_number block) noexcept;
    node* keep(const node_ref& ref, std::unique_ptr<node> what);
    std::unique_ptr<node> take_memory();
    void patch_children(node& parent, std::uint64_t generation) const noexcept;

    metadata_io& io_;
    const filesystem_uuid uuid_;
    const std::uint64_t blocks_;
    const std::size_t clean_max_;
    entry_list clean_;   // the one used last is first
    entry_list changed_; // in the order they were made
    std::unordered_map<block_number, entry_list::iterator> index_;
    std::size_t unplaced_ = 0;
    std::vector<block_number> retired_;
    std::uint64_t next_virtual_ = virtual_bit;
    bool may_wait_ = true;
    missing_node missing_;
    std::string trouble_;
    std::uint64_t reads_ = 0;
    std::uint64_t settled_ = 0;
};

} // namespace blkcrypto::fsdemo
