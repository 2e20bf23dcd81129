// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/fault_steps.hpp"

#include "blkcrypto/cipher/selection.hpp"

#include <array>

namespace blkcrypto::test {
namespace {

fault_steps* deciding = nullptr;

bool decide(const skcipher_implementation& implementation) {
    return passes_self_test(implementation) && !deciding->fails(fault_kind::self_test);
}

} // namespace

std::string_view to_string(fault_kind kind) {
    constexpr std::array<std::string_view, fault_kind_count> names{
        "allocation", "self-test", "tfm", "program", "device operation", "completion"};
    return names[static_cast<std::size_t>(kind)];
}

blk_status status_of(fault_kind kind) {
    switch (kind) {
    case fault_kind::tfm:
        return blk_status::resource;
    case fault_kind::program:
        return blk_status::target;
    case fault_kind::device_operation:
        return blk_status::medium;
    case fault_kind::completion:
        return blk_status::timeout;
    default:
        return blk_status::ok; // set-up fails, not a bio
    }
}

fault_steps::fault_steps(std::size_t failing) : failing_(failing) {
    deciding = this;
    select_ciphers_anew();
}

void fault_steps::select_ciphers_anew() noexcept {
    override_selection({.passes = &decide});
}

fault_steps::~fault_steps() {
    override_selection({});
    deciding = nullptr;
}

bool fault_steps::fails(fault_kind kind) noexcept {
    if (count_++ != failing_)
        return false;
    failed_ = kind;
    return true;
}

// How much a failing operation moves goes round with the step's number.
std::optional<device_fault> fault_steps::fault_of(const bio&) noexcept {
    const std::array parts{data_moved::none, data_moved::first_sectors, data_moved::some_sectors};
    const data_moved part = parts[count_ / 2 % parts.size()];
    if (fails(fault_kind::device_operation))
        return device_fault{status_of(fault_kind::device_operation), part};
    if (fails(fault_kind::completion))
        return device_fault{status_of(fault_kind::completion), data_moved::all};
    return std::nullopt;
}

} // namespace blkcrypto::test
