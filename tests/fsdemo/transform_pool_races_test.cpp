// SPDX-License-Identifier: Apache-2.0
// Races of tasks over one transform_pool, in every order or in many. Each task is a mount with extents of its
// own, as infos are; what they share is the pool.
#include "tests/fsdemo/crypt_rig.hpp"
#include "tests/fsdemo/transform_pool_checker.hpp"
#include "tests/support/counted_waiter.hpp"
#include "tests/support/explorer.hpp"
#include "tests/support/test_cipher.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <deque>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

using reuse = transform_pool::reuse;
constexpr crypto_mode mode = crypto_mode::sm4_xts; // that stands in
constexpr unsigned extents_each = 2;

struct pool_op {
    enum kind_of_op : std::uint8_t {
        use,       // acquire and release
        use_kept,  // release only when nobody else can go on
        use_twice, // two leases of the same extent, if there is a map
        evict,
    };
    kind_of_op kind;
    unsigned extent = 0; // of the task's own
};
using enum pool_op::kind_of_op;

struct pool_race {
    unsigned size;
    reuse how;
    std::vector<std::vector<pool_op>> tasks;
};

std::string text_of(const pool_race& r) {
    constexpr std::array names{"use", "use_kept", "use_twice", "evict"};
    std::string text =
        std::to_string(r.size) + (r.how == reuse::found ? " transforms, a map" : " transforms");
    for (std::size_t task = 0; task < r.tasks.size(); ++task) {
        text.append("; task ").append(std::to_string(task)).append(":");
        for (const pool_op& op : r.tasks[task])
            text.append(" ").append(names.at(op.kind)).append(" ").append(std::to_string(op.extent));
    }
    return text;
}

/// The extents of all tasks, which outlive the executions.
class raced_extents {
  public:
    raced_extents()
        : medium_(sector{64}, completion_order::as_submitted, 1),
          fallback_(*crypto_fallback::make(e_, *make_tfms(e_), {})) {
        const auto bytes = master_key_bytes(1);
        master_ = *ring_.get(*ring_.add(bytes), 16);
        for (unsigned task = 0; task < explored_tasks_max; ++task) {
            mounts_.push_back(
                *extent_keys::make({e_, medium_, fallback_.get(), e_, nullptr}, {.capacity = extents_each}));
            for (unsigned n = 0; n < extents_each; ++n)
                add(*mounts_.back(), task * extents_each + n);
        }
    }
    ~raced_extents() {
        for (std::size_t n = 0; n < extents_.size(); ++n)
            mounts_[n / extents_each]->put(*extents_[n]);
    }

    const extent_crypt_info& of(unsigned task, unsigned number) const {
        return *extents_[task * extents_each + number];
    }
    bytes_view key_of(unsigned task, unsigned number) const { return keys_[task * extents_each + number]; }
    const std::vector<std::vector<std::byte>>& keys() const noexcept { return keys_; }
    /// No pool has anything of them.
    void forget() const noexcept {
        for (const extent_crypt_info* extent : extents_)
            extent->of_strategy = nullptr;
    }

  private:
    static result<std::unique_ptr<tfm_source>> make_tfms(env& e) {
        auto made = make_full_in_io(e, {});
        if (!made)
            return made.error();
        return std::unique_ptr<tfm_source>(std::move(*made));
    }
    void add(extent_keys& mount, std::uint64_t number) {
        crypto_nonce nonce{};
        store_little(nonce.data(), number);
        extents_.push_back(mount.get(*master_, nonce, {mode, *data_unit_size::make(4096), 4}).key);
        keys_.emplace_back(find_mode(mode)->key_size_bytes);
        master_->derive(hkdf_context::per_extent_enc_key, nonce, keys_.back());
    }

    second_mode stand_in_{mode};
    simulated_env e_{1};
    simulated_device medium_;
    std::unique_ptr<crypto_fallback> fallback_;
    keyring ring_;
    master_key_ref master_;
    std::vector<std::unique_ptr<extent_keys>> mounts_;
    std::vector<extent_crypt_info*> extents_;
    std::vector<std::vector<std::byte>> keys_;
};

class raced_pool final : public explored_program {
  public:
    raced_pool(explored_run& run, const pool_race& what, const raced_extents& extents)
        : run_(run), race_(what), extents_(extents),
          pool_(*transform_pool::make(run.outside(), api_, memory_, mode, what.size, what.how)),
          users_(what.size) {
        for (unsigned n = 0; n < what.tasks.size(); ++n)
            waiters_.emplace_back(run.environment(n));
    }
    ~raced_pool() override {
        transform_pool_checker::end_loans(*pool_);
        pool_.reset();
        extents_.forget();
    }

    void run_task(unsigned number) override;
    std::uint64_t digest() const override { return mix(digest_of_pool(), digest_of_waiting()); }
    std::optional<std::uint64_t> digest_of_guarded(const mutex& m) const override {
        return is_pool_lock(m) ? digest_of_pool() : digest_of_waiting();
    }
    void has_locked(unsigned task, const mutex& m) override;
    void has_reached(hook_point point, const resource_class&) override;
    void has_settled() override;
    void has_ended() override;

  private:
    struct use_of_transform {
        bytes_view key;
        unsigned count = 0;
    };

    static bool is_pool_lock(const mutex& m) { return std::string_view(m.kind().name) == "transform_pool"; }
    std::uint64_t digest_of_pool() const;
    std::uint64_t digest_of_waiting() const;
    void remember(unsigned task, std::uint64_t number);
    void use_it(unsigned task, const pool_op& op);
    void evict_it(unsigned task, const pool_op& op);
    tfm_grant acquire(unsigned task, unsigned extent);
    use_of_transform& touch(unsigned task, const tfm_grant& grant);
    void begin_use(unsigned task, unsigned extent, const tfm_grant& grant);
    void end_use(unsigned task, unsigned extent, const tfm_grant& grant);

    explored_run& run_;
    const pool_race& race_;
    const raced_extents& extents_;
    transform_memory memory_{0, 1};
    crypto_api api_{memory_};
    std::unique_ptr<transform_pool> pool_;
    std::vector<use_of_transform> users_; // by its number in the pool
    std::deque<counted_waiter> waiters_;
    std::array<keyslot_counters, explored_tasks_max> counters_{};
    std::array<std::uint64_t, explored_tasks_max> past_of_{};
    std::array<bool, explored_tasks_max> is_parked_{};
    std::array<bool, explored_tasks_max> is_adding_{}; // itself to the wait list, the other lock there is
    std::vector<unsigned> waiting_;                    // the tasks in the wait list
};

// --- the tasks ---

void raced_pool::run_task(unsigned number) {
    for (const pool_op& op : race_.tasks[number]) {
        past_of_[number] = static_cast<std::uint64_t>(&op - race_.tasks[number].data());
        run_.forget_history(number, past_of_[number]);
        op.kind == evict ? evict_it(number, op) : use_it(number, op);
    }
    run_.forget_history(number, race_.tasks[number].size());
}

// All that a task knows beside which op it is at: what it was granted.
void raced_pool::remember(unsigned task, std::uint64_t number) {
    past_of_[task] = mix(past_of_[task], number);
    run_.forget_history(task, past_of_[task]);
}

tfm_grant raced_pool::acquire(unsigned task, unsigned extent) {
    env& e = run_.environment(task);
    for (;;) {
        run_.forget_history(task, past_of_[task]);
        acquire_context asker{e, waiters_[task], counters_[task]};
        const tfm_grant grant = pool_->acquire(extents_.of(task, extent), asker);
        if (grant.outcome != acquire_outcome::parked)
            return grant;
        is_parked_[task] = true;
        e.sleep();
        is_parked_[task] = false;
        e.run_ready();
    }
}

// What its users see of a transform is a step of its own.
raced_pool::use_of_transform& raced_pool::touch(unsigned task, const tfm_grant& grant) {
    use_of_transform& users = users_[transform_pool_checker::number_of(*pool_, grant.lease)];
    run_.environment(task).before_access(shared_access::update, &users, sizeof(users));
    return users;
}

void raced_pool::begin_use(unsigned task, unsigned extent, const tfm_grant& grant) {
    if (grant.outcome != acquire_outcome::ready)
        return run_.fail("a good key was not set");
    remember(task, transform_pool_checker::number_of(*pool_, grant.lease));
    use_of_transform& users = touch(task, grant);
    const bytes_view key = extents_.key_of(task, extent);
    if (users.count++ != 0 && users.key.data() != key.data())
        run_.fail("a transform is lent for two keys at once");
    users.key = key;
}

void raced_pool::end_use(unsigned task, unsigned extent, const tfm_grant& grant) {
    use_of_transform& users = touch(task, grant);
    if (!std::ranges::equal(second_mode::key_of(*grant.lease.tfm), extents_.key_of(task, extent)))
        run_.fail("a transform has not the key that it was lent for");
    --users.count;
    remember(task, 0);
    transform_pool::release(run_.environment(task), grant.lease);
}

void raced_pool::use_it(unsigned task, const pool_op& op) {
    const tfm_grant first = acquire(task, op.extent);
    begin_use(task, op.extent, first);
    if (op.kind == use_twice) {
        const tfm_grant second = acquire(task, op.extent);
        begin_use(task, op.extent, second);
        end_use(task, op.extent, second);
    }
    if (op.kind == use_kept)
        run_.settle();
    end_use(task, op.extent, first);
}

void raced_pool::evict_it(unsigned task, const pool_op& op) {
    if (pool_->evict(run_.environment(task), extents_.of(task, op.extent)))
        run_.fail("an extent that nobody uses is busy");
    if (second_mode::tfms_with(extents_.key_of(task, op.extent)) != 0)
        run_.fail("a key that was evicted is still in a transform");
}

// --- the checks ---

std::uint64_t raced_pool::digest_of_pool() const {
    std::uint64_t hash = 0;
    transform_pool_checker::visit_state(*pool_, [&](std::uint64_t number) { hash = mix(hash, number); });
    for (const use_of_transform& users : users_)
        hash = mix(mix(hash, reinterpret_cast<std::uintptr_t>(users.key.data())), users.count);
    return hash;
}

std::uint64_t raced_pool::digest_of_waiting() const {
    std::uint64_t hash = 0;
    for (const unsigned task : waiting_)
        hash = mix(hash, task);
    return hash;
}

// The wait list is either added to or taken from.
void raced_pool::has_locked(unsigned task, const mutex& m) {
    if (is_pool_lock(m))
        return;
    if (is_adding_[task]) {
        waiting_.push_back(task);
        is_adding_[task] = false;
    } else if (!waiting_.empty()) {
        waiting_.erase(waiting_.begin());
    }
}

void raced_pool::has_reached(hook_point point, const resource_class&) {
    if (point == hook_point::wait_begin)
        is_adding_[run_.current_task()] = true;
}

void raced_pool::has_settled() {
    if (transform_pool_checker::has_idle(*pool_) && std::ranges::count(is_parked_, true) != 0)
        run_.fail("a task sleeps beside an idle transform");
}

void raced_pool::has_ended() {
    if (pool_->on_loan(run_.outside()) != 0)
        run_.fail("a transform is on loan at the end");
    for (unsigned task = 0; task < race_.tasks.size(); ++task)
        for (unsigned extent = 0; extent < extents_each; ++extent)
            if (pool_->evict(run_.outside(), extents_.of(task, extent)))
                run_.fail("evict does not succeed when nobody uses the pool");
    if (std::ranges::any_of(extents_.keys(), [](bytes_view key) { return second_mode::tfms_with(key) != 0; }))
        run_.fail("a transform has a key when all were evicted");
}

// --- searching ---

using search = exploration (*)(unsigned task_count, const program_factory& make);

exploration every_order(unsigned task_count, const program_factory& make) {
    return explore_all(task_count, make, remember_states::yes);
}

exploration random_orders(unsigned task_count, const program_factory& make) {
    return explore_random(task_count, make, test_seed(), 300);
}

void explore_races(const std::vector<pool_race>& races, search orders) {
    const raced_extents extents;
    exploration all;
    for (const pool_race& r : races) {
        const exploration found = orders(static_cast<unsigned>(r.tasks.size()), [&](explored_run& run) {
            return std::make_unique<raced_pool>(run, r, extents);
        });
        CHECK_MESSAGE(!found.found_failure(), found.failure, "\n", text_of(r),
                      "\nschedule: ", to_string(found.schedule));
        all += found;
    }
    MESSAGE(races.size(), " races, ", all.explored, " executions and ", all.pruned, " left early, ",
            all.states, " states");
}

} // namespace

TEST_SUITE_BEGIN("transform_pool races" * doctest::skip(!fibers_can_run));

TEST_CASE("three tasks use or evict over one transform, in every order") {
    for (const reuse how : {reuse::never, reuse::found})
        explore_races({{1, how, {{{use}}, {{use}}, {{use}}}},
                       {1, how, {{{use}, {use}}, {{use}, {evict}}}},
                       {1, how, {{{use}, {use, 1}}, {{use}, {use, 1}}}},
                       {1, how, {{{use}}, {{use}, {evict}}, {{use}}}}},
                      every_order);
}

TEST_CASE("three tasks use or evict over two transforms, in every order") {
    for (const reuse how : {reuse::never, reuse::found})
        explore_races({{2, how, {{{use}}, {{use}}, {{use}}}},
                       {2, how, {{{use}, {evict}}, {{use}, {use}}}},
                       {2, how, {{{use}, {use, 1}}, {{use}, {evict}}}}},
                      every_order);
}

// Who keeps a transform wakes nobody by giving it back: a wake that is lost elsewhere shows.
TEST_CASE("while a task keeps a transform, nobody sleeps beside an idle one") {
    for (const reuse how : {reuse::never, reuse::found})
        explore_races({{2, how, {{{use_kept}}, {{use}}, {{use}}}},
                       {2, how, {{{use_kept}}, {{use}, {use, 1}}, {{use}}}},
                       {1, how, {{{use}, {use_kept, 1}}, {{use}}}}},
                      every_order);
}

TEST_CASE("an extent that has two leases of its transform races with two others") {
    explore_races({{2, reuse::found, {{{use_kept}}, {{use_twice}}, {{use}}}},
                   {1, reuse::found, {{{use_twice}}, {{use_twice}}, {{use}}}}},
                  every_order);
}

TEST_CASE("up to six tasks of random uses race in random order") {
    random_source random(test_seed());
    std::vector<pool_race> races;
    for (int i = 0; i < 60; ++i) {
        const auto how = random.below(2) == 0 ? reuse::never : reuse::found;
        pool_race r{1 + static_cast<unsigned>(random.below(3)), how, {}};
        r.tasks.resize(2 + random.below(explored_tasks_max - 1));
        for (auto& ops : r.tasks)
            for (auto left = 1 + random.below(5); left != 0; --left) {
                constexpr std::array with_map{use, use, use_twice, use_kept, evict};
                constexpr std::array without{use, use, use, use_kept, evict};
                const auto kind = (how == reuse::found ? with_map : without).at(random.below(5));
                ops.push_back({kind, static_cast<unsigned>(random.below(extents_each))});
            }
        races.push_back(std::move(r));
    }
    explore_races(races, random_orders);
}

TEST_SUITE_END();
