// SPDX-License-Identifier: Apache-2.0
#pragma once
// The stacks that the fault walk runs its scenarios on: each a way from submit to simulated media, on one
// thread under a virtual clock, where every step may fail.

#include "blkcrypto/inline_crypt/submit.hpp"
#include "tests/faults/fault_steps.hpp"
#include "tests/inline_crypt/test_keys.hpp"
#include "tests/support/simulated_device.hpp"
#include "tests/support/simulated_env.hpp"

#include <deque>
#include <memory>
#include <vector>

namespace blkcrypto::test {

/// A key whose derivation is a step.
class stepping_key final : public key_request {
  public:
    stepping_key(const test_key& key, fault_steps& steps)
        : key_request(key.key->config()), key_(*key.key), steps_(steps) {}
    std::error_code derive(secret& into) const noexcept override;

  private:
    const crypto_key& key_;
    fault_steps& steps_;
};

/// Where a stretch of the top device stands.
struct medium_stretch {
    sector begin;
    sector length;
    simulated_device* medium;
    sector first; // on the medium
};

/// A stack with its media and keys; set_up() makes what stands on the media.
struct io_stack {
    static constexpr sector capacity{2048};
    static constexpr unsigned key_count = 3;

    io_stack(fault_steps& s, std::uint32_t unit_bytes);
    ~io_stack();

    /// The medium that completes in that order, timed or shuffled.
    simulated_device& medium_that(completion_order completes) noexcept {
        return media[completes == completion_order::timed ? 0 : 1];
    }

    /// Everything drained: the number of source bios still in flight.
    unsigned drain();
    /// What stands on the media at a sector of the top device.
    std::vector<std::byte> stored(sector at, std::size_t size_bytes);
    fault_steps& steps;
    simulated_env env;
    random_source random;
    std::deque<simulated_device> media; // one of each order that medium_that() gives
    std::vector<medium_stretch> layout; // of the top device; the first medium if nothing else is said
    simulated_executor worker;
    std::vector<std::unique_ptr<block_device>> filters; // from the bottom up
    block_device* top = nullptr;
    std::unique_ptr<crypto_fallback> fallback;
    std::unique_ptr<submit_queue> queue;
    std::deque<test_key> keys;
    std::deque<stepping_key> requests; // one for each key
};

/// How a stack is put together.
struct io_stack_kind {
    const char* name;
    std::error_code (*make)(io_stack& into); // sets top, fallback, queue
    void (*lay_out)(io_stack& into);         // sets layout
};
std::span<const io_stack_kind> io_stack_kinds();

/// Makes a stack one of that kind and starts its keys. The error of the step that failed; it may be tried
/// again on another stack.
std::error_code set_up(const io_stack_kind& kind, io_stack& stack);

} // namespace blkcrypto::test
