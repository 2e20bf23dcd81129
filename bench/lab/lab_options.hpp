// SPDX-License-Identifier: Apache-2.0
#pragma once
// The command line of `blkbench strategies`: as typed, and as checked. Whatever can be known to be wrong
// before anything is created is found here.

#include "bench/lab/access_sequence.hpp"
#include "bench/lab/known_strategies.hpp"
#include "blkcrypto/dev/engine_profile.hpp"
#include "fsdemo/strategies/strategy_table.hpp"

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace blkcrypto::bench {

/// What is laid out, and where.
struct lab_image_options {
    std::string path;       // empty: a temporary file, removed at the end
    bool overwrite = false; // an existing file may be replaced
    unsigned files = 256;   // spread over all pairs of master key and mode in turn
    unsigned extents_per_file = 16;
    std::uint32_t extent_bytes = 4096; // the block size of the workload, too
    unsigned master_keys = 1;
    std::vector<const crypto_mode_info*> modes; // none twice

    std::uint64_t extents() const noexcept { return std::uint64_t{files} * extents_per_file; }
};

struct lab_workload_options {
    access_options access;
    unsigned depth = 32;     // file_ios that a job keeps in flight
    unsigned jobs = 1;       // threads, each with its own mount of the image and its own files (file % jobs)
    std::uint64_t ios = 0;   // of each job in each round; 0: as many as take about `runtime_ms`
    unsigned runtime_ms = 0; // of the control in each round; every strategy does as many I/Os
    unsigned rounds = 7;     // less than 6 tell no difference
    std::uint64_t seed = 0;
};

struct lab_options {
    lab_image_options image;
    lab_workload_options workload;
    std::vector<const fsdemo::strategy_info*> strategies; // none twice
    fsdemo::strategy_options strategy;                    // its lanes are the jobs
    unsigned derived_keys = 0;                            // of the cache; 0: there is none
    unsigned extent_infos = 1024; // that each mount keeps, under every strategy; at least the depth
    engine_profile engine;        // of inline-hardware, with the keyslots it is to have
    std::string record;           // where the trace of round 0 goes; empty: nowhere
};

/// What was typed, by option.
struct lab_arguments {
    std::string strategies{all_strategies};
    std::string filename;
    std::string files = "256";
    std::string extents_per_file = "16";
    std::string keys = "1";
    std::string modes = "aes-256-xts";
    std::string access = "zipf:0.99";
    std::string reads = "50";
    std::string bs = "4k";
    std::string iodepth = "32";
    std::string numjobs = "1";
    std::string ios;     // empty: 20000, or the length of the trace; not beside runtime
    std::string runtime; // seconds of the control, all rounds together
    std::string rounds = "7";
    std::string pool_size; // empty: 128
    std::string keyslots;  // empty: 100 of the fallback, the engine's own number of an engine
    std::string derived_key_cache = "0";
    std::string extent_infos; // empty: 1024, or iodepth if that is more
    std::string engine;       // empty: ufs-std, or generic if that lacks a mode
    std::string memory_limit = "512m";
    std::string seed; // empty: `random_seed` of check()
    std::string record;
    bool overwrite = false;

    void add_to(CLI::App& verb);

    /// The file of the trace to take, "-" is stdin; empty: there is none.
    std::string trace_file() const;
    /// The same by a path, of stdin too.
    std::string trace_place() const;

    /// `known`: the strategies there are. program_error, exit code 2. Changes nothing anywhere; reads the
    /// trace, if there is one.
    lab_options check(std::span<const fsdemo::strategy_info* const> known, std::uint64_t random_seed) const;
};

} // namespace blkcrypto::bench
