// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which blocks are free: the FREE items of the tree, and what of them is not there or not yet. Blocks that
// the last durable state uses are retired when they are not needed any more, and used again only after the
// next commit. For one thread. May throw std::bad_alloc.

#include "fsdemo/btree.hpp"

#include <map>
#include <vector>

namespace blkcrypto::fsdemo {

struct block_run {
    block_number first = 0;
    std::uint64_t count = 0;

    block_number end() const noexcept { return first + count; }
};

class space {
  public:
    /// `free_blocks`: what the FREE items add up to.
    space(btree& tree, std::uint64_t blocks, std::uint64_t free_blocks)
        : tree_(tree), blocks_(blocks), free_blocks_(free_blocks) {}

    // All: the errors of btree.

    /// From 1 to `wanted` blocks that follow each other: fewer where free space is in pieces. ENOSPC.
    result<block_run> take(std::uint64_t wanted);
    /// Blocks that were taken since the last commit and not used.
    std::error_code give_back(const block_run& run);
    /// Blocks that the last state uses and the next one does not.
    void retire(const block_run& run);

    /// What take() can give.
    std::uint64_t free_blocks() const noexcept { return free_blocks_; }
    /// What will be free with the next commit.
    std::uint64_t retired_blocks() const noexcept { return retired_count_; }
    /// The runs it is in, at most.
    std::uint64_t retired_pieces() const noexcept { return retired_.size(); }

    // --- the steps of a commit ---

    /// Everything that is or will be free is in the tree.
    bool is_listed() const noexcept { return open_.count == 0 && retired_.empty(); }
    /// Lists what is not.
    std::error_code list_all();
    /// `count` blocks for nodes, in any order.
    std::error_code take_for_nodes(std::size_t count, std::vector<block_number>& blocks);
    /// What the FREE items add up to, after list_all().
    std::uint64_t listed_blocks() const noexcept { return free_blocks_ + listed_retired_; }
    /// The state is durable: retired blocks are free.
    void settle() noexcept;

  private:
    result<block_run> take_from_tree(std::uint64_t wanted);
    result<block_run> find_run(std::uint64_t wanted, block_run& item);
    block_run usable_part(const block_run& item) const noexcept;
    std::error_code cut_out(const block_run& item, const block_run& run);
    std::error_code list(const block_run& run);
    std::error_code check_run(const tree_item& found, block_run& run) const;
    std::error_code close_open_run();

    btree& tree_;
    const std::uint64_t blocks_;
    std::uint64_t free_blocks_;       // in the tree and usable, and in open_
    block_run open_;                  // taken out of the tree to be used piece by piece
    block_number cursor_ = 0;         // where the search for free space begins
    std::vector<block_run> retired_;  // not in the tree yet
    std::uint64_t retired_count_ = 0; // in retired_, and listed
    std::uint64_t listed_retired_ = 0;
    std::map<block_number, std::uint64_t> listed_; // first block and count: in the tree, not usable yet
};

} // namespace blkcrypto::fsdemo
