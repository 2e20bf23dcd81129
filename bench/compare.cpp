// SPDX-License-Identifier: Apache-2.0
// blkbench compare: which path, with which mode, at what cost? Makes an image for each, fills it through the
// path, times them all in interleaved rounds (A B C, B C A, ...), then proves of each mode that inline and
// fallback write the same bytes. The steps are in run(), in this order; each has a file of its own.

#include "bench/compare_options.hpp"
#include "bench/image_files.hpp"
#include "bench/image_writer.hpp"
#include "bench/report.hpp"
#include "bench/round_progress.hpp"
#include "bench/verbs.hpp"
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/cipher/skcipher.hpp"
#include "blkcrypto/dev/uring_loop.hpp"
#include "blkcrypto/tools/cli/json_output.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <fmt/format.h>
#include <map>

namespace blkcrypto::bench {
namespace {

// Parts of the seed.
constexpr std::uint64_t key_part = 5;
constexpr std::uint64_t prefill_part = 6;

std::unique_ptr<thread_env> make_env() {
    auto made = thread_env::make();
    if (made.has_error())
        throw cli::file_error(cli::exit_failed, "eventfd", made.error().value());
    return std::move(*made);
}

void check_image_io(image_io wanted) {
    if (wanted != image_io::io_uring && wanted != image_io::by_size)
        return;
    const std::error_code error = uring_loop::availability();
    if (error)
        throw cli::unusable("--image-io", "this system does not let the program use it", error.value());
}

benchmark_keys make_keys(const compare_options& options, crypto_mode mode) {
    auto keys = benchmark_keys::make(options.stripes, mode, sub_seed(options.workload.seed, key_part));
    if (keys.has_error())
        throw cli::file_error(cli::exit_failed, "keys", keys.error().value());
    return std::move(*keys);
}

std::string_view name_of_implementation(crypto_mode mode) {
    const auto* implementation = selected_implementation(mode);
    return implementation != nullptr ? implementation->name : "none";
}

// A comparison under way: what the paths of all modes share, and the paths.
class comparison {
  public:
    comparison(const compare_options& options, env& e) : options_(options), env_(e) {
        for (const auto* mode : options.modes)
            keys_.emplace(mode, make_keys(options, mode->mode));
    }

    void open_paths();
    void prefill();
    std::vector<path_measurement> measure();
    std::optional<verify_result> verify(const crypto_mode_info& mode);

  private:
    const compare_options& options_;
    env& env_;
    std::map<const crypto_mode_info*, benchmark_keys> keys_;
    std::vector<std::unique_ptr<compare_path>> paths_;
};

void comparison::open_paths() {
    for (const auto& subject : options_.subjects) {
        const benchmark_keys* keys = subject.mode == nullptr ? nullptr : &keys_.at(subject.mode);
        paths_.push_back(compare_path::open(subject, options_.stack, {&options_.stripes, keys}, env_));
    }
}

void comparison::prefill() {
    for (const auto& path : paths_) {
        sequential_plan plan(options_.stripes.size_bytes());
        write_image(*path, env_, plan, sub_seed(options_.workload.seed, prefill_part),
                    fmt::format("prefill {}", path->subject().name));
    }
}

std::vector<path_measurement> comparison::measure() {
    std::vector<path_measurement> measured;
    for (const auto& path : paths_)
        measured.push_back({.subject = path->subject(),
                            .io = path->io().io,
                            .rounds = {},
                            .keyslots = {},
                            .first_failure = {}});
    round_progress progress(options_.rounds * static_cast<unsigned>(paths_.size()),
                            std::chrono::nanoseconds(options_.slice_ns()));
    for (unsigned round = 0; round < options_.rounds; ++round) {
        for (const auto turn : order_of_round(round, options_.rounds, paths_.size())) {
            progress.begin_slice(round, paths_[turn]->subject().name);
            measured[turn].add(run_slice(*paths_[turn], options_.workload, round, options_.slice_ns(),
                                         [&](std::uint64_t bytes) { progress.update(bytes); }));
        }
    }
    return measured;
}

std::optional<verify_result> comparison::verify(const crypto_mode_info& mode) {
    std::vector<compare_path*> encrypted;
    for (const auto& path : paths_)
        if (path->subject().mode == &mode)
            encrypted.push_back(path.get());
    if (encrypted.empty() || !options_.verify)
        return std::nullopt;
    return verify_paths(encrypted, env_, options_.workload.seed);
}

void throw_if_failed(const verify_result& verify, std::string_view what) {
    if (!verify.error.empty())
        throw cli::program_error(cli::exit_failed, fmt::format("{} failed", what), verify.error);
    if (!verify.passed())
        throw cli::program_error(cli::exit_failed, what,
                                 fmt::format("{} mismatches, the first at offset {}", verify.mismatches,
                                             verify.first_mismatch.value_or(0)));
}

// The report is out; now the one line and the exit code for what went wrong.
void throw_if_failed(const compare_result& result) {
    for (const auto& path : result.paths)
        if (path.first_failure)
            throw cli::file_error(cli::exit_failed,
                                  fmt::format("{}, the first of {} errors",
                                              describe_io(*path.first_failure, path.subject.image),
                                              path.errors),
                                  to_errno(path.first_failure->status));
    for (const auto& mode : result.modes)
        if (mode.verify)
            throw_if_failed(*mode.verify, result.modes.size() == 1
                                              ? std::string("verify")
                                              : fmt::format("verify {}", mode.info->name));
}

class compare_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override {
        CLI::App* app = cli::add_verb(
            program, "compare",
            "Compare plain, inline and fallback on image files, and verify what they wrote",
            program.get_name() +
                " compare --filename /var/tmp/image --size 1g --rw randwrite --bs 16k --numjobs 2");
        typed_.add_to(*app);
        json_.add_to(*app);
        return app;
    }

    int run() override {
        const auto e = make_env();
        const compare_options options = typed_.check(random_seed(*e));
        const std::vector<std::string> images = options.images();
        check_not_an_image("stdout", cli::standard_stream, images);
        if (json_.is_requested())
            check_not_an_image("--json", json_.target(), images);
        if (!typed_.engine_file.empty())
            check_not_an_image("--engine-file", typed_.engine_file, images);
        if (options.reuse)
            check_reused_images(options.image, images, options.stripes.size_bytes());
        else
            check_image_files(options.image, images, options.overwrite);
        check_image_io(options.stack.image_io);
        json_.open();

        compare_result result = compare(options, images, *e);
        if (json_.wants_text())
            cli::file::open_output(cli::standard_stream).write(report_text(options, result));
        json_.write(report_json(options, result));
        throw_if_failed(result);
        return cli::exit_success;
    }

  private:
    static compare_result compare(const compare_options& options, std::span<const std::string> images,
                                  env& e) {
        comparison all(options, e);
        if (!options.reuse)
            create_image_files(images, options.stripes.size_bytes(), options.overwrite);
        all.open_paths();
        if (!options.reuse)
            all.prefill();
        const control_options control{.block_bytes = options.workload.block_bytes,
                                      .unit_size = options.stripes.unit_size(),
                                      .depth = options.workload.depth};
        compare_result result{
            .machine = this_machine(), .controls = measure_controls(e, control), .modes = {}, .paths = {}};
        for (const auto* mode : options.modes)
            result.modes.push_back({.info = mode,
                                    .implementation = name_of_implementation(mode->mode),
                                    .cipher_gb_per_s = measure_cipher(e, control, mode->mode),
                                    .verify = {}});
        result.paths = all.measure();
        for (auto& mode : result.modes)
            mode.verify = all.verify(*mode.info);
        return result;
    }

    compare_arguments typed_;
    cli::json_output json_;
};

} // namespace

std::unique_ptr<cli::verb> make_compare_verb() {
    return std::make_unique<compare_verb>();
}

} // namespace blkcrypto::bench
