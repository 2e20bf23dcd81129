// SPDX-License-Identifier: Apache-2.0
// Each read, write and flush fails in turn: who asked is told, what failed half-way stays failed, and the
// image holds the last state.
#include "tests/fsdemo/volume_rig.hpp"
#include "tests/support/simulated_device.hpp"
#include "tests/support/test_seed.hpp"

#include <cerrno>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

constexpr std::uint64_t blocks = 512;
constexpr std::uint64_t names = 3000;

class faulty_run {
  public:
    faulty_run() : device_(sector_of(blocks), completion_order::timed, test_seed()) {
        REQUIRE_FALSE(volume::format(device_, e_, uuid_of_tests()));
        open();
        random_source random(test_seed());
        for (std::uint64_t n = 0; n < names; n += 2)
            REQUIRE_FALSE(volume_->tree().insert(key_of(n), counting_bytes(60)));
        REQUIRE_FALSE(volume_->commit());
        base_.assign(device_.medium().begin(), device_.medium().end());
    }

    enum class after_error { fail, go_on };

    /// The same changes each time; false if there were fewer than n operations of the device.
    bool run(std::size_t n, data_moved moved, after_error policy) {
        has_told_ = false;
        volume_.reset();
        std::ranges::copy(base_, device_.medium().begin());
        committed_ = model_ = next_ = walk_image(device_.medium()).items_of_others();
        nth_fails faults(n, moved);
        device_.set_faults(&faults);
        std::string why;
        auto opened = volume::open(device_, e_, {.nodes_max = 32}, why);
        if (opened) {
            volume_ = std::move(*opened);
            change_and_commit(faults, policy);
        } else {
            CHECK(opened.error().value() == ENODATA);
            CHECK(why != "");
        }
        device_.set_faults(nullptr);
        volume_.reset();
        const auto walk = walk_image(device_.medium());
        REQUIRE(walk.trouble == "");
        const auto items = walk.items_of_others();
        CHECK((items == committed_ || (moved != data_moved::none && items == next_)));
        open();
        return faults.has_failed();
    }

  private:
    static tree_key key_of(std::uint64_t n) { return {item_type::dir_entry, 7, n}; }

    void open() {
        std::string why;
        volume_ = volume::open(device_, e_, {.nodes_max = 32}, why).value();
    }

    void change_and_commit(const nth_fails& faults, after_error policy) {
        random_source random(test_seed() + 1);
        for (int commits = 0; commits < 3; ++commits) {
            for (int i = 0; i < 25; ++i) {
                const std::error_code error = change(random);
                REQUIRE(static_cast<bool>(error) == (faults.has_failed() && !has_told_));
                if (!error)
                    continue;
                has_told_ = true;
                CHECK(error.value() == ENODATA);
                if (policy == after_error::fail) {
                    CHECK(volume_->fail(error) == error);
                    return check_has_failed();
                }
            }
            next_ = model_;
            const std::error_code error = volume_->commit();
            REQUIRE(static_cast<bool>(error) == (faults.has_failed() && !has_told_));
            if (error) {
                CHECK(error.value() == ENODATA);
                return check_has_failed();
            }
            committed_ = model_;
        }
    }

    // Of one that fails: done or not.
    std::error_code change(random_source& random) {
        const tree_key key = key_of(random.below(names));
        const auto data = random_bytes(60, random.next());
        std::error_code error;
        if (const auto known = model_.find(key); known == model_.end()) {
            error = volume_->tree().insert(key, data);
            if (!error || holds(key))
                model_.emplace(key, data);
        } else if (random.below(3) == 0) {
            error = volume_->tree().update(key, data);
            if (!error)
                known->second = data;
        } else {
            error = volume_->tree().erase(key);
            if (!error || !holds(key))
                model_.erase(known);
        }
        return error;
    }

    bool holds(const tree_key& key) { return volume_->tree().find(key).value().has_value(); }

    void check_has_failed() {
        CHECK(volume_->has_failed());
        CHECK(volume_->may_change(volume::room_for::less).value() == EIO);
        CHECK(volume_->may_read().value() == EIO);
        CHECK(volume_->commit().value() == EIO);
    }

    simulated_env e_{1};
    simulated_device device_;
    std::unique_ptr<volume> volume_;
    std::vector<std::byte> base_;
    item_map model_;     // what the volume should have in memory
    item_map committed_; // what it has made durable
    item_map next_;      // what the commit that failed was about
    bool has_told_ = false;
};

void fail_each_in_turn(data_moved moved, faulty_run::after_error policy) {
    faulty_run run;
    std::size_t n = 0;
    for (bool has_failed = true; has_failed; ++n) {
        CAPTURE(n);
        has_failed = run.run(n, moved, policy);
    }
    CHECK(n > 60);
}

} // namespace

TEST_CASE("a device that fails once leaves the last state, and a volume that has failed") {
    fail_each_in_turn(data_moved::none, faulty_run::after_error::fail);
    fail_each_in_turn(data_moved::some_sectors, faulty_run::after_error::fail);
    fail_each_in_turn(data_moved::all, faulty_run::after_error::fail);
}

TEST_CASE("a change of the tree that cannot read a node is done or not, and all goes on") {
    fail_each_in_turn(data_moved::none, faulty_run::after_error::go_on);
}
