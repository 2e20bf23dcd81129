// SPDX-License-Identifier: Apache-2.0
#pragma once
// The command line of `blkbench compare`: as typed, and as checked. Whatever can be known to be wrong before
// anything is created is found here.

#include "bench/block_stream.hpp"
#include "bench/compare_path.hpp"
#include "bench/option_values.hpp"

#include <CLI/CLI.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace blkcrypto::bench {

struct compare_options {
    std::string image; // what the names of all images begin with
    key_stripes stripes;
    std::vector<path_kind> paths;               // as asked for, none twice
    std::vector<const crypto_mode_info*> modes; // likewise
    std::vector<compare_subject> subjects;      // of these
    stack_options stack;
    bool engine_is_usual; // what is taken where nobody says which: it depends on the modes
    workload_options workload;
    std::chrono::milliseconds runtime; // of each subject, all rounds together
    unsigned rounds;
    bool verify;
    bool overwrite;
    bool reuse; // images as they are, not made or filled anew

    bool has_path(path_kind kind) const;
    bool has_encrypted_path() const;
    bool has_several_modes() const { return modes.size() > 1; }
    std::vector<std::string> images() const;

    std::uint64_t slice_ns() const;
};

/// At least five; more, of two seconds each, in a long run.
unsigned usual_rounds(std::chrono::milliseconds runtime);

/// What was typed, by option.
struct compare_arguments {
    std::string filename;
    std::string size = "256m";
    std::string rw = "randrw";
    std::string rwmixread = "50";
    std::string bs = "4k";
    std::string iodepth = "32";
    std::string numjobs = "1";
    std::string runtime = "5";
    std::string rounds; // empty: usual_rounds()
    std::string paths = "plain,inline,fallback";
    std::string mode = "aes-256-xts";
    std::string unit_size = "4096";
    std::string keys = "1";
    std::optional<std::string> engine; // nothing: ufs-std, or generic if that lacks a mode
    std::string engine_file;
    std::string decrypt_workers = "0";
    std::string image_io = "auto";
    std::string seed; // empty: `random_seed` of check()
    bool nomerges = false;
    bool no_verify = false;
    bool overwrite = false;
    bool reuse = false;

    void add_to(CLI::App& verb);

    /// program_error, exit code 2. Changes nothing anywhere.
    compare_options check(std::uint64_t random_seed) const;
};

} // namespace blkcrypto::bench
