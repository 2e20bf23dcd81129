// SPDX-License-Identifier: Apache-2.0
#include "tests/support/explorer.hpp"

#include "blkcrypto/base/log.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/state_table.hpp"

#include <bit>

namespace blkcrypto::test {
namespace {

constexpr task_mask bit_of(unsigned task) noexcept {
    return 1U << task;
}

constexpr unsigned lowest(task_mask tasks) noexcept {
    return static_cast<unsigned>(std::countr_zero(tasks));
}

// `last` if it is among the tasks: a schedule with few switches is quick to run and to read.
constexpr unsigned preferred(task_mask tasks, unsigned last) noexcept {
    return last != chooser::nobody && (tasks & bit_of(last)) != 0 ? last : lowest(tasks);
}

// True if it was the last execution.
bool note(exploration& result, const explored_run& run, explored_run::ending ending) {
    ++(ending == explored_run::ending::abandoned ? result.pruned : result.explored);
    result.failure = run.failure();
    if (result.found_failure())
        result.schedule = run.schedule();
    return result.found_failure();
}

// A place in the search where there was something to choose.
struct branch {
    task_mask todo;   // to be tried, the current choice among them
    task_mask asleep; // whose next steps need not be tried here
    unsigned choice;
    unsigned left = 0; // preemptions that were left here
};

// Depth first. The path leads from the start to the execution that runs now; a search that returns to a
// branch replays the path to it.
class path_search : public chooser {
  public:
    exploration run(unsigned task_count, const program_factory& make) {
        explored_run execution(task_count);
        exploration result;
        do {
            depth_ = 0;
            begin();
            if (note(result, execution, execution.execute(make, *this)))
                break;
        } while (advance());
        result.states = states_.size();
        return result;
    }

    unsigned choose(const explored_run& execution, task_mask enabled, unsigned last) final {
        if (depth_ == path_.size()) {
            const branch next = arrive(execution, enabled, last);
            if (next.todo == 0)
                return nobody;
            path_.push_back(next);
        }
        const branch& here = path_[depth_++];
        if ((enabled & bit_of(here.choice)) == 0)
            fatal("an explored program is not deterministic");
        leave(execution, here, enabled, last);
        return here.choice;
    }

    unsigned planned() final { return depth_ + 1 < path_.size() ? path_[depth_++].choice : nobody; }

  protected:
    ~path_search() = default;

    virtual void begin() = 0;
    /// At a new place: what to try there; nothing ends the execution.
    virtual branch arrive(const explored_run& execution, task_mask enabled, unsigned last) = 0;
    /// From the deepest branch to what is new.
    virtual void leave(const explored_run& execution, const branch& here, task_mask enabled,
                       unsigned last) = 0;

    state_table states_;

  private:
    // To the deepest branch that has something left to try.
    bool advance() {
        while (!path_.empty()) {
            branch& deepest = path_.back();
            deepest.todo &= ~bit_of(deepest.choice);
            deepest.asleep |= bit_of(deepest.choice);
            if (deepest.todo != 0) {
                deepest.choice = lowest(deepest.todo);
                return true;
            }
            path_.pop_back();
        }
        return false;
    }

    std::vector<branch> path_;
    std::size_t depth_ = 0;
};

// What was tried at a branch sleeps in the branches after the next choices until somebody makes a step that
// conflicts with it. A state that comes again is searched only for what slept the first time and does not
// now.
class sleep_set_search final : public path_search {
  public:
    explicit sleep_set_search(remember_states remember) : remembers_(remember == remember_states::yes) {}

  private:
    void begin() override { asleep_ = 0; }

    branch arrive(const explored_run& execution, task_mask enabled, unsigned last) override {
        branch next{enabled & ~asleep_, asleep_, 0, 0};
        if (remembers_) {
            const auto [slept, is_new] = states_.insert(execution.state_key(), asleep_);
            if (!is_new) {
                next = {enabled & slept & ~asleep_, slept & asleep_, 0, 0};
                slept = next.asleep;
            }
        }
        next.choice = preferred(next.todo, last);
        return next;
    }

    void leave(const explored_run& execution, const branch& here, task_mask, unsigned) override {
        asleep_ = 0;
        for (task_mask left = here.asleep; left != 0; left &= left - 1)
            if (!execution.conflict(lowest(left), here.choice))
                asleep_ |= bit_of(lowest(left));
    }

    const bool remembers_;
    task_mask asleep_ = 0;
};

// A state that comes again with as many preemptions left, or fewer, leads to nothing new.
class bounded_search final : public path_search {
  public:
    explicit bounded_search(unsigned preemptions_max) : preemptions_max_(preemptions_max) {}

  private:
    void begin() override { left_ = preemptions_max_; }

    branch arrive(const explored_run& execution, task_mask enabled, unsigned last) override {
        const auto [most_left, is_new] = states_.insert(mix(execution.state_key(), last), left_);
        if (!is_new && most_left >= left_)
            return {};
        most_left = left_;
        const bool may_go_on = last != nobody && (enabled & bit_of(last)) != 0;
        const task_mask todo = may_go_on && left_ == 0 ? bit_of(last) : enabled;
        return {todo, 0, preferred(todo, last), left_};
    }

    void leave(const explored_run&, const branch& here, task_mask enabled, unsigned last) override {
        left_ = here.left;
        if (last != nobody && (enabled & bit_of(last)) != 0 && here.choice != last)
            --left_;
    }

    const unsigned preemptions_max_;
    unsigned left_ = 0;
};

class random_walk final : public chooser {
  public:
    explicit random_walk(std::uint64_t seed) : random_(seed) {}

    void begin() { switches_one_in_ = 1 + random_.below(12); }

    unsigned choose(const explored_run&, task_mask enabled, unsigned last) override {
        if (last != nobody && (enabled & bit_of(last)) != 0 && random_.below(switches_one_in_) != 0)
            return last;
        for (auto skip = random_.below(static_cast<std::uint64_t>(std::popcount(enabled))); skip != 0; --skip)
            enabled &= enabled - 1;
        return lowest(enabled);
    }

  private:
    random_source random_;
    std::uint64_t switches_one_in_ = 1; // of this execution: some switch often, some seldom
};

class given_order final : public chooser {
  public:
    explicit given_order(const task_schedule& schedule) : schedule_(schedule) {}

    unsigned choose(const explored_run&, task_mask enabled, unsigned) override {
        if (next_ == schedule_.size())
            return lowest(enabled);
        const unsigned choice = schedule_[next_++];
        if ((enabled & bit_of(choice)) == 0)
            fatal("this schedule is of another program");
        return choice;
    }

  private:
    const task_schedule& schedule_;
    std::size_t next_ = 0;
};

} // namespace

exploration& exploration::operator+=(const exploration& other) {
    explored += other.explored;
    pruned += other.pruned;
    states += other.states;
    failure = other.failure;
    schedule = other.schedule;
    return *this;
}

std::string to_string(const task_schedule& schedule) {
    std::string text;
    for (const unsigned task : schedule)
        text.append(text.empty() ? "" : " ").append(std::to_string(task));
    return text;
}

exploration explore_all(unsigned task_count, const program_factory& make, remember_states remember) {
    return sleep_set_search(remember).run(task_count, make);
}

exploration explore_bounded(unsigned task_count, const program_factory& make, unsigned preemptions_max) {
    return bounded_search(preemptions_max).run(task_count, make);
}

exploration explore_random(unsigned task_count, const program_factory& make, std::uint64_t seed,
                           unsigned executions) {
    explored_run execution(task_count);
    random_walk order(seed);
    exploration result;
    for (unsigned i = 0; i < executions && !result.found_failure(); ++i) {
        order.begin();
        note(result, execution, execution.execute(make, order));
    }
    return result;
}

exploration replay(unsigned task_count, const program_factory& make, const task_schedule& schedule) {
    explored_run execution(task_count);
    given_order order(schedule);
    exploration result;
    note(result, execution, execution.execute(make, order));
    return result;
}

} // namespace blkcrypto::test
