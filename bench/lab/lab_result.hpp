// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `blkbench strategies` measures: of each strategy, over rounds. Whoever measures fills it, whoever
// reports reads it.

#include "bench/latency_histogram.hpp"
#include "bench/machine_info.hpp"
#include "bench/measurement.hpp"
#include "fsdemo/derived_keys.hpp"
#include "fsdemo/key_strategy.hpp"
#include "fsdemo/strategies/strategy_table.hpp"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace blkcrypto::bench {

/// Where the time of an I/O went.
enum class io_part : std::uint8_t { lookup, derive, setkey, allocate, wait, cipher, storage, rest };
inline constexpr std::size_t io_part_count = 8;
inline constexpr std::array<std::string_view, io_part_count> io_part_names{
    "lookup", "derive", "setkey", "allocate", "wait", "cipher", "storage", "rest"};

/// Of the I/Os that were looked into, one of so many; sums over them.
struct time_attribution {
    std::uint64_t ios = 0;
    std::uint64_t whole_ns = 0; // their latencies
    std::array<std::uint64_t, io_part_count> part_ns{};
    // Of those that had to set a key up.
    std::uint64_t setups = 0;
    std::uint64_t setup_derive_ns = 0;
    std::uint64_t setup_setkey_ns = 0;
    std::uint64_t setup_allocate_ns = 0;

    time_attribution& operator+=(const time_attribution& other) noexcept;
};

/// The same over rounds: of each part the median of what the rounds have on average, so that one round in
/// which the machine did something else does not make a part of it.
struct io_times {
    std::uint64_t ios = 0; // looked into, of all rounds; 0: there are no times
    double whole_ns = 0;   // the sum of the parts
    std::array<double, io_part_count> part_ns{};
    std::uint64_t setups = 0; // of all rounds
    double setup_derive_ns = 0;
    double setup_setkey_ns = 0;
    double setup_allocate_ns = 0;

    double of(io_part part) const noexcept { return part_ns[static_cast<std::size_t>(part)]; }
    double percent(io_part part) const noexcept { return whole_ns == 0 ? 0 : 100 * of(part) / whole_ns; }
};

/// One strategy in one round.
struct lab_turn_result {
    std::uint64_t files_opened = 0;
    std::uint64_t open_ns = 0;       // of all of them
    std::uint64_t open_max_ns = 0;   // of the slowest
    std::uint64_t first_byte_ns = 0; // from the open of the first file to the end of a first read of it
    std::uint64_t elapsed_ns = 0;    // of the timed phase
    std::uint64_t ios = 0;           // that ended well in it
    std::uint64_t bytes = 0;
    std::uint64_t host_cpu_ns = 0; // of the jobs' threads in it
    std::uint64_t engine_cpu_ns = 0;
    latency_histogram latencies;
    time_attribution attribution;
    keyslot_counters tfm_use; // hits, misses, steals (evictions), waits
    fsdemo::cache_counters derived_keys;
    fsdemo::strategy_figures figures; // at the end of the timed phase; io_* of that phase alone
    // Memory of extents' infos then, of all mounts: what all-at-open pins grows with its extents. In
    // pinned_bytes there is none of it.
    std::uint64_t info_bytes = 0;
    std::uint64_t modules_loaded = 0; // from the image
    std::uint64_t modules_loaded_in_io = 0;
    std::string image_hash; // SHA-256 of the whole image afterwards, hex
};

/// Why a strategy could not go on.
struct lab_stop {
    std::string where; // "opening file 5121 of 65536", "in the I/O path"
    std::error_code error;
    bool at_memory_limit = false;
    std::uint64_t transforms = 0; // there were then
    std::uint64_t transform_bytes = 0;
};

/// One strategy.
struct lab_strategy_result {
    const fsdemo::strategy_info* strategy = nullptr;
    std::vector<lab_turn_result> rounds; // fewer than asked for if it stopped
    std::optional<lab_stop> stop;

    bool is_complete() const noexcept { return !stop && !rounds.empty(); }
    /// Nothing but 0 if there is no round; so is a ratio of no round, and one to 0.
    spread over_rounds(double (*figure)(const lab_turn_result&)) const;
    /// The median of what is counted: one that a round has, of two in the middle the lower.
    double count_over_rounds(double (*count)(const lab_turn_result&)) const;
    /// In the same round; of rounds that both have.
    std::vector<double> ratios_to(const lab_strategy_result& control,
                                  double (*figure)(const lab_turn_result&)) const;
    spread ratio_to(const lab_strategy_result& control, double (*figure)(const lab_turn_result&)) const;
    latency_histogram latencies() const; // of all rounds together
    io_times times() const;
};

/// Costs of single steps, measured in the same run, apart from any I/O; of the first mode.
struct lab_step_costs {
    double derive_ns = 0; // HKDF of one extent's key
    double setkey_ns = 0;
    double allocate_ns = 0; // and free
    double cipher_ns = 0;   // of one I/O
};

struct lab_result {
    machine_info machine;
    std::string image_io; // how the image was read and written
    std::uint64_t image_bytes = 0;
    double layout_s = 0;
    lab_step_costs steps;
    /// The control: the same I/O on a copy of the image, always with one transform that is never keyed again.
    lab_strategy_result single_key;
    std::vector<lab_strategy_result> strategies; // in the order asked for
    /// In every round all images of the strategies that finished it were the same.
    bool images_agree = false;
    std::string first_difference; // "round 3: pool-global"; empty: none
};

/// Who of those that finished round `round` (from 0) left another image than most of them did; without a
/// majority all of them, by image: "(pool-global, library-key) and full-in-io differ". Empty: nobody.
std::string image_difference(std::span<const lab_strategy_result> strategies, std::size_t round);

} // namespace blkcrypto::bench
