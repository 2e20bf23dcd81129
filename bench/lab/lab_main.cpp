// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_main.hpp"

#include "bench/lab/strategies.hpp"
#include "bench/verbs.hpp"
#include "blkcrypto/tools/cli/printable.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <cstdio>
#include <fmt/format.h>

namespace blkcrypto::bench {

namespace {

// Whoever brings a strategy has given the program a name, too.
std::string name_of_program(int argc, char** argv, bool has_own) {
    const std::string_view path = has_own && argc > 0 ? argv[0] : "";
    const std::string_view name = path.substr(path.rfind('/') + 1);
    return name.empty() ? "blkbench" : cli::printable(name);
}

} // namespace

int run_blkbench(int argc, char** argv, std::span<const fsdemo::strategy_info> own) {
    const std::string name = name_of_program(argc, argv, !own.empty());
    std::string why;
    strategy_list known = known_strategies(own, why);
    if (!why.empty()) {
        fmt::print(stderr, "{}: {}\n", name, why);
        return cli::exit_unusable;
    }
    cli::verb_list verbs;
    verbs.push_back(make_compare_verb());
    verbs.push_back(make_strategies_verb(std::move(known)));
    verbs.push_back(make_diff_verb());
    return cli::run_program(name, "Benchmarks of the blk-crypto stack", verbs, argc, argv);
}

} // namespace blkcrypto::bench
