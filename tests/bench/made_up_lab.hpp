// SPDX-License-Identifier: Apache-2.0
#pragma once
// A run of the strategy lab that nobody measured: of the strategies named, seven rounds each, all with the
// same figures until a test changes them.

#include "bench/lab/known_strategies.hpp"
#include "bench/lab/lab_report.hpp"
#include "bench/lab/single_key.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <fmt/format.h>
#include <stdexcept>
#include <string>

namespace blkcrypto::test {

class made_up_lab {
  public:
    static constexpr unsigned rounds = 7;

    explicit made_up_lab(const std::string& strategies, bench::lab_arguments typed = {}) {
        typed.strategies = strategies;
        std::string why;
        options = typed.check(bench::known_strategies({}, why), 4711);
        result.machine = {"a CPU", "6.18", 2};
        result.image_io = "preadv2";
        result.image_bytes = 16 << 20;
        result.steps = {.derive_ns = 1500, .setkey_ns = 500, .allocate_ns = 700, .cipher_ns = 900};
        result.images_agree = true;
        fill(result.single_key, &bench::single_key_strategy());
        for (const auto* strategy : options.strategies)
            fill(result.strategies.emplace_back(), strategy);
    }

    bench::lab_strategy_result& of(std::string_view name) {
        for (auto& strategy : result.strategies)
            if (strategy.strategy->name == name)
                return strategy;
        throw std::logic_error("no such strategy in the run");
    }

    /// In every round of a strategy.
    template <typename Change>
    void change(std::string_view name, Change change) {
        for (auto& turn : of(name).rounds)
            change(turn);
    }

    /// As many I/Os a second as another has, times a factor.
    void make_faster(std::string_view name, double factor) {
        change(name, [&](bench::lab_turn_result& turn) {
            turn.elapsed_ns = static_cast<std::uint64_t>(static_cast<double>(turn.elapsed_ns) / factor);
        });
    }

    void stop(std::string_view name, bool at_memory_limit, std::error_code error = make_error(ENOMEM)) {
        auto& stopped = of(name);
        stopped.rounds.clear();
        stopped.stop = bench::lab_stop{.where = "opening file 201 of 256",
                                       .error = error,
                                       .at_memory_limit = at_memory_limit,
                                       .transforms = 3200,
                                       .transform_bytes = 3 << 20};
    }

    /// A strategy that is none of the eleven takes part in the place of one that is.
    void replace(std::string_view name, const fsdemo::strategy_info& own) { of(name).strategy = &own; }

    std::vector<bench::claim_finding> claims() const { return bench::judge_claims(options, result); }
    bench::claim_finding claim(std::size_t number) const { return claims().at(number - 1); }
    std::string text() const { return bench::lab_text(options, result, claims()); }
    nlohmann::ordered_json json() const { return bench::lab_json(options, result, claims()); }

    bench::lab_options options;
    bench::lab_result result;

  private:
    static void fill(bench::lab_strategy_result& of, const fsdemo::strategy_info* strategy) {
        of.strategy = strategy;
        for (unsigned round = 0; round < rounds; ++round)
            of.rounds.push_back(turn(round));
    }

    // 100,000 I/Os a second, give or take a thousandth.
    static bench::lab_turn_result turn(unsigned round) {
        bench::lab_turn_result turn;
        turn.files_opened = 256;
        turn.open_ns = 256 * 20'000;
        turn.open_max_ns = 90'000;
        turn.first_byte_ns = 60'000;
        turn.ios = 20'000;
        turn.elapsed_ns = 200'000'000 + round * 200'000;
        turn.bytes = turn.ios * 4096;
        turn.host_cpu_ns = 100'000'000;
        for (int i = 0; i < 1000; ++i)
            turn.latencies.record(8'000);
        turn.attribution = {.ios = 100,
                            .whole_ns = 100 * 10'000,
                            .part_ns = {50'000, 150'000, 50'000, 0, 0, 50'000, 600'000, 100'000},
                            .setups = 50,
                            .setup_derive_ns = 75'000,
                            .setup_setkey_ns = 25'000};
        turn.tfm_use = {.hits = 15'000, .misses = 5'000, .evictions = 4'872, .waits = 0};
        turn.figures = {.transforms = 128,
                        .transform_bytes = 128 << 10,
                        .pinned_bytes = 128 << 10,
                        .transform_bytes_max = 128 << 10};
        turn.info_bytes = 144 << 10;
        turn.image_hash = fmt::format("{:064x}", round + 1);
        return turn;
    }
};

} // namespace blkcrypto::test
