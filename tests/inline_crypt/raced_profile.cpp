// SPDX-License-Identifier: Apache-2.0
#include "tests/inline_crypt/raced_profile.hpp"

#include "tests/inline_crypt/crypto_profile_checker.hpp"
#include "tests/support/simulated_env.hpp"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <map>
#include <string_view>

namespace blkcrypto::test {
namespace {

/// When a slot was put, told by the tasks themselves: the profile's own stamps are under test.
struct put_times {
    unsigned holders = 0;
    std::uint64_t began = 0; // the put that began last
    std::uint64_t ended = 0; // the put that ended last, with no holder left
};

struct engine_slot {
    const key_request* key = nullptr;
    unsigned users = 0;   // that have seen the key here and not begun to put
    bool is_lost = false; // by a reset, and not programmed again
};

class raced_profile_program final : public explored_program, private crypto_ll_ops {
  public:
    raced_profile_program(explored_run& run, const race& what, const race_keys& keys,
                          std::set<std::uint64_t>* ends)
        : run_(run), race_(what), keys_(keys), ends_(ends), outside_(run.outside()),
          profile_(*crypto_profile::make(run.outside(), {}, what.num_slots, *this)) {
        for (unsigned n = 0; n < what.tasks.size(); ++n)
            askers_.emplace_back(run.environment(n));
        for (const auto& ops : what.tasks)
            for (const race_op& op : ops)
                is_bad_[op.key] |= op.kind == race_op::get_bad;
        for (const unsigned key : what.programmed)
            get_and_put_outside(keys[key]);
    }

    void run_task(unsigned number) override;
    std::uint64_t digest() const override;
    std::optional<std::uint64_t> digest_of_guarded(const mutex& m) const override;
    void has_locked(unsigned task, const mutex& m) override;
    void has_reached(hook_point point, const resource_class&) override;
    void has_settled() override;
    void has_ended() override;

  private:
    using snapshots = std::array<keyslot_snapshot, race::slots_max>;

    std::error_code keyslot_program(const key_request& key, keyslot_index slot,
                                    acquire_context& asker) noexcept override;
    std::error_code keyslot_evict(env& e, const key_request* key, keyslot_index slot) noexcept override;
    void keyslots_lost() noexcept override;

    static bool is_profile_lock(const mutex& m) {
        return std::string_view(m.kind().name) == "crypto_profile";
    }
    const race_op& op_of(unsigned task) const { return race_.tasks[task][op_of_[task]]; }
    bool is_resetting() const {
        return run_.current_task() != chooser::nobody && op_of(run_.current_task()).kind == race_op::reset;
    }
    engine_slot& touch(env& e, keyslot_index slot);
    void get_and_put(unsigned task, const race_op& op);
    keyslot_grant get(unsigned task, const key_request& key);
    void evict(unsigned task, const key_request& key);
    void get_and_put_outside(const key_request& key);
    std::uint64_t digest_of_waiting() const;
    snapshots look_at_slots() const;
    put_times& time_of_put(env& e, keyslot_index slot);
    void put(unsigned task, keyslot_index slot);
    void note_idle_slots();
    void check_victim(keyslot_index victim);
    void check_slots_at_end();

    explored_run& run_;
    const race& race_;
    const race_keys& keys_;
    std::set<std::uint64_t>* const ends_;
    std::array<engine_slot, race::slots_max> slots_{};
    std::array<put_times, race::slots_max> puts_{}; // only if the race times them
    std::uint64_t clock_ = 0;
    std::array<bool, race::keys_max> is_bad_{};
    std::array<bool, race::keys_max> is_forgotten_{}; // evicted, and not programmed since
    std::array<bool, explored_tasks_max> is_parked_{};
    std::array<bool, explored_tasks_max> is_adding_{}; // itself to the wait list, the other lock there is
    std::vector<unsigned> waiting_;                    // the tasks in the wait list
    std::array<std::size_t, explored_tasks_max> op_of_{};
    std::array<std::uint32_t, explored_tasks_max> granted_{};
    std::array<snapshots, explored_tasks_max + 1> at_scan_{}; // of each task, and of what runs outside
    profile_asker outside_;                                   // prepares, and asks at the end
    std::deque<profile_asker> askers_;
    std::unique_ptr<crypto_profile> profile_;
};

// --- the tasks ---

void raced_profile_program::run_task(unsigned number) {
    const auto& ops = race_.tasks[number];
    for (std::size_t i = 0; i < ops.size(); ++i) {
        op_of_[number] = i;
        granted_[number] = race::slots_max;
        run_.forget_history(number, 4 * i);
        if (ops[i].kind == race_op::evict)
            evict(number, keys_[ops[i].key]);
        else if (ops[i].kind == race_op::reset)
            (void)profile_->reprogram_all_keys(askers_[number]);
        else
            get_and_put(number, ops[i]);
    }
    run_.forget_history(number, 4 * ops.size());
}

keyslot_grant raced_profile_program::get(unsigned task, const key_request& key) {
    env& e = run_.environment(task);
    for (;;) {
        run_.forget_history(task, 4 * op_of_[task] + 1);
        const keyslot_grant grant = profile_->get_keyslot(key, askers_[task]);
        if (grant.outcome != acquire_outcome::parked)
            return grant;
        is_parked_[task] = true;
        e.sleep();
        is_parked_[task] = false;
        e.run_ready();
    }
}

void raced_profile_program::get_and_put(unsigned task, const race_op& op) {
    const key_request& key = keys_[op.key];
    const keyslot_grant grant = get(task, key);
    if (grant.outcome == acquire_outcome::failed) {
        if (!is_bad_[op.key])
            run_.fail("a good key was not programmed");
        return;
    }
    env& e = run_.environment(task);
    granted_[task] = grant.slot.value;
    run_.forget_history(task, mix(4 * op_of_[task] + 2, grant.slot.value));
    if (race_.times_puts)
        ++time_of_put(e, grant.slot).holders;
    engine_slot& slot = touch(e, grant.slot);
    ++slot.users;
    if (slot.key != &key && !slot.is_lost)
        run_.fail("a slot was got that has another key");
    if (op.kind == race_op::get_keep)
        run_.settle();
    touch(e, grant.slot);
    if (slot.key != &key && !slot.is_lost)
        run_.fail("a slot has lost the key that is in use");
    --slot.users;
    put(task, grant.slot);
}

void raced_profile_program::put(unsigned task, keyslot_index slot) {
    env& e = run_.environment(task);
    if (!race_.times_puts)
        return profile_->put_keyslot(e, slot);
    put_times& times = time_of_put(e, slot);
    times.began = ++clock_;
    profile_->put_keyslot(e, slot);
    (void)time_of_put(e, slot);
    if (--times.holders == 0)
        times.ended = ++clock_;
}

// A look at the clock that all share is a step of its own.
put_times& raced_profile_program::time_of_put(env& e, keyslot_index slot) {
    e.before_access(shared_access::update, &clock_, sizeof(clock_));
    return puts_[slot.value];
}

void raced_profile_program::evict(unsigned task, const key_request& key) {
    const std::error_code error = profile_->evict_key(run_.environment(task), key);
    if (error && error != make_error(EBUSY))
        run_.fail("evict returned an error that is not of the slots");
}

void raced_profile_program::get_and_put_outside(const key_request& key) {
    const keyslot_grant grant = profile_->get_keyslot(key, outside_);
    if (grant.outcome != acquire_outcome::ready || slots_[grant.slot.value].key != &key)
        return run_.fail("a key cannot be got when nobody else uses the profile");
    profile_->put_keyslot(run_.outside(), grant.slot);
}

// --- the slots ---

// What the slot is asked for, and what its users see of it, is a step of its own.
engine_slot& raced_profile_program::touch(env& e, keyslot_index slot) {
    engine_slot& touched = slots_[slot.value];
    e.before_access(shared_access::update, &touched, sizeof(touched));
    return touched;
}

std::error_code raced_profile_program::keyslot_program(const key_request& key, keyslot_index slot,
                                                       acquire_context& asker) noexcept {
    const unsigned number = keys_.number_of(key);
    engine_slot& programmed = touch(asker.environment, slot);
    if (is_resetting()) {
        if (is_forgotten_[number])
            run_.fail("a reset brings back a key that was evicted");
    } else {
        if (programmed.users != 0)
            run_.fail("a slot in use is programmed");
        check_victim(slot);
    }
    is_forgotten_[number] = false;
    programmed.is_lost = false;
    programmed.key = is_bad_[number] ? nullptr : &key;
    return is_bad_[number] ? make_error(EINVAL) : std::error_code{};
}

std::error_code raced_profile_program::keyslot_evict(env& e, const key_request*,
                                                     keyslot_index slot) noexcept {
    engine_slot& blanked = touch(e, slot);
    if (blanked.users != 0)
        run_.fail("a slot in use is blanked");
    blanked.key = nullptr;
    blanked.is_lost = false;
    return {};
}

void raced_profile_program::keyslots_lost() noexcept {
    for (unsigned i = 0; i < race_.num_slots; ++i)
        touch(run_.current_environment(), {i}).is_lost = true;
}

// --- the checks ---

std::uint64_t raced_profile_program::digest() const {
    std::uint64_t hash = 0;
    crypto_profile_checker::visit_state(*profile_, [&](std::uint64_t number) { hash = mix(hash, number); });
    for (const engine_slot& slot : slots_)
        hash = mix(mix(hash, reinterpret_cast<std::uintptr_t>(slot.key)),
                   2 * slot.users + (slot.is_lost ? 1 : 0));
    for (const bool is_forgotten : is_forgotten_)
        hash = mix(hash, is_forgotten ? 1 : 0);
    for (const put_times& times : puts_)
        hash = mix(mix(mix(hash, times.holders), times.began), times.ended);
    return mix(hash, digest_of_waiting());
}

std::uint64_t raced_profile_program::digest_of_waiting() const {
    std::uint64_t hash = 0;
    for (const unsigned task : waiting_)
        hash = mix(hash, task);
    return hash;
}

std::optional<std::uint64_t> raced_profile_program::digest_of_guarded(const mutex& m) const {
    return is_profile_lock(m) ? 0 : digest_of_waiting();
}

// From the moment an eviction has the lock its key is forgotten. The wait list is either added to or taken
// from.
void raced_profile_program::has_locked(unsigned task, const mutex& m) {
    if (is_profile_lock(m)) {
        run_.forget_history(task, mix(4 * op_of_[task] + 3, granted_[task]));
        is_forgotten_[op_of(task).key] |= op_of(task).kind == race_op::evict;
    } else if (is_adding_[task]) {
        waiting_.push_back(task);
        is_adding_[task] = false;
    } else if (!waiting_.empty()) {
        waiting_.erase(waiting_.begin());
    }
}

raced_profile_program::snapshots raced_profile_program::look_at_slots() const {
    snapshots seen{};
    for (unsigned i = 0; i < race_.num_slots; ++i)
        seen[i] = crypto_profile_checker::look_at(*profile_, i);
    return seen;
}

void raced_profile_program::has_reached(hook_point point, const resource_class&) {
    if (point == hook_point::wait_begin)
        is_adding_[run_.current_task()] = true;
    if (point == hook_point::keyslot_scan)
        note_idle_slots();
}

void raced_profile_program::note_idle_slots() {
    if (race_.num_slots == 1)
        return;
    run_.look_at_everything();
    snapshots& seen = at_scan_[run_.current_task()];
    seen = look_at_slots();
    for (const keyslot_snapshot& slot : seen)
        run_.add_to_history(slot.is_idle() ? slot.released_at : ~std::uint64_t{0});
}

// No slot that was idle all the time since the scan began was released before the victim was.
void raced_profile_program::check_victim(keyslot_index victim) {
    const snapshots& before = at_scan_[run_.current_task()];
    const auto others_that = [&](auto is_so) {
        for (unsigned i = 0; i < race_.num_slots; ++i)
            if (i != victim.value && is_so(i))
                return true;
        return false;
    };
    if (!others_that([&](unsigned i) { return before[i].is_idle(); }))
        return;
    run_.look_at_everything();
    const snapshots now = look_at_slots();
    const bool times_puts = race_.times_puts && run_.current_task() != chooser::nobody;
    const auto age_of = [&](unsigned i) { return std::pair(now[i].released_at, i); };
    const bool is_wrong = others_that([&](unsigned i) {
        const bool stayed_idle =
            before[i].is_idle() && now[i].is_idle() && before[i].released_at == now[i].released_at;
        const bool ended_before_a_put_began =
            times_puts && puts_[i].holders == 0 && puts_[i].ended < puts_[victim.value].began;
        return stayed_idle && (age_of(i) < age_of(victim.value) || ended_before_a_put_began);
    });
    if (is_wrong)
        run_.fail("the victim is not the slot that was released longest ago");
}

void raced_profile_program::has_settled() {
    const snapshots seen = look_at_slots();
    const bool any_idle = std::any_of(seen.begin(), seen.begin() + race_.num_slots,
                                      [](const keyslot_snapshot& slot) { return slot.is_idle(); });
    if (any_idle && std::ranges::count(is_parked_, true) != 0)
        run_.fail("a task sleeps beside an idle slot");
}

void raced_profile_program::has_ended() {
    if (ends_ != nullptr)
        ends_->insert(digest());
    check_slots_at_end();
    if (!run_.failure().empty())
        return;
    is_bad_ = {};
    for (unsigned key = 0; key < race_.num_keys(); ++key)
        get_and_put_outside(keys_[key]);
    for (unsigned key = 0; key < race_.num_keys(); ++key)
        if (profile_->evict_key(run_.outside(), keys_[key]))
            run_.fail("evict does not succeed when nobody uses the profile");
    if (std::ranges::any_of(slots_, [](const engine_slot& slot) { return slot.key != nullptr; }))
        run_.fail("a slot is not blank when all keys were evicted");
}

void raced_profile_program::check_slots_at_end() {
    for (unsigned i = 0; i < race_.num_slots; ++i) {
        const keyslot_snapshot slot = crypto_profile_checker::look_at(*profile_, i);
        if (!slot.is_idle() || slot.blank_on_release)
            run_.fail("a slot is not idle at the end");
        if (slot.key != nullptr && (slots_[i].key != slot.key || slots_[i].is_lost))
            run_.fail("a slot does not have the key that the profile says");
        for (unsigned key = 0; key < race_.num_keys(); ++key)
            if (is_forgotten_[key] && (slot.key == &keys_[key] || slots_[i].key == &keys_[key]))
                run_.fail("a key that was evicted is still in a slot");
    }
}

} // namespace

unsigned race::num_keys() const {
    unsigned count = num_slots + 1;
    for (const auto& ops : tasks)
        for (const race_op& op : ops)
            count = std::max(count, op.key + 1);
    return count;
}

std::string to_string(const race& r) {
    constexpr std::array names{"get", "get_keep", "get_bad", "evict", "reset"};
    std::string text = std::to_string(r.num_slots) + " slots, programmed:";
    for (const unsigned key : r.programmed)
        text.append(" ").append(std::to_string(key));
    for (std::size_t task = 0; task < r.tasks.size(); ++task) {
        text.append("; task ").append(std::to_string(task)).append(":");
        for (const race_op& op : r.tasks[task])
            text.append(" ").append(names[op.kind]).append(" ").append(std::to_string(op.key));
    }
    return text;
}

// --- keys ---

namespace {

struct no_ops final : crypto_ll_ops {
    std::error_code keyslot_program(const key_request&, keyslot_index, acquire_context&) noexcept override {
        return {};
    }
    std::error_code keyslot_evict(env&, const key_request*, keyslot_index) noexcept override { return {}; }
};

// The number of the chain that the key is in: what changes of the state when it is programmed, counted from
// the end.
std::size_t chain_of(const key_request& key, unsigned num_slots) {
    simulated_env e(0);
    no_ops ops;
    const auto profile = *crypto_profile::make(e, {}, num_slots, ops);
    const auto state = [&] {
        std::vector<std::uint64_t> numbers;
        crypto_profile_checker::visit_state(*profile,
                                            [&](std::uint64_t number) { numbers.push_back(number); });
        return numbers;
    };
    const auto before = state();
    profile_asker asker(e);
    (void)profile->get_keyslot(key, asker);
    const auto after = state();
    return static_cast<std::size_t>(std::mismatch(before.rbegin(), before.rend(), after.rbegin()).first -
                                    before.rbegin());
}

} // namespace

race_keys::race_keys(unsigned num_slots, place where) {
    std::map<std::size_t, std::vector<const nominal_key*>> chains;
    for (const auto& key : pool_)
        chains[chain_of(key, num_slots)].push_back(&key);
    if (where == place::one_chain)
        chains.erase(std::next(chains.begin()), chains.end());
    for (std::size_t depth = 0; chosen_.size() < race::keys_max; ++depth)
        for (const auto& [number, keys] : chains)
            chosen_.push_back(keys.at(depth));
}

unsigned race_keys::number_of(const key_request& key) const noexcept {
    return static_cast<unsigned>(std::ranges::find(chosen_, &key) - chosen_.begin());
}

program_factory raced_profile(const race& what, const race_keys& keys, std::set<std::uint64_t>* ends) {
    return [&what, &keys, ends](explored_run& run) {
        return std::make_unique<raced_profile_program>(run, what, keys, ends);
    };
}

} // namespace blkcrypto::test
