// SPDX-License-Identifier: Apache-2.0
#pragma once
// A hash table from the key of a state, which is a hash already, to a small number. Only grows.

#include <cstdint>
#include <utility>
#include <vector>

namespace blkcrypto::test {

class state_table {
  public:
    /// The number kept for the state, which is `value` if the state is new. Valid until the next insert().
    std::pair<std::uint32_t&, bool> insert(std::uint64_t key, std::uint32_t value) {
        if (2 * (size_ + 1) > entries_.size())
            grow();
        entry& place = find(key);
        const bool is_new = place.is_used == 0;
        if (is_new) {
            place = {key, value, 1};
            ++size_;
        }
        return {place.value, is_new};
    }

    std::size_t size() const noexcept { return size_; }

  private:
    struct entry {
        std::uint64_t key = 0;
        std::uint32_t value = 0;
        std::uint32_t is_used = 0;
    };

    entry& find(std::uint64_t key) noexcept {
        std::size_t at = key & (entries_.size() - 1);
        while (entries_[at].is_used != 0 && entries_[at].key != key)
            at = (at + 1) & (entries_.size() - 1);
        return entries_[at];
    }

    void grow() {
        std::vector<entry> old(entries_.empty() ? 1024 : 2 * entries_.size());
        old.swap(entries_);
        for (const entry& e : old)
            if (e.is_used != 0)
                find(e.key) = e;
    }

    std::vector<entry> entries_; // a power of two of them, at most half of them used
    std::size_t size_ = 0;
};

} // namespace blkcrypto::test
