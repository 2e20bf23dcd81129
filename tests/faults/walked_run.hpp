// SPDX-License-Identifier: Apache-2.0
#pragma once
// One run of a scenario on a stack with one step failing, or none, and what must hold then: every bio ends
// once; the one that the fault happened to ends with its status, all others well; what ended well is right;
// the memory of writes is as it was; no slot, bio or bounce memory is missing afterwards; the next I/O works.

#include "tests/faults/io_scenario.hpp"

#include <optional>
#include <string>

namespace blkcrypto::test {

/// A bio of a scenario with its memory.
struct walked_io final : bio_end_io {
    walked_io(const scenario_io& what, io_stack& stack);
    void end_io(bio&) noexcept override;
    bool ended_well() const { return ends == 1 && request.status == blk_status::ok; }

    const scenario_io what;
    io_stack& stack;
    scattered_buffer memory;
    std::vector<std::byte> before; // in memory, when it was submitted
    bio request;
    unsigned ends = 0;
    walked_io* next = nullptr; // submitted when this one ends
};

class walked_run {
  public:
    walked_run(const io_stack_kind& kind, const io_scenario& scenario, std::size_t failing);

    /// Everything that was wrong, empty if nothing.
    const std::string& wrongs() const noexcept { return wrongs_; }
    const fault_steps& steps() const noexcept { return steps_; }
    /// The steps of set-up and scenario, without those of the check that the next I/O works.
    std::size_t steps_of_scenario() const noexcept { return steps_of_scenario_; }

  private:
    bool set_up();
    void check_refusal(std::error_code error);
    void run_rounds();
    void run_round(const std::vector<scenario_io>& round);
    void check_round(std::span<const std::unique_ptr<walked_io>> ios);
    void check_io(const walked_io& io);
    void check_stored(const walked_io& io);
    void check_read(const walked_io& io);
    void check_statuses();
    void evict_keys();
    void check_whole();
    void check_next_io();
    const walked_io* last_change_of(const walked_io& read) const;
    void wrong(const std::string& what);

    const io_stack_kind& kind_;
    const io_scenario& scenario_;
    fault_steps steps_;
    std::unique_ptr<io_stack> stack_;
    std::vector<std::unique_ptr<walked_io>> all_;
    std::size_t steps_of_scenario_ = 0;
    std::string wrongs_;
};

} // namespace blkcrypto::test
