// SPDX-License-Identifier: Apache-2.0
#include "tests/vectors/golden/golden_set.hpp"

#include "tests/support/fscrypt_hkdf.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/vectors/golden/golden_files.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace blkcrypto::vectors {
namespace {

using nlohmann::json;
using test::fscrypt_context;
using test::fscrypt_derive;

constexpr unsigned flag_iv_ino_lblk_64 = 0x08;

// Modes have numbers of their own in fscrypt.
struct fscrypt_mode {
    unsigned number;
    const char* name;
    std::size_t key_bytes;
};

constexpr std::array fscrypt_modes{fscrypt_mode{1, "aes-256-xts", 64},
                                   fscrypt_mode{5, "aes-128-cbc-essiv", 16}, fscrypt_mode{9, "adiantum", 32}};

const fscrypt_mode& contents_mode(const json& set) {
    const unsigned number = set.at("policy").at("contents_encryption_mode");
    return *std::ranges::find(fscrypt_modes, number, &fscrypt_mode::number);
}

bool has_iv_ino_lblk_64(const json& set) {
    return (set.at("policy").at("flags").get<unsigned>() & flag_iv_ino_lblk_64) != 0;
}

std::vector<std::byte> bytes_at(const json& object, const char* member) {
    std::string digits = object.at(member);
    std::erase(digits, '-'); // of a UUID
    return test::from_hex(digits.c_str());
}

std::vector<std::byte> key_of(const json& set, const json& file) {
    const auto master_key = bytes_at(set, "master_key");
    const auto& mode = contents_mode(set);
    if (!has_iv_ino_lblk_64(set))
        return fscrypt_derive(master_key, fscrypt_context::per_file_key, bytes_at(file, "nonce"),
                              mode.key_bytes);
    auto info = bytes_at(set, "fs_uuid");
    info.insert(info.begin(), static_cast<std::byte>(mode.number));
    return fscrypt_derive(master_key, fscrypt_context::iv_ino_lblk_64, info, mode.key_bytes);
}

std::byte plain_byte(std::uint64_t offset, std::uint64_t seed) {
    std::uint64_t x = (offset + seed * 0x100000001b3) * 0x9e3779b97f4a7c15;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9;
    return static_cast<std::byte>(x >> 56);
}

// Of a file, from `offset` on.
std::vector<std::byte> plaintext_at(const json& plaintext, std::uint64_t offset, std::size_t size) {
    std::vector<std::byte> bytes(size);
    for (const auto& segment : plaintext.at("segments")) {
        const std::uint64_t begin = segment.at(0), end = begin + segment.at(1).get<std::uint64_t>();
        for (std::uint64_t i = std::max(begin, offset); i < std::min(end, offset + size); ++i)
            bytes[i - offset] = plain_byte(i, plaintext.at("seed"));
    }
    return bytes;
}

golden_extent make_extent(const json& set, const json& file, const json& extent, bytes_view bin) {
    const std::size_t block_size = set.at("block_size");
    const std::uint64_t lblk = extent.at("lblk"), ino = file.at("ino");
    const std::size_t size = extent.at("count").get<std::size_t>() * block_size;
    return {lblk, has_iv_ino_lblk_64(set) ? lblk | ino << 32 : lblk,
            plaintext_at(file.at("plaintext"), lblk * block_size, size),
            bin.subspan(extent.at("bin_offset"), size)};
}

golden_file make_file(const json& set, const json& file, bytes_view bin) {
    golden_file made{file.at("name"), key_of(set, file), {}};
    for (const auto& extent : file.at("extents"))
        if (!extent.at("unwritten").get<bool>())
            made.extents.push_back(make_extent(set, file, extent, bin));
    return made;
}

golden_set make_set(const golden_file_pair& from) {
    const json set = json::parse(from.json);
    golden_set made{
        std::string(from.name),      contents_mode(set).name,         set.at("data_unit_size"),    {},
        bytes_at(set, "master_key"), bytes_at(set, "key_identifier"), bytes_at(set, "bin_sha256"), from.bin};
    for (const auto& file : set.at("files"))
        made.files.push_back(make_file(set, file, from.bin));
    return made;
}

} // namespace

const std::vector<golden_set>& golden_sets() {
    static const auto sets = [] {
        std::vector<golden_set> all;
        for (const auto& pair : golden_files())
            all.push_back(make_set(pair));
        return all;
    }();
    return sets;
}

} // namespace blkcrypto::vectors
