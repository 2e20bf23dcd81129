// SPDX-License-Identifier: Apache-2.0
#include "bench/compare_options.hpp"

#include "blkcrypto/tools/cli/choice.hpp"
#include "blkcrypto/tools/cli/file.hpp"
#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits>
#include <thread>

namespace blkcrypto::bench {
namespace {

using cli::unusable;

constexpr std::uint64_t keys_max = 1'000'000;
constexpr std::uint64_t decrypt_workers_max = 256;
constexpr std::uint64_t block_bytes_max = 1 << 30; // no device takes larger bios
constexpr std::size_t engine_file_bytes_max = 1 << 20;
constexpr unsigned usual_rounds_min = 5;
constexpr std::chrono::seconds usual_slice{2};

std::vector<path_kind> parse_paths(std::string_view text) {
    return parse_list("--paths", text, [](std::string_view word) {
        return static_cast<path_kind>(cli::parse_choice("--paths", word, path_names));
    });
}

engine_profile read_engine_file(const std::string& path) {
    auto file = cli::file::open_input(path);
    std::vector<std::byte> content(engine_file_bytes_max + 1);
    const std::size_t length = file.read(content);
    if (length > engine_file_bytes_max)
        throw unusable(file.name(), fmt::format("larger than {}", cli::size_text(engine_file_bytes_max)));
    std::string why;
    auto profile = parse_engine_profile({reinterpret_cast<const char*>(content.data()), length}, why);
    if (profile.has_error())
        throw unusable(file.name(), why, profile.error().value());
    return std::move(*profile);
}

engine_profile parse_engine(const compare_arguments& typed, std::span<const crypto_mode_info* const> modes) {
    if (!typed.engine_file.empty())
        return read_engine_file(typed.engine_file);
    if (!typed.engine)
        return default_engine(modes);
    return builtin_engine_profiles()[cli::parse_choice("--engine", *typed.engine, engine_names())];
}

std::uint64_t parse_whole_units(std::string_view option, std::string_view text, data_unit_size unit_size) {
    const std::uint64_t bytes = cli::parse_size(option, text);
    if (bytes == 0 || !unit_size.divides(bytes))
        throw unusable(option, fmt::format("'{}' is not whole data units of {}", text,
                                           cli::size_text(unit_size.bytes())));
    return bytes;
}

key_stripes parse_stripes(const compare_arguments& typed, data_unit_size unit_size) {
    const std::uint64_t size_bytes = parse_whole_units("--size", typed.size, unit_size);
    if (size_bytes > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max()))
        throw unusable("--size", "no file can be that large", EFBIG);
    const std::uint64_t keys = cli::parse_count("--keys", typed.keys, 1, keys_max);
    if (keys > unit_size.units_in(size_bytes))
        throw unusable("--keys",
                       fmt::format("{} keys, but only {} data units", keys, unit_size.units_in(size_bytes)));
    return {size_bytes, unit_size, keys};
}

workload_options parse_workload(const compare_arguments& typed, const key_stripes& stripes) {
    workload_options workload;
    workload.pattern = static_cast<access_pattern>(cli::parse_choice("--rw", typed.rw, access_pattern_names));
    workload.read_percent = static_cast<unsigned>(cli::parse_count("--rwmixread", typed.rwmixread, 0, 100));
    const std::uint64_t block_bytes = parse_whole_units("--bs", typed.bs, stripes.unit_size());
    if (block_bytes > block_bytes_max)
        throw unusable("--bs",
                       fmt::format("'{}' is more than {}", typed.bs, cli::size_text(block_bytes_max)));
    if (block_bytes > stripes.size_bytes())
        throw unusable("--size", fmt::format("'{}' is smaller than a block of {} (--bs)", typed.size,
                                             cli::size_text(block_bytes)));
    workload.block_bytes = static_cast<std::uint32_t>(block_bytes);
    workload.depth = static_cast<unsigned>(cli::parse_count("--iodepth", typed.iodepth, 1, depth_max));
    workload.jobs = static_cast<unsigned>(cli::parse_count("--numjobs", typed.numjobs, 1, jobs_max));
    const std::uint64_t blocks = count_blocks(stripes.size_bytes(), workload.block_bytes);
    if (is_sequential(workload.pattern) && workload.jobs > blocks)
        throw unusable("--numjobs",
                       fmt::format("{} sequential jobs, but only {} blocks", workload.jobs, blocks));
    check_buffers("--numjobs x --iodepth x --bs", std::uint64_t{workload.jobs} * workload.depth,
                  workload.block_bytes);
    return workload;
}

unsigned parse_rounds(const compare_arguments& typed, std::chrono::milliseconds runtime) {
    const auto rounds =
        typed.rounds.empty()
            ? usual_rounds(runtime)
            : static_cast<unsigned>(cli::parse_count("--rounds", typed.rounds, 1, rounds_max));
    check_slice(typed.runtime, runtime, rounds);
    return rounds;
}

} // namespace

bool compare_options::has_path(path_kind kind) const {
    return std::ranges::count(paths, kind) != 0;
}

unsigned usual_rounds(std::chrono::milliseconds runtime) {
    return std::max(usual_rounds_min, static_cast<unsigned>(runtime / usual_slice));
}

bool compare_options::has_encrypted_path() const {
    return has_path(path_kind::inline_engine) || has_path(path_kind::fallback);
}

std::vector<std::string> compare_options::images() const {
    std::vector<std::string> images;
    for (const auto& subject : subjects)
        images.push_back(subject.image);
    return images;
}

std::uint64_t compare_options::slice_ns() const {
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(runtime).count()) / rounds;
}

void compare_arguments::add_to(CLI::App& verb) {
    verb.add_option("--filename", filename,
                    "makes IMAGE.plain, IMAGE.inline and IMAGE.fallback; of several modes\n"
                    "IMAGE.plain, IMAGE.MODE.inline and IMAGE.MODE.fallback; they stay, also\n"
                    "when it is interrupted")
        ->required()
        ->type_name("IMAGE");
    verb.add_option("--size", size, "of each image (default 256m)")->type_name("SIZE");
    verb.add_option("--rw", rw, "read, write, randread, randwrite or randrw (default randrw)")
        ->type_name("PATTERN");
    verb.add_option("--rwmixread", rwmixread, "percentage of reads in randrw (default 50)")->type_name("N");
    verb.add_option("--bs", bs, "block size (default 4k)")->type_name("SIZE");
    verb.add_option("--iodepth", iodepth,
                    "blocks in flight per job (default 32); all jobs' take numjobs x iodepth\nx bs of memory")
        ->type_name("N");
    verb.add_flag("--nomerges", nomerges, "adjacent blocks in flight do not become one request");
    verb.add_option("--numjobs", numjobs, "threads (default 1)")->type_name("N");
    verb.add_option(
            "--runtime", runtime,
            "per path and mode, all rounds together: seconds, or milliseconds as in\n500ms (default 5)")
        ->type_name("TIME");
    verb.add_option("--rounds", rounds, "slices of the runtime (default 5 or more, of 2 s or less each)")
        ->type_name("N");
    verb.add_option("--paths", paths, "some of plain,inline,fallback (default all)")->type_name("LIST");
    verb.add_option("--mode", mode, "some of those blkcrypto modes lists (default aes-256-xts)")
        ->type_name("LIST");
    verb.add_option("--data-unit-size", unit_size, "512 to 64k (default 4k)")->type_name("SIZE");
    verb.add_option("--keys", keys, "each covers an equal stripe of the image (default 1)")->type_name("N");
    auto* builtin = verb.add_option(
        "--engine", engine,
        fmt::format("{} (default ufs-std, generic for modes it lacks)", fmt::join(engine_names(), ", ")));
    builtin->type_name("NAME");
    verb.add_option("--engine-file", engine_file, "a JSON file that describes the engine")
        ->type_name("FILE")
        ->excludes(builtin);
    verb.add_option("--decrypt-workers", decrypt_workers,
                    "threads on which the fallback decrypts (default 0: the jobs')")
        ->type_name("N");
    verb.add_option("--image-io", image_io,
                    "auto, io_uring, preadv2 or by_size (default auto: by filesystem)")
        ->type_name("WAY");
    verb.add_option("--seed", seed, "of keys, offsets and contents (default random)")->type_name("N");
    verb.add_flag("--no-verify", no_verify, "measure only: prove nothing about what was written");
    auto* replace = verb.add_flag("--overwrite", overwrite,
                                  "replace existing images, which are else left (exit status 1)");
    verb.add_flag("--reuse", reuse, "measure on images of an earlier run, which are not filled anew")
        ->excludes(replace);
}

compare_options compare_arguments::check(std::uint64_t random_seed) const {
    const auto modes = parse_modes("--mode", mode);
    const data_unit_size unit = cli::parse_data_unit_size("--data-unit-size", unit_size);
    compare_options checked{.image = filename,
                            .stripes = parse_stripes(*this, unit),
                            .paths = parse_paths(paths),
                            .modes = modes,
                            .subjects = {},
                            .stack = {},
                            .engine_is_usual = engine_file.empty() && !engine,
                            .workload = {},
                            .runtime = parse_runtime(runtime),
                            .rounds = 0,
                            .verify = !no_verify,
                            .overwrite = overwrite,
                            .reuse = reuse};
    checked.subjects = subjects_of(filename, checked.paths, modes);
    checked.rounds = parse_rounds(*this, checked.runtime);
    checked.workload = parse_workload(*this, checked.stripes);
    checked.workload.nomerges = nomerges;
    constexpr std::uint64_t any = std::numeric_limits<std::uint64_t>::max();
    checked.workload.seed = seed.empty() ? random_seed : cli::parse_count("--seed", seed, 0, any);
    checked.stack.engine = parse_engine(*this, modes);
    // A queue has one batch in the engine at a time: more threads than jobs would have nothing to do.
    checked.stack.engine_threads = std::clamp(std::thread::hardware_concurrency(), 1U, checked.workload.jobs);
    checked.stack.decrypt_workers =
        static_cast<unsigned>(cli::parse_count("--decrypt-workers", decrypt_workers, 0, decrypt_workers_max));
    checked.stack.image_io =
        static_cast<blkcrypto::image_io>(cli::parse_choice("--image-io", image_io, image_io_names));
    checked.stack.lanes = checked.workload.jobs;
    if (checked.has_encrypted_path())
        check_implementations("--mode", modes);
    if (checked.has_path(path_kind::inline_engine))
        for (const auto* of : modes)
            check_engine(checked.stack.engine, {of->mode, unit, checked.stripes.dun_bytes()});
    return checked;
}

} // namespace blkcrypto::bench
