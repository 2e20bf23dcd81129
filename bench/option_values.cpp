// SPDX-License-Identifier: Apache-2.0
#include "bench/option_values.hpp"

#include "bench/io_buffers.hpp"
#include "blkcrypto/cipher/skcipher.hpp"
#include "blkcrypto/tools/cli/choice.hpp"
#include "blkcrypto/tools/cli/number.hpp"

#include <cerrno>
#include <charconv>
#include <unistd.h>

namespace blkcrypto::bench {
namespace {

using cli::unusable;

constexpr std::uint64_t runtime_max_s = 24 * 3600;

} // namespace

std::vector<const crypto_mode_info*> parse_modes(std::string_view option, std::string_view text) {
    return parse_list(option, text,
                      [option](std::string_view word) { return &cli::parse_mode(option, word); });
}

void check_implementations(std::string_view option, std::span<const crypto_mode_info* const> modes) {
    for (const auto* mode : modes)
        if (selected_implementation(mode->mode) == nullptr)
            throw unusable(option, fmt::format("no implementation of {} here", mode->name), ENOPKG);
}

std::vector<std::string_view> engine_names() {
    std::vector<std::string_view> names;
    for (const auto& profile : builtin_engine_profiles())
        names.push_back(profile.name);
    return names;
}

engine_profile default_engine(std::span<const crypto_mode_info* const> modes) {
    const engine_profile* usual = find_engine_profile(usual_engine);
    const bool has_all = std::ranges::all_of(modes, [&](const crypto_mode_info* mode) {
        return usual->capabilities.unit_sizes[mode_index(mode->mode)] != 0;
    });
    return has_all ? *usual : *find_engine_profile("generic");
}

void check_engine(const engine_profile& engine, const crypto_config& config) {
    const auto refuse = [&](const std::string& why) {
        return unusable(fmt::format("engine {}", engine.name), why, EOPNOTSUPP);
    };
    const crypto_capabilities& can = engine.capabilities;
    const auto sizes = can.unit_sizes[mode_index(config.mode)];
    if (sizes == 0)
        throw refuse(
            fmt::format("it does not have the mode {}; --engine generic has", find_mode(config.mode)->name));
    if ((sizes & config.unit_size.bytes()) == 0)
        throw refuse(
            fmt::format("it does not have data units of {}", cli::size_text(config.unit_size.bytes())));
    if (config.dun_bytes > can.dun_bytes_max)
        throw refuse(fmt::format("its data unit numbers have {} bytes, an image of that size needs {}",
                                 can.dun_bytes_max, config.dun_bytes));
}

std::chrono::milliseconds parse_runtime(std::string_view text) {
    constexpr std::string_view suffix = "ms";
    const bool is_in_ms = text.ends_with(suffix);
    const std::string_view digits = is_in_ms ? text.substr(0, text.size() - suffix.size()) : text;
    const std::uint64_t max = is_in_ms ? runtime_max_s * 1000 : runtime_max_s;
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc{} || end != digits.data() + digits.size() || number == 0 || number > max)
        throw unusable(
            "--runtime",
            fmt::format("'{}' is no whole number of seconds up to {}, or of milliseconds as in 500ms", text,
                        runtime_max_s));
    return std::chrono::milliseconds(is_in_ms ? number : number * 1000);
}

void check_slice(std::string_view typed, std::chrono::milliseconds runtime, unsigned rounds) {
    if (runtime / rounds < slice_min)
        throw unusable("--runtime", fmt::format("'{}' in {} rounds: a slice is {} ms at least", typed, rounds,
                                                slice_min.count()));
}

void check_memory(std::string_view options, std::string_view what, std::uint64_t bytes) {
    const auto machine_bytes = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                               static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    if (bytes > machine_bytes / 2)
        throw unusable(options, fmt::format("{} of {} are more than half of this machine's memory", what,
                                            cli::size_text(bytes >> 20 << 20)));
}

void check_buffers(std::string_view options, std::uint64_t blocks, std::uint32_t block_bytes) {
    check_memory(options, "buffers", blocks * io_buffers::stride_of(block_bytes));
}

std::uint64_t random_seed(env& e) {
    std::byte bytes[sizeof(std::uint64_t)];
    e.fill_random(bytes);
    return load_little<std::uint64_t>(bytes) >> 11;
}

} // namespace blkcrypto::bench
