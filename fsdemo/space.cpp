// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/space.hpp"

#include <algorithm>
#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

constexpr std::uint64_t open_run_blocks = 1024; // 4 MiB
constexpr unsigned items_looked_at_max = 64;

} // namespace

// --- taking ---

result<block_run> space::take(std::uint64_t wanted) {
    if (open_.count < wanted) {
        if (const std::error_code error = close_open_run())
            return error;
        const auto run = take_from_tree(std::max(wanted, open_run_blocks));
        if (!run)
            return run.error();
        open_ = *run;
    }
    const block_run run{open_.first, std::min(wanted, open_.count)};
    open_ = {run.end(), open_.count - run.count};
    free_blocks_ -= run.count;
    return run;
}

// free_blocks_ stays: what is open can still be taken. There is nothing open now, so all that can be is
// listed.
result<block_run> space::take_from_tree(std::uint64_t wanted) {
    block_run item;
    const auto found = find_run(wanted, item);
    if (!found)
        return found.error();
    const block_run run{found->first, std::min(found->count, wanted)};
    if (run.count > free_blocks_)
        return make_error(EUCLEAN);
    if (const std::error_code error = cut_out(item, run))
        return error;
    cursor_ = run.end();
    return run;
}

// The next one that is large enough, from where the last one was; if none is near, the largest that is.
result<block_run> space::find_run(std::uint64_t wanted, block_run& item) {
    block_run best;
    block_number at = cursor_;
    bool has_wrapped = cursor_ == 0;
    for (unsigned looked_at = 0; best.count < wanted;) {
        const auto found = tree_.at_or_after(free_key(at));
        if (!found)
            return found.error();
        if (!*found || (*found)->key.type != item_type::free) {
            if (has_wrapped)
                break;
            has_wrapped = true;
            at = 0;
            continue;
        }
        block_run here;
        if (const std::error_code error = check_run(**found, here))
            return error;
        const block_run usable = usable_part(here);
        if (usable.count > best.count) {
            best = usable;
            item = here;
        }
        at = here.end();
        if (++looked_at > items_looked_at_max && best.count != 0)
            break;
    }
    if (best.count == 0)
        return make_error(ENOSPC);
    return best;
}

// The first part of a listed run that is not retired.
block_run space::usable_part(const block_run& item) const noexcept {
    block_number first = item.first;
    auto retired = listed_.upper_bound(first);
    if (retired != listed_.begin()) {
        const auto before = std::prev(retired);
        first = std::max(first, before->first + before->second);
    }
    for (; retired != listed_.end() && retired->first == first; ++retired)
        first += retired->second;
    const block_number end = retired == listed_.end() ? item.end() : std::min(item.end(), retired->first);
    return first < end ? block_run{first, end - first} : block_run{};
}

std::error_code space::cut_out(const block_run& item, const block_run& run) {
    if (const std::error_code error = tree_.erase(free_key(item.first)))
        return error;
    if (run.first != item.first) {
        const auto error = tree_.insert(free_key(item.first), encode(free_item{run.first - item.first}));
        if (error)
            return error;
    }
    if (run.end() == item.end())
        return {};
    return tree_.insert(free_key(run.end()), encode(free_item{item.end() - run.end()}));
}

std::error_code space::check_run(const tree_item& found, block_run& run) const {
    const auto item = decode_free(found.key, found.data, blocks_);
    if (!item)
        return make_error(EUCLEAN);
    run = {found.key.object, item->blocks};
    return {};
}

std::error_code space::take_for_nodes(std::size_t count, std::vector<block_number>& blocks) {
    while (count != 0) {
        const auto run = take_from_tree(count);
        if (!run)
            return run.error();
        for (block_number block = run->first; block != run->end(); ++block)
            blocks.push_back(block);
        count -= run->count;
        free_blocks_ -= run->count;
    }
    return {};
}

// --- giving back ---

std::error_code space::give_back(const block_run& run) {
    free_blocks_ += run.count;
    if (run.end() == open_.first) {
        open_ = {run.first, open_.count + run.count};
        return {};
    }
    return list(run);
}

void space::retire(const block_run& run) {
    retired_.push_back(run);
    retired_count_ += run.count;
}

std::error_code space::close_open_run() {
    const block_run run = std::exchange(open_, {});
    return run.count == 0 ? std::error_code{} : list(run);
}

// Together with the runs it touches.
std::error_code space::list(const block_run& run) {
    block_run whole = run;
    const auto before = tree_.at_or_before(free_key(run.first));
    if (!before)
        return before.error();
    block_run neighbour;
    if (*before && (*before)->key.type == item_type::free) {
        if (check_run(**before, neighbour) || neighbour.end() > run.first)
            return make_error(EUCLEAN);
        if (neighbour.end() == run.first) {
            whole = {neighbour.first, neighbour.count + whole.count};
            if (const std::error_code error = tree_.erase(free_key(neighbour.first)))
                return error;
        }
    }
    const auto behind = tree_.at_or_after(free_key(run.first));
    if (!behind)
        return behind.error();
    if (*behind && (*behind)->key.type == item_type::free) {
        if (check_run(**behind, neighbour) || neighbour.first < run.end())
            return make_error(EUCLEAN);
        if (neighbour.first == run.end()) {
            whole.count += neighbour.count;
            if (const std::error_code error = tree_.erase(free_key(neighbour.first)))
                return error;
        }
    }
    return tree_.insert(free_key(whole.first), encode(free_item{whole.count}));
}

// --- commit ---

std::error_code space::list_all() {
    if (const std::error_code error = close_open_run())
        return error;
    auto runs = std::exchange(retired_, {});
    std::ranges::sort(runs, {}, &block_run::first);
    for (std::size_t i = 0; i < runs.size();) {
        block_run whole = runs[i++];
        while (i < runs.size() && runs[i].first == whole.end())
            whole.count += runs[i++].count;
        listed_.emplace(whole.first, whole.count);
        listed_retired_ += whole.count;
        if (const std::error_code error = list(whole))
            return error;
    }
    return {};
}

void space::settle() noexcept {
    free_blocks_ += listed_retired_;
    listed_retired_ = retired_count_ = 0;
    listed_.clear();
}

} // namespace blkcrypto::fsdemo
