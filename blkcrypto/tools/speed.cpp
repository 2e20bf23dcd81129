// SPDX-License-Identifier: Apache-2.0
// blkcrypto speed: how fast each implementation of a mode is here, beside OpenSSL, libgcrypt, the bare
// instructions of the cipher and memcpy.

#include "blkcrypto/tools/cli/choice.hpp"
#include "blkcrypto/tools/cli/json_output.hpp"
#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "blkcrypto/tools/cli/progress.hpp"
#include "blkcrypto/tools/speed_report.hpp"
#include "blkcrypto/tools/verbs.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <unistd.h>

namespace blkcrypto::tools {
namespace {

// Of a thread: small enough for any level-2 cache.
constexpr std::size_t cached_set_bytes = 128 << 10;
// Of all threads: larger than caches are.
constexpr std::size_t memory_set_bytes = 512 << 20;

constexpr std::size_t page_bytes = 4096;

constexpr std::uint64_t threads_max = 64;
constexpr std::uint64_t rounds_max = 1000;
constexpr std::chrono::milliseconds slice{25};

// On a terminal, how far the slices have got: after the first second, and a few times a second.
class slice_progress {
  public:
    explicit slice_progress(std::size_t slices) : slices_(slices) {}
    ~slice_progress() {
        if (is_shown_)
            cli::print_live_line({});
    }
    slice_progress(const slice_progress&) = delete;
    slice_progress& operator=(const slice_progress&) = delete;

    void advance() {
        ++done_;
        const auto now = clock::now();
        if (!is_terminal_ || now < next_print_)
            return;
        is_shown_ = true;
        next_print_ = now + std::chrono::milliseconds(250);
        const double share = static_cast<double>(done_) / static_cast<double>(slices_);
        const std::chrono::duration<double> elapsed = now - start_;
        const auto left_s = static_cast<unsigned>(elapsed.count() / share * (1 - share) + 0.5);
        cli::print_live_line(
            fmt::format("speed: {:.0f} %, {}:{:02} left", 100 * share, left_s / 60, left_s % 60));
    }

  private:
    using clock = std::chrono::steady_clock;

    const bool is_terminal_ = isatty(STDERR_FILENO) == 1;
    const std::size_t slices_;
    std::size_t done_ = 0;
    bool is_shown_ = false;
    const clock::time_point start_ = clock::now();
    clock::time_point next_print_ = start_ + std::chrono::seconds(1);
};

struct mode_rows {
    const crypto_mode_info* mode;
    std::vector<speed_row> rows;
};

void measure(std::vector<mode_rows>& modes, const std::vector<speed_subjects>& subjects,
             const std::vector<speed_conditions>& cases, const speed_effort& effort) {
    std::size_t slices = 0;
    for (const auto& of_mode : subjects)
        slices += cases.size() * of_mode.size() * effort.rounds;
    slice_progress progress(slices);
    std::vector<std::byte> memory(memory_set_bytes + page_bytes, std::byte{0x5a}); // all of it is there
    void* aligned = memory.data();
    std::size_t space = memory.size();
    std::align(page_bytes, memory_set_bytes, aligned, space);
    const bytes_span sets(static_cast<std::byte*>(aligned), memory_set_bytes);
    for (std::size_t i = 0; i < modes.size(); ++i)
        for (const auto& conditions : cases)
            std::ranges::move(
                measure_speed(subjects[i], conditions, sets, effort, [&] { progress.advance(); }),
                std::back_inserter(modes[i].rows));
}

class speed_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override;
    int run() override;

  private:
    std::vector<const crypto_mode_info*> wanted_modes() const;
    std::vector<data_unit_size> wanted_unit_sizes() const;
    std::vector<speed_conditions> wanted_cases(unsigned threads) const;

    std::string mode_;
    std::string unit_size_;
    std::string threads_ = "1";
    std::string rounds_ = "11";
    cli::json_output json_;
};

CLI::App* speed_verb::add_to(CLI::App& program) {
    CLI::App* app =
        cli::add_verb(program, "speed", "Measure the ciphers on this machine; takes 512 MiB of memory",
                      "blkcrypto speed --mode aes-256-xts --data-unit-size 4k --threads 2");
    app->add_option("--mode", mode_, "see blkcrypto modes (default: all that have an implementation)")
        ->type_name("MODE");
    app->add_option("--data-unit-size", unit_size_, "512 to 64k (default: 512, 4k and 64k)")
        ->type_name("SIZE");
    app->add_option("--threads", threads_, "measure with so many too, beside one (default 1)")
        ->type_name("N");
    app->add_option("--rounds", rounds_, "of 25 ms for each figure (default 11)")->type_name("N");
    json_.add_to(*app);
    return app;
}

std::vector<const crypto_mode_info*> speed_verb::wanted_modes() const {
    if (!mode_.empty())
        return {&cli::parse_mode("--mode", mode_)};
    std::vector<const crypto_mode_info*> modes;
    for (const auto& mode : crypto_modes()) {
        const auto selected = select_implementation(mode.mode);
        if (selected.has_error())
            throw cli::file_error(cli::exit_failed, mode.name, selected.error().value());
        if (*selected != nullptr)
            modes.push_back(&mode);
    }
    if (modes.empty())
        throw cli::unusable("--mode", "no implementation of any mode here", ENOPKG);
    return modes;
}

std::vector<data_unit_size> speed_verb::wanted_unit_sizes() const {
    if (!unit_size_.empty())
        return {cli::parse_data_unit_size("--data-unit-size", unit_size_)};
    std::vector<data_unit_size> sizes;
    for (const unsigned bytes : {512U, 4096U, 65536U})
        sizes.push_back(data_unit_size::make(bytes).value());
    return sizes;
}

// The large set is what all threads have together, so that more threads do not need more memory.
std::size_t memory_set_of(unsigned threads) {
    return memory_set_bytes / threads / cached_set_bytes * cached_set_bytes;
}

std::vector<speed_conditions> speed_verb::wanted_cases(unsigned threads) const {
    std::vector<speed_conditions> cases;
    for (const unsigned count : threads == 1 ? std::vector{1U} : std::vector{1U, threads})
        for (const std::size_t set_bytes : {cached_set_bytes, memory_set_of(count)})
            for (const auto unit_size : wanted_unit_sizes())
                for (const auto direction : {cipher_direction::encrypt, cipher_direction::decrypt})
                    cases.push_back({direction, unit_size, set_bytes, count});
    return cases;
}

int speed_verb::run() {
    std::vector<mode_rows> all;
    for (const auto* mode : wanted_modes())
        all.push_back({mode, {}});
    const auto threads = static_cast<unsigned>(cli::parse_count("--threads", threads_, 1, threads_max));
    const auto rounds = static_cast<unsigned>(cli::parse_count("--rounds", rounds_, 1, rounds_max));
    const auto cases = wanted_cases(threads);
    std::vector<speed_subjects> subjects;
    for (const auto& of_mode : all)
        subjects.push_back(make_speed_subjects(*of_mode.mode, threads));
    json_.open();

    measure(all, subjects, cases, {rounds, slice});
    auto document = cli::make_document("blkcrypto.speed", 1);
    document["rows"] = nlohmann::ordered_json::array();
    for (const auto& of_mode : all)
        for (const auto& row : of_mode.rows)
            document["rows"].push_back(speed_json(*of_mode.mode, row));
    json_.write(document);
    if (json_.wants_text()) {
        auto out = cli::file::open_output(cli::standard_stream);
        for (const auto& of_mode : all)
            out.write(speed_text(*of_mode.mode, of_mode.rows));
    }
    return cli::exit_success;
}

} // namespace

std::unique_ptr<cli::verb> make_speed_verb() {
    return std::make_unique<speed_verb>();
}

} // namespace blkcrypto::tools
