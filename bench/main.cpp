// SPDX-License-Identifier: Apache-2.0
// The program `blkbench`: what encryption costs on the way from a bio to the media, one question a verb.

#include "bench/lab/lab_main.hpp"

int main(int argc, char** argv) {
    return blkcrypto::bench::run_blkbench(argc, argv);
}
