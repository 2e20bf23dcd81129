// SPDX-License-Identifier: Apache-2.0
// Long random sequences of operations, on a filesystem and on a model of one. A sequence that fails is made
// as short as it can be before it is shown.
#include "tests/fsdemo/fs_model.hpp"
#include "tests/support/simulated_device.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

struct run_options {
    const char* name;
    crypt_path path;
    completion_order order;
    fs_options fs;
};
const std::array kinds{
    run_options{"fallback", crypt_path::fallback, completion_order::timed, {}},
    run_options{"fallback, cramped",
                crypt_path::fallback,
                completion_order::shuffled,
                {.keys_max = 1, .nodes_max = 1, .depth = 3}},
    run_options{
        "inline", crypt_path::inline_engine, completion_order::timed, {.keys_max = 5, .nodes_max = 40}},
};

/// Empty: all went as in the model.
std::string run(const run_options& options, const std::vector<fs_op>& ops) {
    simulated_env e(test_seed());
    simulated_device medium(sector{16384 * 8}, options.order, test_seed());
    if (demo_fs::format(medium, e, test_uuid))
        return "format";
    fs_stack stack(e, medium, options.path);
    fs_pair pair(stack, &medium, options.fs);
    for (std::size_t i = 0; i < ops.size(); ++i) {
        if (const std::string why = pair.apply(ops[i]); !why.empty())
            return why;
        if (i % 64 == 63)
            if (const std::string why = pair.compare(); !why.empty())
                return "after " + std::to_string(i + 1) + ": " + why;
    }
    if (const std::string why = pair.compare(); !why.empty())
        return why;
    if (const std::string why = pair.apply({fs_op_kind::sync}); !why.empty())
        return why;
    if (const std::string why = pair.apply({fs_op_kind::remount}); !why.empty())
        return why;
    return pair.compare();
}

/// As few operations as still fail, by leaving out ever smaller pieces.
std::vector<fs_op> shrunk(const run_options& options, std::vector<fs_op> ops) {
    for (std::size_t piece = ops.size() / 2; piece != 0; piece /= 2)
        for (std::size_t at = 0; at + piece <= ops.size();) {
            std::vector<fs_op> fewer(ops.begin(), ops.begin() + static_cast<std::ptrdiff_t>(at));
            fewer.insert(fewer.end(), ops.begin() + static_cast<std::ptrdiff_t>(at + piece), ops.end());
            if (run(options, fewer).empty())
                at += piece;
            else
                ops = std::move(fewer);
        }
    return ops;
}

} // namespace

TEST_CASE("random operations leave what they leave in a model, on each path and after each mount") {
    for (const run_options& options : kinds)
        for (std::uint64_t seed = test_seed(); seed != test_seed() + 6; ++seed) {
            const auto ops = random_ops(300, seed);
            if (run(options, ops).empty())
                continue;
            const auto fewer = shrunk(options, ops);
            std::string what = std::string(options.name) + ": " + run(options, fewer);
            for (const fs_op& op : fewer)
                what.append(1, '\n').append(describe(op));
            FAIL(what);
        }
}
