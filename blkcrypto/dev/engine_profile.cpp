// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/engine_profile.hpp"

#include "blkcrypto/inline_crypt/crypto_profile.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <nlohmann/json.hpp>

namespace blkcrypto {
namespace {

constexpr std::uint64_t ns_per_us = 1000;
constexpr std::uint64_t bytes_per_mb = 1'000'000;
constexpr std::uint64_t assumed_program_ns = 10 * ns_per_us;
constexpr std::uint64_t assumed_bandwidth = 2'000 * bytes_per_mb;

crypto_capabilities only(crypto_mode mode, std::uint8_t dun_bytes) {
    crypto_capabilities can;
    can.unit_sizes[mode_index(mode)] = all_unit_sizes;
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

// Reads the fields of one JSON object; remembers the first thing that is wrong with it.
class profile_reader {
  public:
    profile_reader(const nlohmann::json& object, std::string& why) : object_(object), why_(why) {}

    bool read(engine_profile& profile) {
        refuse_unknown_fields();
        profile.name = text("name");
        profile.keyslots = static_cast<unsigned>(number("keyslots", 1, crypto_profile::slots_max));
        profile.capabilities.dun_bytes_max =
            static_cast<std::uint8_t>(number("dun_bytes", 1, iv_size_max_bytes));
        profile.program_ns = optional_number("program_us", 1'000'000) * ns_per_us;
        profile.bandwidth_bytes_per_s = optional_number("bandwidth_mb_per_s", 1'000'000) * bytes_per_mb;
        read_modes(profile.capabilities);
        return why_.empty();
    }

  private:
    void wrong(const std::string& field, const std::string& what) {
        if (why_.empty())
            why_ = "field \"" + field + "\": " + what;
    }

    void refuse_unknown_fields() {
        constexpr std::array<std::string_view, 6> known{"name",  "keyslots",   "dun_bytes",
                                                        "modes", "program_us", "bandwidth_mb_per_s"};
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

// Sources: UFSHCI crypto as Linux drives it (ufshcd-crypto.c: AES-256-XTS, 8 bytes of DUN; the number of
// slots is the controller's, 32 is common); eMMC CQHCI (cqhci-crypto.c: 4 bytes). generic is no real engine:
// it can do what blk-crypto has a name for.
std::span<const engine_profile> builtin_engine_profiles() {
    static const std::array<engine_profile, 3> profiles{{
        {"ufs-std", 32, only(crypto_mode::aes_256_xts, 8), assumed_program_ns, assumed_bandwidth, true},
        {"emmc-cqhci", 32, only(crypto_mode::aes_256_xts, 4), assumed_program_ns, assumed_bandwidth, true},
        {"generic", 100, every_mode(), assumed_program_ns, assumed_bandwidth, true},
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
    profile.costs_are_assumed = false;
    try {
        const auto object = nlohmann::json::parse(json);
        if (!object.is_object())
            why = "a JSON object is needed";
        else if (profile_reader(object, why).read(profile))
            return profile;
    } catch (const nlohmann::json::parse_error& malformed) {
        why = "not JSON at " + place_of(json, malformed.byte);
    }
    return make_error(EINVAL);
}

} // namespace blkcrypto
