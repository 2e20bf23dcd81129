// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/io_scenario.hpp"

namespace blkcrypto::test {
namespace {

constexpr auto read = bio_op::read;
constexpr auto write = bio_op::write;
constexpr auto zero = bio_op::write_zeroes;

// As many writes of the same size as there are places, under the keys in turn, and then the reads.
std::vector<std::vector<scenario_io>> there_and_back(unsigned count, std::uint32_t size_bytes) {
    std::vector<std::vector<scenario_io>> rounds(2);
    for (unsigned i = 0; i < count; ++i)
        for (std::size_t round = 0; round < 2; ++round)
            rounds[round].push_back(
                {round == 0 ? write : read, i * 64, size_bytes, static_cast<int>(i % io_stack::key_count)});
    return rounds;
}

std::vector<io_scenario> make_scenarios() {
    return {
        {"one unit written and read", 4096, {{{write, 8, 4096, 0}}, {{read, 8, 4096, 0}}}},
        {"the last sectors of the device", 512, {{{write, 2044, 2048, 1}}, {{read, 2044, 2048, 1}}}},
        {"a bio of several encrypted bios", 4096, {{{write, 0, 24576, 0}}, {{read, 0, 24576, 0}}}},
        {"units of a sector", 512, {{{write, 3, 7680, 0}, {write, 100, 512, 1}}, {{read, 3, 7680, 0}}}},
        {"units above a page",
         16384,
         {{{write, 64, 32768, 0}, {write, 256, 16384, 1}}, {{read, 64, 32768, 0}}}},
        {"more keys than keyslots at once", 4096, there_and_back(3, 8192)},
        {"more bios than the depth", 4096, there_and_back(10, 4096)},
        {"reads and writes at once",
         4096,
         {{{write, 0, 8192, 0}, {write, 64, 8192, 1}},
          {{read, 0, 8192, 0}, {write, 128, 12288, 2}, {read, 64, 8192, 1}, {write, 192, 4096, 0}},
          {{read, 128, 12288, 2}, {read, 192, 4096, 0}}}},
        {"plain bios beside encrypted ones",
         4096,
         {{{write, 0, 4096, 0}, {write, 64, 4096}, {write, 128, 4096, 1}, {write, 200, 512}},
          {{read, 0, 4096, 0}, {read, 64, 4096}, {read, 200, 512}}}},
        {"zeroes under a key and without",
         4096,
         {{{write, 0, 16384, 0}, {write, 64, 8192}},
          {{zero, 0, 16384, 0}, {zero, 64, 8192}, {zero, 256, 20480, 1}},
          {{read, 0, 16384, 0}, {read, 64, 8192}, {read, 256, 20480, 1}}}},
        {"a discard between a write and another",
         4096,
         {{{write, 0, 8192}}, {{bio_op::discard, 0, 8192}}, {{write, 0, 8192, 2}}, {{read, 0, 8192, 2}}}},
        {"a flush, a preflush, a fua",
         4096,
         {{{write, 0, 8192, 0}, {bio_op::flush, 0, 0}},
          {{write, 64, 12288, 0, true, true}, {write, 0, 0, plain, false, true}},
          {{write, 128, 4096, 1, true}, {read, 0, 8192, 0}}}},
        {"keys evicted and used again", 4096, there_and_back(4, 4096), between_rounds::evict_keys},
        {"each bio from the end of the one before", 4096, there_and_back(6, 8192), between_rounds::nothing,
         true},
        {"the same place again and again",
         4096,
         {{{write, 0, 8192, 0}}, {{write, 0, 8192, 1}}, {{write, 0, 8192, 0}}, {{read, 0, 8192, 0}}}},
    };
}

} // namespace

std::span<const io_scenario> io_scenarios() {
    static const std::vector<io_scenario> all = make_scenarios();
    return all;
}

} // namespace blkcrypto::test
