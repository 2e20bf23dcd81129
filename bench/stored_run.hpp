// SPDX-License-Identifier: Apache-2.0
#pragma once
// A run that was measured earlier, read back from its JSON: of `blkbench compare` (schema blkbench.compare)
// or of scripts/bench.sh (blkcrypto.bench). Figures by name, with their spread, and what the run was of. The
// text may be anything: all of it is checked, and nothing of it is kept that cannot be shown.

#include "bench/measurement.hpp"

#include <compare>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace blkcrypto::bench {

enum class better_when { higher, lower };

/// Whose a figure or a fact is.
struct stored_subject {
    std::string name; // a path, or the controls; empty: the run's
    std::string mode; // empty: of no mode, or of whichever

    auto operator<=>(const stored_subject&) const = default;
};

struct stored_figure {
    stored_subject of;
    std::string name; // unique of its subject
    bool is_ratio;    // to a control of the same round: holds also on a machine that is slower today
    better_when better;
    spread value;
};

/// Something that was set or found: an option, the machine.
struct stored_fact {
    stored_subject of;
    std::string name;
    std::string value;
};

struct stored_run {
    static constexpr std::size_t text_bytes_max = 8 << 20;
    static constexpr std::size_t figures_max = 10'000;
    static constexpr std::size_t name_bytes_max = 200;

    std::string schema;
    std::vector<stored_figure> figures;
    std::vector<stored_fact> workload; // runs of which these differ are not runs of the same thing
    std::vector<stored_fact> setting;  // worth saying when they differ

    /// That its figures are of.
    std::set<std::string> modes() const;
};

/// "fallback: throughput / plain", "image_io of fallback"; of one run among several modes they are named:
/// "adiantum fallback: throughput / plain".
std::string label_of(const stored_figure& figure, bool names_mode);
std::string label_of(const stored_fact& fact, bool names_mode);

/// Nothing, and the reason in `why`, for a text that is no such run.
std::optional<stored_run> parse_stored_run(std::string_view text, std::string& why);

} // namespace blkcrypto::bench
