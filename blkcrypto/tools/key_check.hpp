// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tells whether a key is the one that an image was made with: beside the image lies a salted digest of the
// key, and of how it is used, as a wrong one makes garbage of the data without anybody noticing. Who has the
// file and not the key learns nothing but which guesses are wrong, and keys are too long to be guessed.
//
//   {"schema": "blkcrypto-keycheck", "version": 1, "mode": "aes-256-xts", "data_unit_size": 4096,
//    "dun_offset": 0, "salt": "32 or more hexadecimal digits", "digest": "64 hexadecimal digits"}
//
// The digest is the first half of HMAC-SHA-512 with the key, of: "blkcrypto key check v1" and a zero byte,
// then little-endian the number of the salt's bytes (4 bytes), the salt, the number of the mode's bytes (4),
// the mode's name, the data unit size (4), the offset (32).

#include "blkcrypto/base/bytes.hpp"
#include "blkcrypto/tools/attached_disk.hpp"

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace blkcrypto::tools {

inline constexpr std::size_t key_check_bytes_max = 64 << 10; // of a file

struct key_check {
    std::string mode;
    std::uint64_t unit_bytes = 0;
    uint256 dun_offset;
    std::vector<std::byte> salt;
    std::array<std::byte, 32> digest{};
};

/// With a salt of its own. program_error, exit code 1: no random bytes, no memory.
key_check make_key_check(const disk_crypto& crypto, bytes_view key);

/// The text of a file; `name` is for messages. program_error, exit code 2, naming the field that is not as it
/// should be. Any text.
key_check parse_key_check(const std::string& name, std::string_view text);
std::string to_text(const key_check& check);

/// program_error: exit code 2 if the image is used otherwise than `check` says, naming the field; exit code 1
/// if the key does not fit.
void verify_key_check(const std::string& name, const key_check& check, const disk_crypto& crypto,
                      bytes_view key);

/// The text of the file; nothing if there is none. program_error, exit code 2.
std::optional<std::string> read_key_check_file(const std::string& path);
/// A file that is not there yet, for its owner only, on the medium when this returns. An errno.
std::error_code write_key_check_file(const std::string& path, std::string_view text);

} // namespace blkcrypto::tools
