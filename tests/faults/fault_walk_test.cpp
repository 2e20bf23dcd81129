// SPDX-License-Identifier: Apache-2.0
// Every I/O scenario on every stack, failing at each step in turn.
#include "tests/faults/walked_run.hpp"

#include "tests/support/allocation_counter.hpp"
#include "tests/support/property.hpp"

#include <algorithm>
#include <cerrno>
#include <doctest/doctest.h>
#include <string_view>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

struct walk_counts {
    std::size_t runs = 0;
    std::array<std::size_t, fault_kind_count> faults{};
};

// Runs once without a fault to see how many steps there are, then once for each.
void walk(const io_stack_kind& kind, const io_scenario& scenario, walk_counts& counts) {
    CAPTURE(std::string(kind.name));
    CAPTURE(std::string(scenario.name));
    const walked_run faultless(kind, scenario, fault_steps::none);
    REQUIRE_MESSAGE(faultless.wrongs().empty(), faultless.wrongs());
    for (std::size_t step = 0; step < faultless.steps_of_scenario(); ++step) {
        CAPTURE(step);
        const walked_run run(kind, scenario, step);
        REQUIRE(run.steps().failed().has_value());
        INFO("what failed: ", std::string(to_string(*run.steps().failed())));
        CHECK_MESSAGE(run.wrongs().empty(), run.wrongs());
        ++counts.runs;
        ++counts.faults[static_cast<std::size_t>(*run.steps().failed())];
    }
}

void walk_all(std::string_view name) {
    const auto found = std::ranges::find(io_stack_kinds(), name, &io_stack_kind::name);
    REQUIRE(found != io_stack_kinds().end());
    const io_stack_kind& kind = *found;
    walk_counts counts;
    for (const io_scenario& scenario : io_scenarios())
        walk(kind, scenario, counts);
    std::string summary = std::string(kind.name) + ": " + std::to_string(counts.runs) + " runs";
    for (std::size_t i = 0; i < fault_kind_count; ++i)
        summary += ", " + std::to_string(counts.faults[i]) + " x " +
                   std::string(to_string(static_cast<fault_kind>(i)));
    MESSAGE(summary);
    const bool has_fallback = name.starts_with("fallback");
    for (std::size_t i = 0; i < fault_kind_count; ++i)
        CHECK((counts.faults[i] > 0) == (has_fallback || static_cast<fault_kind>(i) != fault_kind::tfm));
}

} // namespace

TEST_CASE(
    "whatever step fails, a bio through the fallback ends once with the right status and all is whole") {
    walk_all("fallback");
}

TEST_CASE(
    "whatever step fails, a bio through the fallback with little bounce memory ends once with the right status and all is whole" *
    PROPERTY(40)) {
    walk_all("fallback with little bounce memory");
}

TEST_CASE(
    "whatever step fails, a bio through the fallback with a decrypt worker ends once with the right status and all is whole") {
    walk_all("fallback with a decrypt worker");
}

TEST_CASE("whatever step fails, a bio through the engine ends once with the right status and all is whole") {
    walk_all("engine");
}

TEST_CASE(
    "whatever step fails, a bio through the engine with one slot and little memory ends once with the right status and all is whole") {
    walk_all("engine with one slot and little memory");
}

TEST_CASE(
    "whatever step fails, a bio through the engine without slots ends once with the right status and all is whole") {
    walk_all("engine without slots");
}

TEST_CASE(
    "whatever step fails, a bio through the linear device over two engines ends once with the right status and all is whole") {
    walk_all("linear device over two engines");
}

TEST_CASE(
    "whatever step fails, a bio through the fallback over a linear device ends once with the right status and all is whole") {
    walk_all("fallback over a linear device");
}

// The hooks of the walk are asked before larger pieces of memory; this one goes for each single malloc().
TEST_CASE("whatever allocation of set-up fails, it is ENOMEM and the next set-up works") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    fault_steps steps(fault_steps::none);
    {
        io_stack first(steps,
                       4096); // OpenSSL 3.0 does not survive a lack of memory while it initialises itself
        REQUIRE_FALSE(set_up(io_stack_kinds().front(), first));
    }
    for (const io_stack_kind& kind : io_stack_kinds()) {
        CAPTURE(std::string(kind.name));
        std::uint64_t failing = 0;
        for (bool happened = true; happened; ++failing) {
            CAPTURE(failing);
            steps.select_ciphers_anew();
            io_stack stack(steps, 4096);
            std::error_code error;
            {
                const allocation_fault fault(failing);
                error = set_up(kind, stack);
                happened = fault.happened();
            }
            CHECK(error == (happened ? make_error(ENOMEM) : std::error_code{}));
        }
        CHECK(failing > 10);
    }
}
