// SPDX-License-Identifier: Apache-2.0
// The program `blkbench`: what encryption costs on the way from a bio to the media, one question a verb.

#include "bench/verbs.hpp"

int main(int argc, char** argv) {
    using namespace blkcrypto;
    cli::verb_list verbs;
    verbs.push_back(bench::make_compare_verb());
    verbs.push_back(bench::make_diff_verb());
    return cli::run_program("blkbench", "Benchmarks of the blk-crypto stack", verbs, argc, argv);
}
