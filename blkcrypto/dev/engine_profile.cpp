// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/engine_profile.hpp"

#include "blkcrypto/inline_crypt/crypto_profile.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

namespace blkcrypto {
namespace {

constexpr std::uint64_t ns_per_us = 1000;
constexpr std::uint64_t bytes_per_mb = 1'000'000;

// No source publishes a figure: set by MMIO writes or a call into the secure world, "slow" is all that is
// said.
constexpr engine_costs assumed{.program_ns = 10 * ns_per_us,
                               .evict_ns = 5 * ns_per_us,
                               .reset_ns = 1000 * ns_per_us,
                               .bandwidth_bytes_per_s = 2'000 * bytes_per_mb,
                               .are_assumed = true};

crypto_capabilities xts(std::uint32_t unit_sizes, std::uint8_t dun_bytes) {
    crypto_capabilities can;
    can.unit_sizes[mode_index(crypto_mode::aes_256_xts)] = unit_sizes;
    can.dun_bytes_max = dun_bytes;
    return can;
}

crypto_capabilities every_mode() {
    crypto_capabilities can;
    for (const auto& mode : crypto_modes())
        can.unit_sizes[mode_index(mode.mode)] = all_unit_sizes;
    can.dun_bytes_max = iv_size_max_bytes;
    return can;
}

// The place of a byte, counted from 1, in a text.
std::string place_of(std::string_view text, std::size_t byte) {
    const std::string_view before = text.substr(0, byte == 0 ? 0 : byte - 1);
    const auto line = 1 + std::ranges::count(before, '\n');
    const auto column = before.size() - (before.rfind('\n') + 1) + 1; // npos + 1 is 0
    return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

bool is_control_character(char c) {
    return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
}

// Reads the fields of one JSON object; remembers the first thing that is wrong with it.
class profile_reader {
  public:
    profile_reader(const nlohmann::json& object, std::string& why) : object_(object), why_(why) {}

    bool read(engine_profile& profile) {
        refuse_unknown_fields();
        profile.name = text("name");
        profile.keyslots = static_cast<unsigned>(number("keyslots", 0, crypto_profile::slots_max));
        profile.capabilities.dun_bytes_max =
            static_cast<std::uint8_t>(number("dun_bytes", 1, iv_size_max_bytes));
        read_costs(profile.costs);
        read_modes(profile.capabilities);
        return why_.empty();
    }

  private:
    void wrong(const std::string& field, const std::string& what) {
        if (why_.empty())
            why_ = "field \"" + field + "\": " + what;
    }

    void read_costs(engine_costs& costs) {
        constexpr std::uint64_t most = 1'000'000;
        costs.program_ns = optional_number("program_us", most) * ns_per_us;
        costs.evict_ns = optional_number("evict_us", most) * ns_per_us;
        costs.reset_ns = optional_number("reset_us", most) * ns_per_us;
        costs.bandwidth_bytes_per_s = optional_number("bandwidth_mb_per_s", most) * bytes_per_mb;
    }

    void refuse_unknown_fields() {
        constexpr std::array<std::string_view, 8> known{"name",     "keyslots",          "dun_bytes",
                                                        "modes",    "program_us",        "evict_us",
                                                        "reset_us", "bandwidth_mb_per_s"};
        for (const auto& [field, value] : object_.items())
            if (std::ranges::find(known, field) == known.end())
                wrong(field, "not a field of an engine profile");
    }

    std::string text(const char* field) {
        const auto found = object_.find(field);
        if (found == object_.end() || !found->is_string() || found->get_ref<const std::string&>().empty()) {
            wrong(field, "a name is needed");
            return {};
        }
        if (std::ranges::any_of(found->get_ref<const std::string&>(), is_control_character))
            wrong(field, "it has characters that cannot be shown");
        return found->get<std::string>();
    }

    std::uint64_t number(const char* field, std::uint64_t least, std::uint64_t most) {
        const auto found = object_.find(field);
        if (found != object_.end() && found->is_number_unsigned()) {
            const auto value = found->get<std::uint64_t>();
            if (value >= least && value <= most)
                return value;
        }
        wrong(field, "a number from " + std::to_string(least) + " to " + std::to_string(most) + " is needed");
        return least;
    }

    std::uint64_t optional_number(const char* field, std::uint64_t most) {
        return object_.contains(field) ? number(field, 0, most) : 0;
    }

    void read_modes(crypto_capabilities& can) {
        const auto modes = object_.find("modes");
        if (modes == object_.end() || !modes->is_object() || modes->empty())
            return wrong("modes", "an object of mode names, each with a list of data unit sizes, is needed");
        for (const auto& [name, sizes] : modes->items()) {
            const crypto_mode_info* mode = find_mode(name);
            if (mode == nullptr)
                return wrong("modes", "no mode is called \"" + name + "\"");
            can.unit_sizes[mode_index(mode->mode)] = unit_sizes(name, sizes);
        }
    }

    std::uint32_t unit_sizes(const std::string& mode, const nlohmann::json& sizes) {
        std::uint32_t mask = 0;
        for (const auto& size : sizes.is_array() ? sizes : nlohmann::json::array()) {
            const auto unit = data_unit_size::make(size.is_number_unsigned() ? size.get<std::uint64_t>() : 0);
            mask |= unit.has_value() ? unit->bytes() : 0;
            if (unit.has_error())
                wrong("modes." + mode, "a data unit size is a power of two from 512 to 65536");
        }
        if (mask == 0)
            wrong("modes." + mode, "a list of data unit sizes is needed");
        return mask;
    }

    const nlohmann::json& object_;
    std::string& why_;
};

} // namespace

// Sources, all in the kernel's tree: ufs-std drivers/ufs/core/ufshcd-crypto.c; emmc-cqhci
// drivers/mmc/host/cqhci-crypto.c, whose task descriptors have 4 bytes for the DUN; qcom-ice
// drivers/soc/qcom/ice.c, which keys slots by a secure monitor call, and its hardware key manager, for which
// each key takes two slots; samsung-fmp drivers/ufs/host/ufs-exynos.c, where the key is in the descriptor of
// each data unit of 4096 bytes; mtk-ufs drivers/ufs/host/ufs-mediatek.c, standard but for the call that
// enables it. The number of slots is the controller's to say: 32 is common. generic is no real engine: it can
// do what blk-crypto has a name for.
std::span<const engine_profile> builtin_engine_profiles() {
    static const std::array<engine_profile, 7> profiles{{
        {"ufs-std", 32, xts(all_unit_sizes, 8), assumed},
        {"emmc-cqhci", 32, xts(all_unit_sizes, 4), assumed},
        {"qcom-ice", 32, xts(all_unit_sizes, 8), assumed},
        {"qcom-ice-hwkm", 16, xts(all_unit_sizes, 8), assumed},
        {"samsung-fmp", 0, xts(4096, 16), assumed},
        {"mtk-ufs", 32, xts(all_unit_sizes, 8), assumed},
        {"generic", 100, every_mode(), assumed},
    }};
    return profiles;
}

const engine_profile* find_engine_profile(std::string_view name) {
    const auto profiles = builtin_engine_profiles();
    const auto found = std::ranges::find(profiles, name, &engine_profile::name);
    return found == profiles.end() ? nullptr : &*found;
}

result<engine_profile> parse_engine_profile(std::string_view json, std::string& why) {
    why.clear();
    engine_profile profile;
    try {
        std::set<std::string> fields;
        std::string twice;
        const auto note_fields = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
            if (depth == 1 && event == nlohmann::json::parse_event_t::key &&
                !fields.insert(parsed.get<std::string>()).second)
                twice = parsed.get<std::string>();
            return true;
        };
        const auto object = nlohmann::json::parse(json, note_fields);
        if (!object.is_object())
            why = "a JSON object is needed";
        else if (!twice.empty())
            why = "field \"" + twice + "\": it is there twice";
        else if (profile_reader(object, why).read(profile))
            return profile;
    } catch (const nlohmann::json::parse_error& malformed) {
        why = "not JSON at " + place_of(json, malformed.byte);
    }
    return make_error(EINVAL);
}

} // namespace blkcrypto
