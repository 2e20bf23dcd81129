// SPDX-License-Identifier: Apache-2.0
// blkbench strategies: when does an extent get its key, and what does it cost? Lays an image out, lets every
// strategy do the same I/O on it, proves that they all wrote the same, and says what the numbers say about
// the claims of the discussion. The steps are in run(), in this order; each has a file of its own.
#include "bench/lab/strategies.hpp"

#include "bench/image_files.hpp"
#include "bench/lab/lab_report.hpp"
#include "bench/lab/lab_run.hpp"
#include "bench/lab/text_layout.hpp"
#include "bench/option_values.hpp"
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/tools/cli/json_output.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

std::uint64_t seed_of_this_run() {
    auto made = thread_env::make();
    if (made.has_error())
        throw cli::file_error(cli::exit_failed, "eventfd", made.error().value());
    return random_seed(**made);
}

std::string help_of(const strategy_list& known) {
    std::string text = "\n\nStrategies, what each does at open, and in the I/O path:\n";
    for (const auto* strategy : known)
        text += wrapped(fmt::format("  {:<20} ", strategy->name), strategy->at_open) +
                wrapped(std::string(23, ' '), strategy->in_io);
    return text +
           "\nExit status: 0 measured, also if a strategy stopped at the memory limit; 1 an I/O failed,\n"
           "the strategies did not all write the same, or the image is there already or finds no\n"
           "room; 2 bad usage, or something that cannot be used.";
}

class strategies_verb final : public cli::verb {
  public:
    explicit strategies_verb(strategy_list&& known) : known_(std::move(known)) {}

    CLI::App* add_to(CLI::App& program) override {
        CLI::App* app = cli::add_verb(
            program, "strategies", "Compare when an extent gets its key, and what that costs",
            program.get_name() +
                " strategies --strategies full-in-io,prepared-map --access zipf:1.2 --json=run.json");
        app->footer(app->get_footer() + help_of(known_));
        typed_.add_to(*app);
        json_.add_to(*app);
        return app;
    }

    int run() override {
        const lab_options options = typed_.check(known_, seed_of_this_run());
        check_outputs(options);
        check_image(options.image);
        json_.open();
        const lab_result result = run_lab(options);
        const auto claims = judge_claims(options, result);
        if (json_.wants_text())
            cli::file::open_output(cli::standard_stream).write(lab_text(options, result, claims));
        json_.write(lab_json(options, result, claims));
        throw_if_images_differ(result);
        return cli::exit_success;
    }

  private:
    // Nothing is written over what is read, or over something else that is written.
    void check_outputs(const lab_options& options) const {
        const std::string& image = options.image.path;
        const std::span<const std::string> images(&image, image.empty() ? 0 : 1);
        check_not_an_image("stdout", cli::standard_stream, images);
        if (!typed_.trace_file().empty())
            check_not_an_image("--access", typed_.trace_place(), images);
        if (!json_.is_requested())
            return;
        check_not_an_image("--json", json_.target(), images);
        refuse_json_onto(typed_.trace_place(), "trace");
        refuse_json_onto(options.record, "record");
    }

    void refuse_json_onto(const std::string& file, std::string_view what) const {
        if (!file.empty() && leads_to(json_.target(), file))
            throw cli::unusable("--json", fmt::format("{} is the {} {}", json_.target(), what, file));
    }

    static void check_image(const lab_image_options& image) {
        if (!image.path.empty())
            check_image_files(image.path, std::span(&image.path, 1), image.overwrite);
    }

    static void throw_if_images_differ(const lab_result& result) {
        if (!result.images_agree)
            throw cli::program_error(cli::exit_failed, "the images of the strategies differ",
                                     result.first_difference);
    }

    const strategy_list known_;
    lab_arguments typed_;
    cli::json_output json_;
};

} // namespace

std::unique_ptr<cli::verb> make_strategies_verb(strategy_list known) {
    return std::make_unique<strategies_verb>(std::move(known));
}

} // namespace blkcrypto::bench
