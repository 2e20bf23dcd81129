// SPDX-License-Identifier: Apache-2.0
// blkbench diff: what moved between two runs that were stored as JSON, beyond what each of them is spread?

#include "bench/run_diff.hpp"
#include "bench/verbs.hpp"
#include "blkcrypto/tools/cli/file.hpp"
#include "blkcrypto/tools/cli/json_output.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

using cli::unusable;

// Of any file, device or pipe, no more than a run can have.
std::string read_text(cli::file& from) {
    std::string text(stored_run::text_bytes_max + 1, '\0');
    text.resize(from.read(std::as_writable_bytes(std::span(text))));
    return text;
}

stored_run read_run(cli::file& from) {
    std::string why;
    auto run = parse_stored_run(read_text(from), why);
    if (!run)
        throw unusable(from.name(), why);
    return std::move(*run);
}

class diff_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override {
        CLI::App* app = cli::add_verb(
            program, "diff", "What moved between two runs of compare, or of scripts/bench.sh, stored as JSON",
            program.get_name() + " diff before.json after.json");
        app->footer(
            app->get_footer() +
            "\n\nA figure has moved beyond the spread if its medians differ and its ranges from p25 to p75\n"
            "do not overlap. Exit status: 0 no ratio got worse beyond the spread, 1 one did, 2 the runs\n"
            "cannot be used, or not be compared.");
        app->add_option("FIRST", first_, "the earlier run")->required()->type_name("");
        app->add_option("SECOND", second_, "the later one")->required()->type_name("");
        json_.add_to(*app);
        return app;
    }

    int run() override {
        if (first_ == cli::standard_stream && second_ == cli::standard_stream)
            throw unusable("stdin", "both runs cannot come from it");
        auto first = cli::file::open_input(first_);
        auto second = cli::file::open_input(second_);
        refuse_output_onto(first);
        refuse_output_onto(second);
        const stored_run before = read_run(first);
        const stored_run after = read_run(second);
        const std::string why = why_not_comparable(before, after);
        if (!why.empty())
            throw unusable(second.name(), fmt::format("not of the same kind as {}: {}", first.name(), why));
        const run_diff diff = diff_of(before, after);
        if (diff.ratios() == 0)
            throw unusable(second.name(), fmt::format("no ratio that {} has too", first.name()));
        json_.open();
        if (json_.wants_text())
            cli::file::open_output(cli::standard_stream).write(diff_text(diff));
        json_.write(diff_json(diff));
        throw_if_worse(diff, second.name());
        return cli::exit_success;
    }

  private:
    void refuse_output_onto(const cli::file& input) const {
        const bool to_file = json_.is_requested() && json_.target() != cli::standard_stream;
        if (to_file && input.is_same_as(json_.target()))
            throw unusable("--json", fmt::format("{} is one of the runs", json_.target()));
        if (input.is_same_as(cli::file::open_output(cli::standard_stream)))
            throw unusable("stdout", fmt::format("it is {}, one of the runs", input.name()));
    }

    static void throw_if_worse(const run_diff& diff, const std::string& name) {
        const auto worse = diff.worse_ratios();
        if (!worse.empty())
            throw cli::program_error(cli::exit_failed, name,
                                     fmt::format("{} of {} ratios got worse beyond the spread, the first: {}",
                                                 worse.size(), diff.ratios(), worse.front()));
    }

    std::string first_;
    std::string second_;
    cli::json_output json_;
};

} // namespace

std::unique_ptr<cli::verb> make_diff_verb() {
    return std::make_unique<diff_verb>();
}

} // namespace blkcrypto::bench
