// SPDX-License-Identifier: Apache-2.0
// main() of every test program: doctest's, and the seed.
#define DOCTEST_CONFIG_IMPLEMENT
#include "tests/support/test_seed.hpp"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <random>

namespace blkcrypto::test {
namespace {

std::uint64_t choose_seed() {
    const char* given = std::getenv("BLKCRYPTO_TEST_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
}

void print_seed() {
    std::fprintf(stderr, "BLKCRYPTO_TEST_SEED=%" PRIu64 "\n", test_seed());
}

unsigned cases_selected = 0;

// Says the seed next to each failure, and counts what the filters let through.
struct seed_reporter final : doctest::IReporter {
    explicit seed_reporter(const doctest::ContextOptions&) {}
    void report_query(const doctest::QueryData&) override {}
    void test_run_start() override { print_seed(); }
    void test_run_end(const doctest::TestRunStats& run) override {
        cases_selected = run.numTestCasesPassingFilters;
    }
    void test_case_start(const doctest::TestCaseData&) override {}
    void test_case_reenter(const doctest::TestCaseData&) override {}
    void test_case_end(const doctest::CurrentTestCaseStats& ended) override {
        if (!ended.testCaseSuccess)
            print_seed();
    }
    void test_case_exception(const doctest::TestCaseException&) override {}
    void subcase_start(const doctest::SubcaseSignature&) override {}
    void subcase_end() override {}
    void log_assert(const doctest::AssertData&) override {}
    void log_message(const doctest::MessageData&) override {}
    void test_case_skipped(const doctest::TestCaseData&) override {}
};
REGISTER_LISTENER("seed", 1, seed_reporter);

} // namespace

std::uint64_t test_seed() noexcept {
    static const std::uint64_t seed = choose_seed();
    return seed;
}

} // namespace blkcrypto::test

int main(int argc, char** argv) {
    doctest::Context context(argc, argv);
    const int outcome = context.run();
    if (context.shouldExit())
        return outcome;
    // A filter that matches nothing would otherwise pass, and ctest runs every case by a filter.
    if (blkcrypto::test::cases_selected == 0)
        std::fputs("no test case matches\n", stderr);
    return blkcrypto::test::cases_selected == 0 ? EXIT_FAILURE : outcome;
}
