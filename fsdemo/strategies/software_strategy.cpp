// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/strategies/software_strategy.hpp"

#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

constexpr lock_class starting_lock{"software_strategy.starting"};

crypto_capabilities all_modes() noexcept {
    crypto_capabilities all;
    all.dun_bytes_max = iv_size_max_bytes;
    for (const auto& mode : crypto_modes())
        all.unit_sizes[mode_index(mode.mode)] = all_unit_sizes;
    return all;
}

} // namespace

software_strategy::software_strategy(const strategy_options& options) noexcept
    : capabilities_(all_modes()), memory_(options.memory_limit_bytes, options.lanes),
      starting_(starting_lock) {}

std::error_code software_strategy::start_without_transforms(env& e, const crypto_config& config) {
    return start_once(
        e, config, [&] { return make_error(selected_implementation(config.mode) == nullptr ? ENOPKG : 0); });
}

strategy_figures software_strategy::figures(env&) const noexcept {
    strategy_figures known = memory_.figures();
    known.pinned_bytes = known.transform_bytes;
    return known;
}

} // namespace blkcrypto::fsdemo
