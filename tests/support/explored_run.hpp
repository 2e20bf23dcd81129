// SPDX-License-Identifier: Apache-2.0
#pragma once
// One execution of a program of a few tasks, on one thread, in an order that somebody else chooses. Each task
// is a fiber with an env of its own and stops before every step: an access to a hooked_atomic, taking a
// mutex, posting to an env, sleeping. What a step will touch is known before it is made, so whoever chooses
// the order knows which steps do not mind each other. Interleavings of steps are all there is: memory is
// sequentially consistent here.

#include "blkcrypto/base/env.hpp"
#include "tests/support/fiber.hpp"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace blkcrypto::test {

class explored_run;

/// A bit for each task.
using task_mask = std::uint32_t;
inline constexpr unsigned explored_tasks_max = 6;

/// A program under exploration, made anew for each execution. Tasks share what they share through
/// hooked_atomic, mutexes under env_lock and posted tasks; all else is a task's own. Its calls are made
/// between steps.
class explored_program {
  public:
    virtual ~explored_program() = default;

    /// The body of a task, on its own stack. It may be abandoned at any step: nothing in it owns memory.
    virtual void run_task(unsigned number) = 0;

    /// A number for what the tasks share. Executions that come to the same digest, with each task at the same
    /// place after having read the same, are taken to go on alike.
    virtual std::uint64_t digest() const { return 0; }

    /// A number for what the mutex guards beside hooked_atomics. Without it the history of all who held the
    /// mutex stands for that, and more states are different.
    virtual std::optional<std::uint64_t> digest_of_guarded(const mutex&) const { return {}; }

    virtual void has_locked(unsigned /*task*/, const mutex&) {}
    virtual void has_reached(hook_point, const resource_class&) {}
    /// Nobody can go on except those in settle(), if there are any.
    virtual void has_settled() {}
    /// All tasks have returned.
    virtual void has_ended() {}
};

using program_factory = std::function<std::unique_ptr<explored_program>(explored_run&)>;

/// Chooses the order.
class chooser {
  public:
    static constexpr unsigned nobody = explored_tasks_max;

    /// The task of `enabled`, which is not empty, that makes the next step; `nobody` ends the execution here.
    /// `last` made the step before.
    virtual unsigned choose(const explored_run& run, task_mask enabled, unsigned last) = 0;

    /// Asked first, in vain if `nobody`: a task that made the next step in an earlier execution that began
    /// alike.
    virtual unsigned planned() { return nobody; }

  protected:
    ~chooser() = default;
};

class explored_run final : private env_hooks {
  public:
    enum class ending { finished, abandoned, failed };

    explicit explored_run(unsigned task_count);
    ~explored_run() override;

    ending execute(const program_factory& make, chooser& order);

    // --- for the program ---

    unsigned task_count() const noexcept { return static_cast<unsigned>(tasks_.size()); }
    env& environment(unsigned task) noexcept;
    /// For preparing and inspecting: nothing that is done with it is a step.
    env& outside() noexcept;

    /// The execution is wrong, and ends here if a task says so.
    void fail(std::string_view why);

    /// The task that runs; explored_tasks_max outside of them.
    unsigned current_task() const noexcept { return current_; }
    env& current_environment() noexcept;

    /// Waits until nobody else can go on.
    void settle();

    /// For checks: the code up to the next hook may read all that the tasks share. What it keeps of it, it
    /// adds to the history of the task.
    void look_at_everything();
    void add_to_history(std::uint64_t number);

    /// All that the task does from here on depends on what is shared, and on `what_is_left` of its
    /// past.
    void forget_history(unsigned task, std::uint64_t what_is_left);

    // --- for choosers ---

    /// True unless the next steps of the two tasks lead to the same state in either order.
    bool conflict(unsigned a, unsigned b) const noexcept;
    std::uint64_t state_key() const;
    const std::vector<std::uint8_t>& schedule() const noexcept { return schedule_; }
    const std::string& failure() const noexcept { return failure_; }

  private:
    static constexpr unsigned locks_held_max = 4;

    enum class step_kind : std::uint8_t { load, store, update, lock, take_mail, settle };
    struct step {
        step_kind kind = step_kind::load;
        const void* object = nullptr;
        std::size_t bytes = 0;
    };

    class explored_env;
    struct explored_task;
    struct mutex_history {
        const mutex* which;
        std::uint64_t history; // of those who held it
    };

    void before_lock(mutex& m, io_context) noexcept override;
    void after_unlock(mutex& m, io_context) noexcept override;
    void reached(hook_point point, const resource_class& what, io_context) noexcept override;
    void before_access(shared_access kind, const void* object, std::size_t bytes) noexcept override;
    std::uint64_t order_stamp() noexcept override;

    static void run_fiber(void* task) noexcept;
    void start_tasks();
    void pause_before(const step& next);
    void go_on();
    void switch_to(unsigned number);
    unsigned choose_next();
    void note_deadlock();
    void commit(unsigned number);
    std::uint64_t what_is_read(const step& s);
    template <typename Condition>
    task_mask tasks_that(Condition can) const noexcept;
    bool is_enabled(const explored_task& t) const noexcept;
    bool is_held(const mutex& m) const noexcept;
    static bool holds(const explored_task& t, const void* m) noexcept;
    static bool overlap(const step& a, const step& b) noexcept;
    static bool writes(const step& s) noexcept;
    std::uint64_t& history_of(const mutex& m);
    bool all_done() const noexcept;
    fiber& current_fiber() noexcept;

    fiber main_;
    std::vector<std::unique_ptr<explored_task>> tasks_;
    std::unique_ptr<explored_env> outside_;
    std::unique_ptr<explored_program> program_;
    chooser* order_ = nullptr;
    unsigned current_; // chooser::nobody: none, main_ runs
    unsigned last_;    // whoever made the last step
    bool is_starting_ = false;
    ending ending_ = ending::finished;
    std::uint64_t clock_ = 0;
    std::vector<mutex_history> mutexes_;
    std::vector<std::uint8_t> schedule_;
    std::string failure_;
};

/// Mixes a number into a hash. The number is scrambled first (splitmix64): hashes of hashes that are alike
/// must not cancel each other out.
constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t value) noexcept {
    value = (value + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 31)) * 0x94d049bb133111eb;
    hash = (hash * 0xff51afd7ed558ccd + 0x632be59bd9b4e019) ^ (value ^ (value >> 29));
    return hash ^ (hash >> 32);
}

} // namespace blkcrypto::test
