// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/node_store.hpp"

#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

// At once, by a step on the tree; and by one that does not wait and begins anew with each node that is read.
constexpr std::size_t nodes_in_use_max = 4 * (level_max + 1);

} // namespace

// --- reading ---

result<node*> node_store::get(const node_ref& ref, unsigned level) {
    const auto known = index_.find(ref.block);
    if (known != index_.end()) {
        const auto at = known->second;
        if (at->ref.generation != ref.generation || at->what->level() != level) {
            set_trouble("block " + std::to_string(ref.block) + " is in the tree twice");
            return make_error(EUCLEAN);
        }
        if (!is_virtual(ref))
            clean_.splice(clean_.begin(), clean_, at);
        return at->what.get();
    }
    if (!may_wait_) {
        missing_ = {ref, level, settled_};
        return make_error(EAGAIN);
    }
    auto memory = take_memory();
    ++reads_;
    if (const std::error_code error = io_.read(ref.block, memory->bytes())) {
        set_trouble("block " + std::to_string(ref.block) + " cannot be read");
        return error;
    }
    if (const std::error_code error = check(ref, level, *memory))
        return error;
    return keep(ref, std::move(memory));
}

std::error_code node_store::check(const node_ref& ref, unsigned level, const node& what) {
    std::string_view why = what.check(ref, level, uuid_);
    if (why.empty() && !are_children_possible(what))
        why = "leads to what is no node of the image";
    if (why.empty())
        return {};
    set_trouble("block " + std::to_string(ref.block) + " " + std::string(why));
    return make_error(EUCLEAN);
}

// No other number ever gets into the tree, so none there is taken for that of a node in memory.
bool node_store::are_children_possible(const node& parent) const noexcept {
    for (unsigned slot = 0; !parent.is_leaf() && slot < parent.count(); ++slot) {
        const node_ref child = parent.child(slot);
        if (child.block < superblock_count || child.block >= blocks_ ||
            child.generation > parent.generation())
            return false;
    }
    return true;
}

std::error_code node_store::add(const missing_node& which, const node& read) {
    if (which.settled != settled_ || index_.contains(which.ref.block))
        return {};
    if (const std::error_code error = check(which.ref, which.level, read))
        return error;
    auto memory = take_memory();
    *memory = read;
    keep(which.ref, std::move(memory));
    return {};
}

node* node_store::keep(const node_ref& ref, std::unique_ptr<node> what) {
    clean_.push_front({ref, 0, std::move(what)});
    try {
        index_.emplace(ref.block, clean_.begin());
    } catch (...) {
        clean_.pop_front(); // whoever takes its memory would take another one's place out of the index
        throw;
    }
    return clean_.front().what.get();
}

// Of the one not used for longest, if there are enough.
std::unique_ptr<node> node_store::take_memory() {
    if (clean_.size() < std::max(clean_max_, nodes_in_use_max))
        return std::make_unique<node>();
    auto memory = std::move(clean_.back().what);
    index_.erase(clean_.back().ref.block);
    clean_.pop_back();
    return memory;
}

// --- changing ---

node_store::changed node_store::create(unsigned level) {
    const node_ref ref{next_virtual_++, 0};
    changed_.push_back({ref, 0, take_memory()});
    index_.emplace(ref.block, std::prev(changed_.end()));
    ++unplaced_;
    node* const what = changed_.back().what.get();
    what->init(level);
    return {ref, what};
}

result<node_store::changed> node_store::change(const node_ref& ref, unsigned level) {
    auto found = get(ref, level);
    if (!found)
        return found.error();
    if (is_virtual(ref))
        return changed{ref, *found};
    const changed copy = create(level);
    // What create() took memory from was not this one: it was used last.
    *copy.what = **found;
    drop(ref);
    return copy;
}

void node_store::drop(const node_ref& ref) {
    const auto known = index_.find(ref.block);
    if (!is_virtual(ref)) {
        retired_.push_back(ref.block);
        if (known == index_.end())
            return;
        clean_.erase(known->second);
    } else {
        if (known->second->target != 0)
            retired_.push_back(known->second->target);
        else
            --unplaced_;
        changed_.erase(known->second);
    }
    index_.erase(known);
}

// --- commit ---

std::size_t node_store::place(std::span<const block_number> blocks) noexcept {
    std::size_t used = 0;
    for (entry& e : changed_)
        if (e.target == 0 && used != blocks.size())
            e.target = blocks[used++];
    unplaced_ -= used;
    return used;
}

node_ref node_store::placed(const node_ref& ref, std::uint64_t generation) const noexcept {
    return is_virtual(ref) ? node_ref{index_.find(ref.block)->second->target, generation} : ref;
}

void node_store::patch_children(node& parent, std::uint64_t generation) const noexcept {
    if (parent.is_leaf())
        return;
    for (unsigned slot = 0; slot < parent.count(); ++slot)
        if (is_virtual(parent.child(slot)))
            parent.set_child(slot, placed(parent.child(slot), generation));
}

std::error_code node_store::write_changed(std::uint64_t generation) {
    std::vector<block_write> writes;
    writes.reserve(changed_.size());
    for (entry& e : changed_) {
        patch_children(*e.what, generation);
        e.what->seal({e.target, generation}, uuid_);
        writes.push_back({e.target, std::as_const(*e.what).bytes()});
    }
    return io_.write(writes);
}

// What was read into it late, of a node that was not in the tree any more: add().
void node_store::forget(block_number block) noexcept {
    const auto known = index_.find(block);
    if (known == index_.end())
        return;
    clean_.erase(known->second);
    index_.erase(known);
}

void node_store::settle(std::uint64_t generation) {
    for (entry& e : changed_) {
        index_.erase(e.ref.block);
        forget(e.target);
        e.ref = {e.target, generation};
        e.target = 0;
    }
    for (auto at = changed_.begin(); at != changed_.end(); ++at)
        index_.emplace(at->ref.block, at);
    ++settled_;
    clean_.splice(clean_.begin(), changed_);
    while (clean_.size() > std::max(clean_max_, nodes_in_use_max)) {
        index_.erase(clean_.back().ref.block);
        clean_.pop_back();
    }
}

} // namespace blkcrypto::fsdemo
