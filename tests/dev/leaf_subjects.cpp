// SPDX-License-Identifier: Apache-2.0
// The leaves that need nothing of the system, the simulated device that tests put in their place, and linear
// devices over them.
#include "blkcrypto/dev/image_device.hpp"
#include "blkcrypto/dev/memory_device.hpp"
#include "blkcrypto/dev/null_device.hpp"
#include "blkcrypto/dev/range_lock_device.hpp"
#include "tests/dev/conformance.hpp"
#include "tests/dev/linear_layouts.hpp"
#include "tests/dev/owning_device.hpp"
#include "tests/dev/temporary_image.hpp"
#include "tests/support/simulated_device.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"

namespace blkcrypto::test {
namespace {

std::unique_ptr<block_device> make_memory(sector capacity) {
    return *make_memory_device(capacity);
}

// The device has the file open: its name may go at once.
std::unique_ptr<block_device> make_on_image(sector capacity, direct_io direct) {
    const temporary_image image(to_bytes(capacity).value);
    return *make_image_device({.path = image.path(), .direct = direct, .io = image_io::preadv2});
}

std::unique_ptr<block_device> make_direct(sector capacity) {
    return make_on_image(capacity, direct_io::automatic);
}

std::unique_ptr<block_device> make_buffered(sector capacity) {
    return make_on_image(capacity, direct_io::off);
}

std::unique_ptr<block_device> make_timed(sector capacity) {
    return std::make_unique<simulated_device>(capacity, completion_order::timed, test_seed());
}

std::unique_ptr<block_device> make_shuffled(sector capacity) {
    return std::make_unique<simulated_device>(capacity, completion_order::shuffled, test_seed());
}

std::unique_ptr<block_device> make_range_locked(std::unique_ptr<block_device> lower) {
    simulated_env e(test_seed());
    auto top = *make_range_lock_device(*lower, nullptr, e);
    device_list lowers;
    lowers.push_back(std::move(lower));
    return std::make_unique<owning_device>(std::move(lowers), std::move(top));
}

std::unique_ptr<env> make_simulated_env() {
    return std::make_unique<simulated_env>(test_seed());
}

} // namespace

subject_list subjects() {
    return {{
        {"null", false, [](sector capacity) { return make_null_device(capacity); }},
        {"memory", true, make_memory},
        {"image by preadv2, direct if it can be", true, make_direct},
        {"image by preadv2, buffered", true, make_buffered},
        {"linear over two images by preadv2", true,
         [](sector capacity) { return make_linear_out_of_order(capacity, make_buffered); }},
        {"linear over memory, two stretches", true,
         [](sector capacity) { return make_linear_of_two(capacity, make_memory); }},
        {"linear over memory, out of order", true,
         [](sector capacity) { return make_linear_out_of_order(capacity, make_memory); }},
        {"linear over memory, stripes", true,
         [](sector capacity) { return make_linear_of_stripes(capacity, make_memory); }},
        {"range locks on memory", true,
         [](sector capacity) { return make_range_locked(make_memory(capacity)); }},
        {"range locks on an image by preadv2", true,
         [](sector capacity) { return make_range_locked(make_buffered(capacity)); }},
        {"range locks on simulated, timed", true,
         [](sector capacity) { return make_range_locked(make_timed(capacity)); }, make_simulated_env},
        {"range locks on simulated, shuffled", true,
         [](sector capacity) { return make_range_locked(make_shuffled(capacity)); }, make_simulated_env},
        {"simulated, timed", true, make_timed, make_simulated_env},
        {"simulated, shuffled", true, make_shuffled, make_simulated_env},
        {"linear over simulated, timed", true,
         [](sector capacity) { return make_linear_out_of_order(capacity, make_timed); }, make_simulated_env},
        {"linear over simulated, shuffled", true,
         [](sector capacity) { return make_linear_of_two(capacity, make_shuffled); }, make_simulated_env},
    }};
}

} // namespace blkcrypto::test
