// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `attach` is asked for: its command line, checked as far as that takes nothing but the words on it.

#include "blkcrypto/tools/attached_disk.hpp"
#include "blkcrypto/tools/cli/json_output.hpp"
#include "blkcrypto/tools/cli/key_file.hpp"

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace blkcrypto::tools {

struct tcp_address {
    std::string host;
    std::uint16_t port = 0;
};

/// HOST:PORT, an IPv6 address in brackets. program_error, exit code 2: that is none, or none of the loopback
/// interface.
tcp_address parse_loopback_address(std::string_view option, std::string_view text);

struct attach_options {
    disk_options disk;
    std::string socket; // empty: listens on the address
    tcp_address address;
    std::optional<byte_count> new_size; // --create
    bool overwrite = false;
    cli::key_file_options key_file; // of an encrypted disk
    std::string key_check;          // its file; empty: beside the image
    bool no_key_check = false;
    std::string pid_file; // empty: none
};

/// The words on the command line.
class attach_arguments {
  public:
    void add_to(CLI::App& verb);

    /// program_error, exit code 2.
    attach_options parse() const;
    bool is_foreground() const noexcept { return foreground_; }
    cli::json_output& json() noexcept { return json_; }

  private:
    std::optional<disk_crypto> parse_crypto() const;
    void refuse_crypto_options() const;
    void parse_place(attach_options& into) const;
    std::optional<byte_count> parse_new_size(const disk_options& disk) const;
    void check_distinct_files() const;
    bool has(const char* option) const { return verb_->get_option(option)->count() != 0; }

    CLI::App* verb_ = nullptr;
    std::string image_;
    std::string socket_;
    std::string listen_;
    bool insecure_ = false;
    bool create_ = false;
    std::string size_;
    bool overwrite_ = false;
    cli::key_file_options key_file_;
    std::string key_check_;
    bool no_key_check_ = false;
    std::string mode_;
    std::string unit_size_;
    std::string dun_offset_ = "0";
    std::string path_ = "fallback";
    std::string engine_ = "generic";
    bool read_only_ = false;
    std::string decrypt_workers_ = "0";
    std::string threads_;
    bool foreground_ = false;
    std::string pid_file_;
    cli::json_output json_;
};

} // namespace blkcrypto::tools
