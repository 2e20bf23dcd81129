// SPDX-License-Identifier: Apache-2.0
#include "tests/support/explored_run.hpp"

#include "blkcrypto/base/log.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace blkcrypto::test {
namespace {

// Longer than any execution that ends.
constexpr std::size_t steps_max = 20'000;

std::uint64_t hash_of(const void* object, std::size_t bytes) noexcept {
    std::uint64_t hash = bytes;
    for (std::size_t at = 0; at < bytes; at += sizeof(std::uint64_t)) {
        std::uint64_t value = 0;
        std::memcpy(&value, static_cast<const std::byte*>(object) + at, std::min(bytes - at, sizeof(value)));
        hash = mix(hash, value);
    }
    return hash;
}

} // namespace

// What is posted waits until the task sleeps; then it is the task's own.
class explored_run::explored_env final : public env {
  public:
    explicit explored_env(explored_run& run) noexcept : env(&run), run_(run) {}

    void post(task& t) noexcept override {
        run_.pause_before({step_kind::update, &posted_count, sizeof(posted_count)});
        posted_.push(t);
        ++posted_count;
    }
    unsigned run_ready() noexcept override {
        unsigned count = 0;
        for (task* t = taken_.pop(); t != nullptr; t = taken_.pop(), ++count)
            t->run(0);
        return count;
    }
    void do_sleep() noexcept override {
        run_.pause_before({step_kind::take_mail, &posted_count, sizeof(posted_count)});
        taken_.append(posted_);
        posted_count = 0;
    }
    std::uint64_t now_ns() noexcept override { return 0; }
    bool has_virtual_clock() const noexcept override { return true; }
    void fill_random(bytes_span) noexcept override { fatal("no randomness in an explored run"); }
    void arm(timer&, std::uint64_t) noexcept override { fatal("no timers in an explored run"); }
    void cancel(timer&) noexcept override {}
    std::error_code watch(event_source&) noexcept override { return {}; }
    void unwatch(event_source&) noexcept override {}

    void reset() noexcept {
        posted_ = taken_ = {};
        posted_count = 0;
    }

    unsigned posted_count = 0;

  private:
    explored_run& run_;
    task_list posted_;
    task_list taken_;
};

struct explored_run::explored_task {
    explored_task(explored_run& r, unsigned n) : run(r), number(n), environment(r), stack(&run_fiber, this) {}

    void reset() {
        stack.rewind();
        environment.reset();
        is_done = false;
        held = {};
        held_count = 0;
        history = number;
    }

    explored_run& run;
    const unsigned number;
    explored_env environment;
    fiber stack;
    bool is_done = false;
    step next; // not made yet
    std::array<const void*, locks_held_max> held{};
    unsigned held_count = 0;
    std::uint64_t history = 0; // hash of all that it has read
};

explored_run::explored_run(unsigned task_count)
    : outside_(std::make_unique<explored_env>(*this)), current_(chooser::nobody), last_(chooser::nobody) {
    if (task_count > explored_tasks_max)
        fatal("too many tasks to explore");
    for (unsigned n = 0; n < task_count; ++n)
        tasks_.push_back(std::make_unique<explored_task>(*this, n));
}

explored_run::~explored_run() = default;

env& explored_run::environment(unsigned task) noexcept {
    return tasks_[task]->environment;
}

env& explored_run::current_environment() noexcept {
    return current_ == chooser::nobody ? *outside_ : tasks_[current_]->environment;
}

env& explored_run::outside() noexcept {
    return *outside_;
}

explored_run::ending explored_run::execute(const program_factory& make, chooser& order) {
    order_ = &order;
    last_ = chooser::nobody;
    ending_ = ending::finished;
    clock_ = 0;
    mutexes_.clear();
    schedule_.clear();
    failure_.clear();
    outside_->reset();
    program_ = make(*this);
    start_tasks();
    if (failure_.empty())
        go_on();
    current_ = chooser::nobody;
    if (failure_.empty() && ending_ == ending::finished)
        program_->has_ended();
    program_.reset();
    return failure_.empty() ? ending_ : ending::failed;
}

// What is before the first step of a task is nobody else's business: it is run at once.
void explored_run::start_tasks() {
    is_starting_ = true;
    for (const auto& t : tasks_) {
        t->reset();
        current_ = t->number;
        t->stack.resume(main_);
    }
    current_ = chooser::nobody;
    is_starting_ = false;
}

void explored_run::run_fiber(void* task) noexcept {
    auto& t = *static_cast<explored_task*>(task);
    t.run.program_->run_task(t.number);
    t.is_done = true;
    if (t.run.is_starting_)
        t.run.main_.resume(t.stack);
    else
        t.run.go_on();
}

fiber& explored_run::current_fiber() noexcept {
    return current_ == chooser::nobody ? main_ : tasks_[current_]->stack;
}

void explored_run::fail(std::string_view why) {
    if (failure_.empty())
        failure_ = why;
    if (current_ != chooser::nobody)
        main_.resume(current_fiber());
}

// --- steps ---

void explored_run::pause_before(const step& next) {
    if (current_ == chooser::nobody)
        return;
    tasks_[current_]->next = next;
    if (is_starting_)
        main_.resume(current_fiber());
    else
        go_on();
}

void explored_run::before_access(shared_access kind, const void* object, std::size_t bytes) noexcept {
    pause_before({static_cast<step_kind>(kind), object, bytes});
}

std::uint64_t explored_run::order_stamp() noexcept {
    pause_before({step_kind::update, &clock_, sizeof(clock_)});
    return ++clock_;
}

void explored_run::before_lock(mutex& m, io_context) noexcept {
    pause_before({step_kind::lock, &m, sizeof(m)});
}

void explored_run::after_unlock(mutex& m, io_context) noexcept {
    if (current_ == chooser::nobody)
        return;
    explored_task& t = *tasks_[current_];
    (void)std::remove(t.held.begin(), t.held.begin() + t.held_count, static_cast<const void*>(&m));
    --t.held_count;
    if (!program_->digest_of_guarded(m))
        history_of(m) = mix(history_of(m), t.history);
}

void explored_run::reached(hook_point point, const resource_class& what, io_context) noexcept {
    if (program_ != nullptr)
        program_->has_reached(point, what);
}

void explored_run::look_at_everything() {
    pause_before({step_kind::load, nullptr, SIZE_MAX});
}

void explored_run::settle() {
    pause_before({step_kind::settle});
}

void explored_run::add_to_history(std::uint64_t number) {
    if (current_ != chooser::nobody)
        tasks_[current_]->history = mix(tasks_[current_]->history, number);
}

void explored_run::forget_history(unsigned task, std::uint64_t what_is_left) {
    tasks_[task]->history = mix(task, what_is_left);
}

// --- the order ---

// Runs in whichever fiber has come to a step, and returns when that step is to be made.
void explored_run::go_on() {
    const unsigned next = choose_next();
    if (next != chooser::nobody)
        commit(next);
    switch_to(next);
}

void explored_run::switch_to(unsigned number) {
    if (number == current_)
        return;
    fiber& from = current_fiber();
    current_ = number;
    current_fiber().resume(from);
}

template <typename Condition>
task_mask explored_run::tasks_that(Condition can) const noexcept {
    task_mask mask = 0;
    for (const auto& t : tasks_)
        if (!t->is_done && can(*t))
            mask |= 1U << t->number;
    return mask;
}

unsigned explored_run::choose_next() {
    const unsigned planned = order_->planned();
    if (planned != chooser::nobody)
        return planned;
    task_mask enabled = tasks_that([&](const explored_task& t) { return is_enabled(t); });
    if (enabled == 0) {
        if (all_done())
            return chooser::nobody;
        program_->has_settled();
        enabled = tasks_that([](const explored_task& t) { return t.next.kind == step_kind::settle; });
    }
    if (enabled == 0)
        note_deadlock();
    if (schedule_.size() == steps_max)
        fail("the execution does not end");
    if (!failure_.empty())
        return chooser::nobody;
    const unsigned next = order_->choose(*this, enabled, last_);
    if (next == chooser::nobody)
        ending_ = ending::abandoned;
    return next;
}

void explored_run::note_deadlock() {
    failure_ = "nobody will ever wake task";
    for (const auto& t : tasks_)
        if (!t->is_done)
            failure_.append(" ")
                .append(std::to_string(t->number))
                .append(t->next.kind == step_kind::lock ? " (a lock)" : " (asleep)");
}

void explored_run::commit(unsigned number) {
    explored_task& t = *tasks_[number];
    schedule_.push_back(static_cast<std::uint8_t>(number));
    last_ = number;
    t.history = mix(t.history, what_is_read(t.next));
    if (t.next.kind == step_kind::lock) {
        t.held.at(t.held_count++) = t.next.object;
        program_->has_locked(number, *static_cast<const mutex*>(t.next.object));
    }
}

std::uint64_t explored_run::what_is_read(const step& s) {
    if (s.kind == step_kind::lock) {
        const auto& m = *static_cast<const mutex*>(s.object);
        const auto guarded = program_->digest_of_guarded(m);
        return guarded ? *guarded : history_of(m);
    }
    const bool reads = s.object != nullptr && s.kind != step_kind::store;
    return reads ? hash_of(s.object, s.bytes) : 0;
}

bool explored_run::is_enabled(const explored_task& t) const noexcept {
    switch (t.next.kind) {
    case step_kind::lock:
        return !is_held(*static_cast<const mutex*>(t.next.object));
    case step_kind::take_mail:
        return t.environment.posted_count != 0;
    case step_kind::settle:
        return false;
    default:
        return true;
    }
}

bool explored_run::all_done() const noexcept {
    return std::ranges::all_of(tasks_, [](const auto& t) { return t->is_done; });
}

bool explored_run::is_held(const mutex& m) const noexcept {
    return std::ranges::any_of(tasks_, [&](const auto& t) { return holds(*t, &m); });
}

bool explored_run::holds(const explored_task& t, const void* m) noexcept {
    return std::find(t.held.begin(), t.held.begin() + t.held_count, m) != t.held.begin() + t.held_count;
}

// --- what is the same ---

bool explored_run::writes(const step& s) noexcept {
    return s.kind != step_kind::load;
}

bool explored_run::overlap(const step& a, const step& b) noexcept {
    const auto a_begin = reinterpret_cast<std::uintptr_t>(a.object);
    const auto b_begin = reinterpret_cast<std::uintptr_t>(b.object);
    return a_begin < b_begin + b.bytes && b_begin < a_begin + a.bytes;
}

// Who holds a mutex may give it back in the same step: that is in the way of whoever wants it.
bool explored_run::conflict(unsigned a, unsigned b) const noexcept {
    const explored_task& s = *tasks_[a];
    const explored_task& t = *tasks_[b];
    if (s.next.kind == step_kind::settle || t.next.kind == step_kind::settle)
        return true;
    if (holds(s, t.next.object) || holds(t, s.next.object))
        return true;
    return overlap(s.next, t.next) && (writes(s.next) || writes(t.next));
}

std::uint64_t& explored_run::history_of(const mutex& m) {
    const auto found = std::ranges::find(mutexes_, &m, &mutex_history::which);
    return found != mutexes_.end() ? found->history : mutexes_.emplace_back(mutex_history{&m, 0}).history;
}

std::uint64_t explored_run::state_key() const {
    std::uint64_t key = mix(program_->digest(), clock_);
    for (const auto& t : tasks_)
        key =
            mix(mix(key, t->history), std::uint64_t{t->environment.posted_count} * 2 + (t->is_done ? 1 : 0));
    // Without the order in which they were first taken: a history says which mutex it is of.
    std::uint64_t histories = 0;
    for (const auto& m : mutexes_)
        histories += m.history;
    return mix(key, histories);
}

} // namespace blkcrypto::test
