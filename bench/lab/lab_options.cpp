// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_options.hpp"

#include "bench/image_files.hpp"
#include "bench/io_buffers.hpp"
#include "bench/lab/key_trace.hpp"
#include "bench/option_values.hpp"
#include "blkcrypto/tools/cli/choice.hpp"
#include "blkcrypto/tools/cli/file.hpp"
#include "blkcrypto/tools/cli/number.hpp"
#include "fsdemo/extent_crypt_info.hpp"
#include "fsdemo/format.hpp"

#include <charconv>
#include <fmt/ranges.h>
#include <limits>

namespace blkcrypto::bench {
namespace {

using cli::parse_count;
using cli::unusable;

constexpr std::uint64_t any = std::numeric_limits<std::uint64_t>::max();
constexpr unsigned in_flight_max = 8192; // of all jobs: each takes memory of the queue's
constexpr std::uint64_t unsigned_max = std::numeric_limits<unsigned>::max();
constexpr std::uint64_t extents_max = std::uint64_t{1} << 32;
constexpr std::uint64_t master_keys_max = 1024;
constexpr std::uint64_t ios_max = std::uint64_t{1} << 40;
constexpr std::uint64_t usual_ios = 20'000;
constexpr unsigned usual_extent_infos = 1024;
constexpr std::uint64_t extent_infos_max = std::uint64_t{1} << 17;
constexpr std::string_view accesses = "uniform, sequential, zipf:T, trace:FILE";

// In two lines.
std::string engines_text() {
    const auto names = engine_names();
    const auto half = names.begin() + static_cast<std::ptrdiff_t>((names.size() + 1) / 2);
    return fmt::format("{},\n{}", fmt::join(names.begin(), half, ", "), fmt::join(half, names.end(), ", "));
}

unsigned parse_unsigned(std::string_view option, std::string_view text, std::uint64_t min,
                        std::uint64_t max) {
    return static_cast<unsigned>(parse_count(option, text, min, max));
}

strategy_list parse_strategies(std::string_view text, std::span<const fsdemo::strategy_info* const> known) {
    constexpr std::string_view option = "--strategies";
    if (text == all_strategies)
        return {known.begin(), known.end()};
    std::vector<std::string_view> names;
    for (const auto* strategy : known)
        names.push_back(strategy->name);
    names.push_back(all_strategies);
    return parse_list(option, text, [&](std::string_view word) {
        const std::size_t i = cli::parse_choice(option, word, names);
        if (i == known.size())
            throw unusable(option, fmt::format("{} stands alone: it has the others", all_strategies));
        return known[i];
    });
}

std::uint32_t parse_extent_bytes(std::string_view text) {
    constexpr std::uint64_t extent_bytes_max = std::uint64_t{fsdemo::extent_blocks_max} * fsdemo::block_bytes;
    const std::uint64_t bytes = cli::parse_size("--bs", text);
    if (bytes == 0 || bytes % fsdemo::block_bytes != 0)
        throw unusable("--bs", fmt::format("'{}' is not whole blocks of {}, one at least", text,
                                           cli::size_text(fsdemo::block_bytes)));
    if (bytes > extent_bytes_max)
        throw unusable("--bs", fmt::format("'{}' is more than the longest extent, {}", text,
                                           cli::size_text(extent_bytes_max)));
    return static_cast<std::uint32_t>(bytes);
}

std::uint64_t round_up_to_gib(std::uint64_t bytes) {
    constexpr unsigned bits = 30;
    return (bytes + (std::uint64_t{1} << bits) - 1) >> bits << bits;
}

void check_extents(const lab_image_options& image) {
    if (image.extents() > extents_max)
        throw unusable("--files x --extents-per-file",
                       fmt::format("{} extents are more than {}", image.extents(), extents_max));
    const std::uint64_t blocks = image.extents() * (image.extent_bytes / fsdemo::block_bytes);
    if (blocks > fsdemo::blocks_max)
        throw unusable("--files x --extents-per-file x --bs",
                       fmt::format("{} are more than an image can have, {}",
                                   cli::size_text(round_up_to_gib(blocks * fsdemo::block_bytes)),
                                   cli::size_text(fsdemo::blocks_max * fsdemo::block_bytes)));
    const std::uint64_t pairs = std::uint64_t{image.master_keys} * image.modes.size();
    if (pairs > image.files)
        throw unusable("--keys x --modes",
                       fmt::format("{} pairs of key and mode, but only {} files", pairs, image.files));
}

lab_image_options parse_image(const lab_arguments& typed) {
    lab_image_options image;
    image.path = typed.filename;
    image.overwrite = typed.overwrite;
    image.files = parse_unsigned("--files", typed.files, 1, unsigned_max);
    image.extents_per_file = parse_unsigned("--extents-per-file", typed.extents_per_file, 1, unsigned_max);
    image.extent_bytes = parse_extent_bytes(typed.bs);
    image.master_keys = parse_unsigned("--keys", typed.keys, 1, master_keys_max);
    image.modes = parse_modes("--modes", typed.modes);
    check_extents(image);
    return image;
}

double parse_skew(std::string_view text) {
    double skew = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), skew);
    const bool is_number = error == std::errc{} && end == text.data() + text.size();
    if (!is_number || !(skew > 0 && skew <= zipf_skew_max))
        throw unusable("--access", fmt::format("'{}' is not a skew above 0, up to {}", text, zipf_skew_max));
    return skew;
}

constexpr std::string_view zipf_prefix = "zipf:";
constexpr std::string_view trace_prefix = "trace:";

access_options parse_access(const lab_arguments& typed, std::uint64_t extents) {
    access_options access;
    access.read_percent = parse_unsigned("--reads", typed.reads, 0, 100);
    const std::string_view text = typed.access;
    if (text == "uniform")
        access.kind = access_kind::uniform;
    else if (text == "sequential")
        access.kind = access_kind::sequential;
    else if (text.starts_with(zipf_prefix))
        access.skew = parse_skew(text.substr(zipf_prefix.size()));
    else if (text.starts_with(trace_prefix))
        access.kind = access_kind::trace;
    else
        throw unusable("--access", fmt::format("'{}' is not one of {}", text, accesses));
    if (access.kind != access_kind::trace)
        return access;
    if (typed.trace_file().empty())
        throw unusable("--access", "trace: without the name of a file behind it");
    access.trace = read_key_trace(typed.trace_file(), extents);
    return access;
}

// A job without a key would have nothing to do.
void check_trace(const lab_workload_options& workload, std::uint64_t extents_per_file) {
    if (workload.access.kind != access_kind::trace)
        return;
    std::vector<bool> has_key(workload.jobs);
    for (const std::uint32_t key : workload.access.trace)
        has_key[key / extents_per_file % workload.jobs] = true;
    const auto without = std::ranges::find(has_key, false);
    if (without != has_key.end())
        throw unusable("--access",
                       fmt::format("the trace has no key of job {}'s files, those with number % {} = {}",
                                   without - has_key.begin(), workload.jobs, without - has_key.begin()));
}

// As many as were typed, or as many as make a trace end once.
std::uint64_t parse_ios(const std::string& text, const lab_workload_options& workload) {
    if (!text.empty())
        return parse_count("--ios", text, 1, ios_max);
    if (workload.access.kind == access_kind::trace)
        return (workload.access.trace.size() + workload.jobs - 1) / workload.jobs;
    return usual_ios;
}

void parse_length(const lab_arguments& typed, lab_workload_options& workload) {
    workload.rounds = parse_unsigned("--rounds", typed.rounds, 1, rounds_max);
    if (typed.runtime.empty()) {
        workload.ios = parse_ios(typed.ios, workload);
        return;
    }
    if (!typed.ios.empty())
        throw unusable("--ios", "not beside --runtime");
    const auto runtime = parse_runtime(typed.runtime);
    check_slice(typed.runtime, runtime, workload.rounds);
    workload.runtime_ms = static_cast<unsigned>(runtime.count() / workload.rounds);
}

lab_workload_options parse_workload(const lab_arguments& typed, const lab_image_options& image) {
    lab_workload_options workload;
    workload.depth = parse_unsigned("--iodepth", typed.iodepth, 1, depth_max);
    workload.jobs = parse_unsigned("--numjobs", typed.numjobs, 1, jobs_max);
    if (workload.jobs > image.files)
        throw unusable("--numjobs", fmt::format("{} jobs, but only {} files", workload.jobs, image.files));
    if (workload.jobs * workload.depth > in_flight_max)
        throw unusable("--numjobs x --iodepth", fmt::format("{} I/Os in flight are more than {}",
                                                            workload.jobs * workload.depth, in_flight_max));
    check_buffers("--numjobs x --iodepth x --bs", std::uint64_t{workload.jobs} * workload.depth,
                  image.extent_bytes);
    workload.access = parse_access(typed, image.extents());
    check_trace(workload, image.extents_per_file);
    parse_length(typed, workload);
    return workload;
}

fsdemo::strategy_options parse_strategy(const lab_arguments& typed, unsigned jobs) {
    fsdemo::strategy_options strategy;
    if (!typed.pool_size.empty())
        strategy.pool_size = parse_unsigned("--pool-size", typed.pool_size, 1, fsdemo::pool_size_max);
    if (!typed.keyslots.empty())
        strategy.keyslots = parse_unsigned("--keyslots", typed.keyslots, 1, fsdemo::keyslots_max);
    strategy.memory_limit_bytes = cli::parse_size("--memory-limit", typed.memory_limit);
    strategy.lanes = jobs;
    return strategy;
}

// Each I/O in flight needs one.
unsigned parse_extent_infos(const std::string& text, unsigned depth) {
    if (text.empty())
        return std::max(usual_extent_infos, depth);
    return parse_unsigned("--extent-infos", text, depth, extent_infos_max);
}

// Each job's mount has its infos and derived keys from the start, beside the buffers.
void check_memory_of_jobs(const lab_options& options) {
    const std::uint64_t each_bytes =
        fsdemo::extent_keys::bytes_for(options.extent_infos) +
        fsdemo::derived_keys::bytes_for(options.derived_keys) +
        options.workload.depth * io_buffers::stride_of(options.image.extent_bytes);
    check_memory("--numjobs, --extent-infos, --derived-key-cache", "infos, keys and buffers",
                 options.workload.jobs * each_bytes);
}

// One where the key travels with each command has no number of slots to be replaced.
engine_profile parse_engine(const lab_arguments& typed, const lab_options& options) {
    engine_profile engine = typed.engine.empty() ? default_engine(options.image.modes)
                                                 : cli::parse_engine("--engine", typed.engine);
    if (!typed.keyslots.empty() && engine.keyslots != 0)
        engine.keyslots = options.strategy.keyslots;
    return engine;
}

bool is_device(const fsdemo::strategy_info* strategy) {
    return strategy->make == nullptr;
}

// Files have data units of a block; their numbers count through one extent.
void check_engine_of_files(const lab_options& options) {
    constexpr std::uint8_t dun_bytes = 2;
    static_assert(fsdemo::extent_blocks_max <= 1U << (8 * dun_bytes));
    if (std::ranges::none_of(options.strategies, is_device))
        return;
    const auto unit = data_unit_size::make(fsdemo::block_bytes);
    for (const auto* mode : options.image.modes)
        check_engine(options.engine, {mode->mode, *unit, dun_bytes});
}

// What was typed is somebody's.
void check_uses(const lab_arguments& typed, const lab_options& options) {
    const auto check_one = [&](std::string_view option, const std::string& text, const auto& has_use) {
        if (!text.empty() && std::ranges::none_of(options.strategies, has_use))
            throw unusable(option, "none of the strategies has a use for it");
    };
    check_one("--pool-size", typed.pool_size, [](const auto* strategy) { return strategy->has_pool; });
    check_one("--keyslots", typed.keyslots, [&](const auto* strategy) {
        return strategy->has_keyslots && (!is_device(strategy) || options.engine.keyslots != 0);
    });
    check_one("--engine", typed.engine, is_device);
}

void check_record(const lab_arguments& typed) {
    if (typed.record.empty())
        return;
    const std::string trace = typed.trace_place();
    check_output_file("--record", typed.record);
    if (!trace.empty() && leads_to(typed.record, trace))
        throw unusable("--record", fmt::format("{} is the trace {}", typed.record, trace));
    if (!typed.filename.empty())
        check_not_an_image("--record", typed.record, std::span(&typed.filename, 1));
}

} // namespace

std::string lab_arguments::trace_file() const {
    return access.starts_with(trace_prefix) ? access.substr(trace_prefix.size()) : std::string();
}

std::string lab_arguments::trace_place() const {
    const std::string file = trace_file();
    return file == cli::standard_stream ? "/dev/stdin" : file;
}

void lab_arguments::add_to(CLI::App& verb) {
    verb.add_option("--strategies", strategies, "all (default), or some of those below")->type_name("LIST");
    verb.add_option(
            "--filename", filename,
            "the image, which stays, also when it is interrupted (default a\ntemporary file in $TMPDIR, in memory if it fits twice, or in /tmp; the\ncontrol has a copy of it, likewise beside a named one)")
        ->type_name("IMAGE");
    verb.add_flag("--overwrite", overwrite, "replace an existing image, which is else left (exit status 1)");
    verb.add_option("--files", files, "on the image (default 256)")->type_name("N");
    verb.add_option("--extents-per-file", extents_per_file, "each with a key of its own (default 16)")
        ->type_name("N");
    verb.add_option("--keys", keys, "master keys (default 1)")->type_name("N");
    verb.add_option("--modes", modes, "some of those blkcrypto modes lists (default aes-256-xts)")
        ->type_name("LIST");
    verb.add_option("--access", access,
                    fmt::format("{} (default zipf:0.99)\nT is the skew, FILE (- is stdin) has a key id a "
                                "line:\nfile x extents + extent",
                                accesses))
        ->type_name("KIND");
    verb.add_option("--reads", reads, "percentage of reads (default 50)")->type_name("N");
    verb.add_option("--bs", bs, "of an I/O, and of an extent (default 4k)")->type_name("SIZE");
    verb.add_option("--iodepth", iodepth,
                    "I/Os in flight per job (default 32); the buffers of all jobs take\n"
                    "numjobs x iodepth x bs of memory")
        ->type_name("N");
    verb.add_option("--numjobs", numjobs, "threads, each with files of its own (default 1)")->type_name("N");
    verb.add_option("--ios", ios,
                    "of a job in a round (default 20000, or the length of the trace over\n"
                    "the jobs: a job with a smaller share of it begins its share anew)")
        ->type_name("N");
    verb.add_option("--runtime", runtime,
                    "in place of --ios: as many I/Os as the control does in that time, all\n"
                    "rounds together; every strategy does so many. Seconds, or milliseconds\nas in 500ms")
        ->type_name("TIME");
    verb.add_option("--rounds", rounds, "in each every strategy has its turn (default 7)")->type_name("N");
    verb.add_option("--pool-size", pool_size, "transforms of a pool (default 128)")->type_name("N");
    verb.add_option("--keyslots", keyslots,
                    "of fallback-keyslots (default 100), and of an engine that has any\n"
                    "(default its own number; samsung-fmp has none)")
        ->type_name("N");
    verb.add_option("--derived-key-cache", derived_key_cache, "derived keys that are kept (default 0)")
        ->type_name("N");
    verb.add_option(
            "--extent-infos", extent_infos,
            "that a mount keeps, with what a strategy has by extent\n(default 1024, at least iodepth)")
        ->type_name("N");
    verb.add_option("--engine", engine,
                    fmt::format("of inline-hardware: {}\n(default ufs-std, generic for modes it lacks)",
                                engines_text()))
        ->type_name("NAME");
    verb.add_option("--memory-limit", memory_limit,
                    "of a strategy's transforms (default 512m, 0 is none): who needs more\nstops there")
        ->type_name("SIZE");
    verb.add_option("--seed", seed, "of keys, accesses and contents (default random)")->type_name("N");
    verb.add_option("--record", record, "write the first round's accesses, as a trace")->type_name("FILE");
}

lab_options lab_arguments::check(std::span<const fsdemo::strategy_info* const> known,
                                 std::uint64_t random_seed) const {
    lab_options checked;
    checked.strategies = parse_strategies(strategies, known);
    checked.image = parse_image(*this);
    check_implementations("--modes", checked.image.modes);
    checked.workload = parse_workload(*this, checked.image);
    checked.workload.seed = seed.empty() ? random_seed : parse_count("--seed", seed, 0, any);
    checked.strategy = parse_strategy(*this, checked.workload.jobs);
    checked.derived_keys =
        parse_unsigned("--derived-key-cache", derived_key_cache, 0, fsdemo::derived_keys::capacity_max);
    checked.extent_infos = parse_extent_infos(extent_infos, checked.workload.depth);
    check_memory_of_jobs(checked);
    checked.engine = parse_engine(*this, checked);
    check_engine_of_files(checked);
    check_uses(*this, checked);
    check_record(*this);
    checked.record = record;
    return checked;
}

} // namespace blkcrypto::bench
