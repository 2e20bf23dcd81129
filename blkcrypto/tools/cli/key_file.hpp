// SPDX-License-Identifier: Apache-2.0
#pragma once
// Key files. A raw one is the key's bytes and nothing else: a newline at its end counts. A hexadecimal one
// may end in one newline. "-" is stdin. However large the file is (a device, a pipe that never ends), no more
// is read than a key can have, and its bytes are kept nowhere but in a secret. Messages name files, lengths
// and offsets, no content.

#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/crypto_mode.hpp"
#include "blkcrypto/tools/cli/file.hpp"

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

namespace blkcrypto::cli {

enum class key_format { raw, hex };

/// "raw" or "hex".
key_format parse_key_format(std::string_view option, std::string_view text);

/// A key of `min_bytes` to `max_bytes`, at most secret::capacity. program_error, exit code 2: the file cannot
/// be read, is not of such a length, or is not hexadecimal.
secret read_key_file(const std::string& path, key_format format, std::size_t min_bytes,
                     std::size_t max_bytes);

/// A key of the mode's length. Also refused with exit code 2: an XTS key whose halves are equal.
secret read_mode_key(const std::string& path, key_format format, const crypto_mode_info& mode);

/// --key-file (required) and --key-format, for verbs that take one key.
struct key_file_options {
    std::string path;
    std::string format = "raw";

    void add_to(CLI::App& verb);
    secret read(const crypto_mode_info& mode) const;
    bool is_stdin() const { return path == standard_stream; }
};

} // namespace blkcrypto::cli
