// SPDX-License-Identifier: Apache-2.0
#pragma once
// The requests of a queue that has so many of its own kind and no more: free ones, those that gather bios
// until the next poll, and the bios that wait for a free one. A queue submits to it, takes from it what it
// starts, and puts back what has ended.

#include "blkcrypto/base/mempool.hpp"
#include "blkcrypto/block/request.hpp"

#include <algorithm>

namespace blkcrypto {

template <typename Request>
class request_pool {
  public:
    /// `depth` requests, at least one, each made as Request(arguments...). `kind` is what bios are seen to
    /// wait for.
    template <typename... Arguments>
    request_pool(env& environment, const resource_class& kind, const plug::options& limits, unsigned depth,
                 Arguments&... arguments)
        : env_(environment), kind_(kind), requests_(std::max(depth, 1U), arguments...),
          plug_(environment, limits) {}

    void submit(bio& b) noexcept {
        if (try_gather(b))
            return;
        env_.reached(hook_point::wait_begin, kind_);
        waiting_.push(b);
    }

    /// The oldest that has gathered, which gathers no more; null if there is none.
    Request* take() noexcept { return static_cast<Request*>(plug_.take()); }

    bool has_gathered() const noexcept { return !plug_.empty(); }

    /// Its bios have been handed out: it gathers what waited, and what can be merged with that.
    void put(Request& ended) noexcept {
        requests_.put(ended);
        while (bio* const first = waiting_.pop())
            if (!try_gather(*first))
                return waiting_.push_front(*first);
    }

    bool is_whole() const noexcept { return requests_.is_whole(); }

  private:
    bool try_gather(bio& b) noexcept {
        if (plug_.try_merge(b))
            return true;
        Request* const r = requests_.try_get();
        if (r == nullptr)
            return false;
        r->begin(b);
        plug_.add(*r);
        return true;
    }

    env& env_;
    const resource_class& kind_;
    mempool<Request> requests_;
    plug plug_;
    bio_list waiting_; // not empty: no request is free
};

} // namespace blkcrypto
