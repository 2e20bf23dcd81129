// SPDX-License-Identifier: Apache-2.0
#include "tests/dev/linear_layouts.hpp"

#include "blkcrypto/dev/linear_device.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>

namespace blkcrypto::test {
namespace {

std::unique_ptr<block_device> make_owning(device_list lowers, const std::vector<linear_target>& targets) {
    simulated_env e(test_seed());
    auto top = *make_linear_device(targets, e);
    return std::make_unique<owning_device>(std::move(lowers), std::move(top));
}

device_list two_lowers(sector capacity, const lower_maker& make_lower) {
    device_list lowers;
    lowers.push_back(make_lower(capacity));
    lowers.push_back(make_lower(capacity));
    return lowers;
}

} // namespace

std::unique_ptr<block_device> make_linear_of_two(sector capacity, const lower_maker& make_lower) {
    constexpr std::uint64_t boundary = 50;
    device_list lowers = two_lowers({capacity.value + 3}, make_lower);
    const std::vector<linear_target> targets{{lowers[0].get(), {5}, {boundary}},
                                             {lowers[1].get(), {3}, {capacity.value - boundary}}};
    return make_owning(std::move(lowers), targets);
}

std::unique_ptr<block_device> make_linear_out_of_order(sector capacity, const lower_maker& make_lower) {
    constexpr std::uint64_t first = 37, second = 64;
    device_list lowers = two_lowers({capacity.value + first}, make_lower);
    const std::vector<linear_target> targets{{lowers[0].get(), capacity, {first}},
                                             {lowers[1].get(), {1}, {second}},
                                             {lowers[0].get(), {0}, {capacity.value - first - second}}};
    return make_owning(std::move(lowers), targets);
}

std::unique_ptr<block_device> make_linear_of_stripes(sector capacity, const lower_maker& make_lower) {
    constexpr std::uint64_t stripe = 7;
    device_list lowers = two_lowers(capacity, make_lower);
    std::vector<linear_target> targets;
    for (std::uint64_t at = 0; at < capacity.value; at += stripe)
        targets.push_back({lowers[at / stripe % 2].get(), {at}, {std::min(stripe, capacity.value - at)}});
    return make_owning(std::move(lowers), targets);
}

} // namespace blkcrypto::test
