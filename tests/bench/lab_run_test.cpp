// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_run.hpp"

#include "bench/lab/key_trace.hpp"
#include "bench/lab/single_key.hpp"
#include "bench/lab/write_sample.hpp"
#include "blkcrypto/cipher/skcipher.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "fsdemo/strategies/software_strategy.hpp"
#include "tests/bench/scratch_directory.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <doctest/doctest.h>
#include <numeric>

using namespace blkcrypto;
using namespace blkcrypto::bench;
using blkcrypto::test::scratch_directory;
using blkcrypto::test::test_seed;

namespace {

constexpr auto mode = crypto_mode::aes_256_xts;

// A library's cipher has no form that library-key could use.
bool can_run(const fsdemo::strategy_info& strategy) {
    return strategy.name != "library-key" || selected_implementation(mode)->placed.make_at != nullptr;
}

// 8 files of 4 extents, 200 I/Os in each of 2 rounds, of all strategies.
struct small_lab {
    small_lab() {
        options.image.path = files.path("image");
        options.image.files = 8;
        options.image.extents_per_file = 4;
        options.image.modes = {find_mode(mode)};
        options.workload.depth = 8;
        options.workload.ios = 200;
        options.workload.rounds = 2;
        options.workload.seed = test_seed();
        options.engine = *find_engine_profile("generic");
        for (const auto& strategy : fsdemo::strategies())
            if (can_run(strategy))
                options.strategies.push_back(&strategy);
    }
    lab_result run() {
        options.strategy.lanes = options.workload.jobs;
        options.image.overwrite = true;
        return run_lab(options);
    }

    scratch_directory files;
    lab_options options;
};

std::uint64_t sum_of_parts(const time_attribution& times) {
    return std::accumulate(times.part_ns.begin(), times.part_ns.end(), std::uint64_t{0});
}

void check_all_ran(const lab_options& options, const lab_result& result) {
    CHECK(result.images_agree);
    CHECK(result.first_difference.empty());
    REQUIRE(result.strategies.size() == options.strategies.size());
    const auto check_one = [&](const lab_strategy_result& done) {
        CAPTURE(done.strategy->name);
        CHECK(!done.stop);
        REQUIRE(done.rounds.size() == options.workload.rounds);
        for (const auto& round : done.rounds) {
            CHECK(round.ios == options.workload.ios * options.workload.jobs);
            CHECK(round.latencies.total() == round.ios);
            CHECK(round.files_opened == options.image.files);
        }
    };
    check_one(result.single_key);
    for (const auto& strategy : result.strategies)
        check_one(strategy);
}

// Sets another key each time it is asked for one.
class forgetful_key final : public fsdemo::software_strategy {
  public:
    static result<std::unique_ptr<fsdemo::key_strategy>> make(env&, const fsdemo::strategy_options& options) {
        return std::unique_ptr<fsdemo::key_strategy>(new forgetful_key(options));
    }
    std::error_code start_using(env& e, const crypto_config& config) override {
        return start_once(e, config, [] { return std::error_code{}; });
    }
    tfm_grant acquire(const key_request&, acquire_context& asker) noexcept override {
        std::array<std::byte, 64> key{};
        asker.environment.fill_random(key);
        (void)tfm_->setkey(key);
        return {acquire_outcome::ready, {tfm_.get(), 0}};
    }
    void release(env&, const tfm_lease&) noexcept override {}
    std::error_code evict(env&, const key_request&) noexcept override { return {}; }

  private:
    using software_strategy::software_strategy;
    const std::unique_ptr<skcipher> tfm_ = make_skcipher(mode, 1).value();
};

// Fails with so many acquisitions behind it.
class failing_key final : public fsdemo::software_strategy {
  public:
    static inline std::uint64_t left = 0;

    static result<std::unique_ptr<fsdemo::key_strategy>> make(env&, const fsdemo::strategy_options& options) {
        return std::unique_ptr<fsdemo::key_strategy>(new failing_key(options));
    }
    std::error_code start_using(env& e, const crypto_config& config) override {
        return start_once(e, config, [] { return std::error_code{}; });
    }
    tfm_grant acquire(const key_request&, acquire_context&) noexcept override {
        if (left == 0)
            return {acquire_outcome::failed, {}, blk_status::ioerr};
        --left;
        return {acquire_outcome::ready, {tfm_.get(), 0}};
    }
    void release(env&, const tfm_lease&) noexcept override {}
    std::error_code evict(env&, const key_request&) noexcept override { return {}; }

  private:
    using software_strategy::software_strategy;
    static std::unique_ptr<skcipher> keyed() {
        auto tfm = make_skcipher(mode, 1).value();
        std::array<std::byte, 64> key{};
        key[0] = std::byte{1}; // the halves differ
        (void)tfm->setkey(key);
        return tfm;
    }
    const std::unique_ptr<skcipher> tfm_ = keyed();
};

// Has no memory to start: the account refuses all it wants at once, or somebody else does.
class starving_key final : public fsdemo::software_strategy {
  public:
    static result<std::unique_ptr<fsdemo::key_strategy>> make_greedy(env&,
                                                                     const fsdemo::strategy_options& o) {
        return std::unique_ptr<fsdemo::key_strategy>(new starving_key(o, 2 * o.memory_limit_bytes));
    }
    static result<std::unique_ptr<fsdemo::key_strategy>> make_unlucky(env&,
                                                                      const fsdemo::strategy_options& o) {
        return std::unique_ptr<fsdemo::key_strategy>(new starving_key(o, o.memory_limit_bytes));
    }
    std::error_code start_using(env& e, const crypto_config& config) override {
        return start_once(e, config, [&] {
            const std::error_code refused = memory().charge(1, wanted_bytes_);
            return refused ? refused : make_error(ENOMEM);
        });
    }
    tfm_grant acquire(const key_request&, acquire_context&) noexcept override {
        return {acquire_outcome::failed, {}, blk_status::ioerr};
    }
    void release(env&, const tfm_lease&) noexcept override {}
    std::error_code evict(env&, const key_request&) noexcept override { return {}; }

  private:
    starving_key(const fsdemo::strategy_options& options, std::uint64_t wanted_bytes)
        : software_strategy(options), wanted_bytes_(wanted_bytes) {}
    const std::uint64_t wanted_bytes_;
};

const lab_strategy_result& find(const lab_result& result, std::string_view name) {
    const auto found =
        std::ranges::find(result.strategies, name, [](const auto& one) { return one.strategy->name; });
    REQUIRE(found != result.strategies.end());
    return *found;
}

} // namespace

TEST_CASE("all strategies do the same I/Os and leave the same image, another one in each round") {
    small_lab lab;
    const auto result = lab.run();
    check_all_ran(lab.options, result);
    for (const auto& strategy : result.strategies) {
        CHECK(strategy.rounds[0].image_hash.size() == 64);
        CHECK(strategy.rounds[0].image_hash == result.strategies.front().rounds[0].image_hash);
        CHECK(strategy.rounds[0].image_hash != strategy.rounds[1].image_hash);
    }
    CHECK(result.image_bytes == std::filesystem::file_size(lab.options.image.path));
    CHECK(result.steps.derive_ns > 0);
    CHECK(result.steps.cipher_ns > 0);
}

TEST_CASE("the parts of the time of the I/Os that are looked into add up to all of it") {
    small_lab lab;
    const auto result = lab.run();
    for (const auto& strategy : result.strategies) {
        CAPTURE(strategy.strategy->name);
        for (const auto& round : strategy.rounds) {
            const time_attribution& times = round.attribution;
            const auto whole_ns = static_cast<double>(times.whole_ns);
            CHECK(times.ios > 0);
            CHECK(static_cast<double>(sum_of_parts(times)) == doctest::Approx(whole_ns).epsilon(0.02));
            CHECK(times.setups <= times.ios);
        }
    }
    CHECK(find(result, "pool-global").times().setups > 0);
    CHECK(find(result, "all-at-open").times().setups == 0);
}

TEST_CASE("a strategy that writes other bytes is found by its image") {
    small_lab lab;
    const auto* pool = fsdemo::find_strategy("pool-global");
    const auto* map = fsdemo::find_strategy("prepared-map");
    const auto* culprit = &single_key_strategy();
    const auto found_among = [&](std::vector<const fsdemo::strategy_info*> strategies) {
        lab.options.strategies = std::move(strategies);
        const auto result = lab.run();
        CHECK(!result.images_agree);
        return result.first_difference;
    };
    CHECK(found_among({culprit, pool, map}) == "round 1: single-key"); // whoever begins
    CHECK(found_among({pool, culprit, map}) == "round 1: single-key");
    CHECK(found_among({pool, map, culprit}) == "round 1: single-key");
    CHECK(found_among({pool, culprit}) == "round 1: pool-global and single-key differ");
}

TEST_CASE("a limit of memory stops those that have transforms by extent or by file at open, and no other") {
    small_lab lab;
    lab.options.image.files = 48;
    lab.options.image.extents_per_file = 32;
    const auto* cipher = selected_implementation(mode);
    const std::uint64_t transform_bytes = std::max(tfm_bytes(mode, 1), cipher->placed.bytes);
    lab.options.strategy.memory_limit_bytes = 1300 * transform_bytes; // of 1536 extents; 1024 infos
    const auto result = lab.run();
    for (const auto& strategy : result.strategies) {
        const std::string_view name = strategy.strategy->name;
        CAPTURE(name);
        CHECK(strategy.stop.has_value() == (name == "all-at-open" || name == "pool-per-file"));
        CHECK(strategy.rounds.size() == (strategy.stop ? 0 : 2));
        if (!strategy.stop)
            continue;
        CHECK(strategy.stop->error == std::errc::not_enough_memory);
        CHECK(strategy.stop->at_memory_limit);
        CHECK(strategy.stop->transforms > 0);
        CHECK(strategy.stop->transform_bytes <= lab.options.strategy.memory_limit_bytes);
    }
    if (tfm_bytes(mode, 1) == transform_bytes) {
        CHECK(find(result, "all-at-open").stop->where == "opening file 41 of 48");
        CHECK(find(result, "pool-per-file").stop->where == "opening file 11 of 48");
    }
    CHECK(result.images_agree);
}

TEST_CASE(
    "it is the limit that stopped a strategy if it refused something, however much, and else it is not") {
    small_lab lab;
    lab.options.strategy.memory_limit_bytes = 100 * tfm_bytes(mode, 1);
    static constexpr fsdemo::strategy_info greedy{
        .name = "greedy", .at_open = "", .in_io = "", .make = &starving_key::make_greedy};
    static constexpr fsdemo::strategy_info unlucky{
        .name = "unlucky", .at_open = "", .in_io = "", .make = &starving_key::make_unlucky};
    lab.options.strategies = {&greedy, &unlucky};
    const auto result = lab.run();
    CHECK(find(result, "greedy").stop->at_memory_limit);
    CHECK_FALSE(find(result, "unlucky").stop->at_memory_limit);
    for (const auto& strategy : result.strategies)
        CHECK(strategy.stop->error == std::errc::not_enough_memory);
}

TEST_CASE("a limit below what library-key wants for its infos stops it, and is the limit's") {
    small_lab lab;
    const auto* library_key = fsdemo::find_strategy("library-key");
    if (!can_run(*library_key)) {
        MESSAGE("skipped, no cipher has a form for it");
        return;
    }
    lab.options.strategy.memory_limit_bytes = 512 * selected_implementation(mode)->placed.bytes; // 1024 infos
    lab.options.strategies = {library_key};
    const auto result = lab.run();
    const auto& stop = find(result, "library-key").stop;
    REQUIRE(stop.has_value());
    CHECK(stop->at_memory_limit);
    CHECK(stop->where == "opening file 1 of 8");
}

TEST_CASE("one slot and one transform for two jobs are enough to get through") {
    small_lab lab;
    lab.options.workload.jobs = 2;
    lab.options.strategy.pool_size = 1;
    lab.options.strategy.keyslots = 1;
    lab.options.engine.keyslots = 1;
    check_all_ran(lab.options, lab.run());
}

TEST_CASE("several master keys, modes and jobs leave one image, with derived keys kept or not") {
    small_lab lab;
    lab.options.image.files = 16;
    lab.options.image.extent_bytes = 16384;
    lab.options.image.master_keys = 3;
    lab.options.workload.jobs = 3;
    lab.options.derived_keys = 64;
    if (selected_implementation(crypto_mode::adiantum) != nullptr)
        lab.options.image.modes.push_back(find_mode(crypto_mode::adiantum));
    std::erase(lab.options.strategies, fsdemo::find_strategy("library-key"));
    check_all_ran(lab.options, lab.run());
}

TEST_CASE("modules are loaded in the I/O path by those that allocate there, at open or never by the others") {
    small_lab lab;
    const auto result = lab.run();
    for (const auto& strategy : result.strategies) {
        const std::string_view name = strategy.strategy->name;
        const bool has_none = name == "library-key" || name == "inline-hardware";
        const bool in_io = name == "full-in-io" || name == "nofs-in-io";
        CAPTURE(name);
        for (const auto& round : strategy.rounds) {
            CHECK(round.modules_loaded == (has_none ? 0 : 1));
            CHECK(round.modules_loaded_in_io == (in_io ? 1 : 0));
        }
    }
}

TEST_CASE("transforms asked for in the I/O path are those of the timed I/Os, without the read before them") {
    small_lab lab;
    lab.options.workload.ios = 1;
    lab.options.workload.depth = 1;
    lab.options.workload.access.kind = access_kind::sequential;
    lab.options.strategies = {fsdemo::find_strategy("full-in-io")};
    const auto result = lab.run();
    for (const auto& round : find(result, "full-in-io").rounds) {
        CHECK(round.figures.io_allocations <= round.ios);
        CHECK(round.figures.io_allocated_bytes <= round.figures.transform_bytes_max);
    }
}

TEST_CASE("memory of infos is that of all jobs' mounts, and grows where the extents of open files pin them") {
    small_lab lab;
    lab.options.workload.jobs = 2;
    lab.options.extent_infos = 8;
    const std::uint64_t usual_bytes = 2 * fsdemo::extent_keys::bytes_for(8);
    const auto result = lab.run();
    for (const auto& strategy : result.strategies)
        for (const auto& round : strategy.rounds) {
            CAPTURE(strategy.strategy->name);
            CHECK((round.info_bytes > usual_bytes) == (strategy.strategy->name == "all-at-open"));
            CHECK(round.info_bytes >= usual_bytes);
        }
    CHECK(find(result, "all-at-open").rounds.front().info_bytes > 32 * sizeof(fsdemo::extent_crypt_info));
}

TEST_CASE("the number of I/Os that take as long as is asked for is the same for all") {
    small_lab lab;
    lab.options.workload.ios = 0;
    lab.options.workload.runtime_ms = 1;
    lab.options.strategies = {fsdemo::find_strategy("full-in-io"), fsdemo::find_strategy("prepared-map")};
    const auto result = lab.run();
    const std::uint64_t ios = result.single_key.rounds.front().ios;
    CHECK(ios > 0);
    for (const auto& strategy : result.strategies)
        for (const auto& round : strategy.rounds)
            CHECK(round.ios == ios);
}

TEST_CASE("the trace of the first round is what its jobs did, and can be run again") {
    small_lab lab;
    lab.options.workload.jobs = 2;
    lab.options.record = lab.files.path("trace");
    lab.options.strategies = {fsdemo::find_strategy("prepared-map")};
    (void)lab.run();
    const auto keys = read_key_trace(lab.options.record, lab.options.image.extents());
    CHECK(keys.size() == 400);
    access_sequence second(lab.options.workload.access, {8, 4, 2, 1}, lab.options.workload.seed, 0);
    for (std::size_t i = 1; i < keys.size(); i += 2)
        CHECK(keys[i] == second.next().key);
    lab.options.record.clear();
    lab.options.workload.access.kind = access_kind::trace;
    lab.options.workload.access.trace = keys;
    check_all_ran(lab.options, lab.run());
}

TEST_CASE("a trace that cannot be written is found before any strategy has its turn") {
    small_lab lab;
    static unsigned made = 0;
    static constexpr fsdemo::strategy_info never{
        .name = "never",
        .at_open = "",
        .in_io = "",
        .make = [](env&, const fsdemo::strategy_options&) -> result<std::unique_ptr<fsdemo::key_strategy>> {
            ++made;
            return make_error(EINVAL);
        }};
    lab.options.strategies = {&never};
    lab.options.record = "/dev/full";
    CHECK_THROWS_AS((void)lab.run(), cli::program_error);
    CHECK(made == 0);
}

TEST_CASE("a strategy that cannot read what it wrote ends the run with a word about it") {
    small_lab lab;
    static constexpr fsdemo::strategy_info forgetful{
        .name = "forgetful", .at_open = "", .in_io = "", .make = &forgetful_key::make};
    lab.options.strategies = {&forgetful};
    try {
        (void)lab.run();
        FAIL("it went unnoticed");
    } catch (const cli::program_error& refused) {
        CHECK(refused.exit_code() == cli::exit_failed);
        CHECK(std::string(refused.what()).find("does not read as it was written") != std::string::npos);
    }
}

TEST_CASE("a strategy that is alone and always uses the same wrong key ends the run with a word about it") {
    static constexpr fsdemo::strategy_info info{
        .name = "same-key", .at_open = "", .in_io = "", .make = &failing_key::make};
    small_lab lab;
    lab.options.strategies = {&info};
    failing_key::left = UINT64_MAX;
    std::string said;
    try {
        (void)lab.run();
    } catch (const cli::program_error& error) {
        said = error.what();
    }
    CHECK(said.starts_with("same-key, read through fallback-keyslots: extent "));
}

TEST_CASE("a strategy that stops leaves the image as the one before it did, whoever reads it then") {
    small_lab lab;
    lab.options.strategies = {fsdemo::find_strategy("prepared-map"), fsdemo::find_strategy("all-at-open")};
    lab.options.strategy.pool_size = 4;
    lab.options.strategy.memory_limit_bytes = 8192; // of 32 transforms
    const lab_result result = lab.run();
    CHECK(result.strategies[0].is_complete());
    CHECK(result.strategies[1].stop.has_value());
}

TEST_CASE("a strategy that fails to read what it wrote ends the run with the error") {
    small_lab lab;
    static constexpr fsdemo::strategy_info failing{
        .name = "failing", .at_open = "", .in_io = "", .make = &failing_key::make};
    lab.options.strategies = {&failing};
    lab.options.workload.rounds = 1;
    failing_key::left = 1 + lab.options.workload.ios; // the first byte, and the timed I/Os
    try {
        (void)lab.run();
        FAIL("it went unnoticed");
    } catch (const cli::program_error& refused) {
        CAPTURE(refused.what());
        CHECK(refused.exit_code() == cli::exit_failed);
        CHECK(std::string(refused.what()).find("failing, reading what was written") != std::string::npos);
    }
}

TEST_CASE("a sample of what is written takes no time, though nothing is written") {
    small_lab lab;
    lab.options.workload.access.read_percent = 100;
    const round_contents contents(test_seed(), 0, lab.options.image.extent_bytes);
    CHECK(write_sample({lab.options, contents, 0, std::uint64_t{1} << 40}, 0).empty());
    lab.options.workload.access.read_percent = 0;
    CHECK(!write_sample({lab.options, contents, 0, std::uint64_t{1} << 40}, 0).empty());
}

TEST_CASE("files of the lab are gone at the end, also of a run that fails, but for an image with a name") {
    small_lab lab;
    lab.options.strategies = {fsdemo::find_strategy("pool-global")};
    (void)lab.run();
    CHECK(lab.files.names() == std::vector<std::string>{"image"});
    static constexpr fsdemo::strategy_info failing{
        .name = "failing",
        .at_open = "",
        .in_io = "",
        .make = [](env&, const fsdemo::strategy_options&) -> result<std::unique_ptr<fsdemo::key_strategy>> {
            return make_error(EINVAL);
        }};
    std::filesystem::remove(lab.options.image.path);
    const char* const named = std::getenv("TMPDIR");
    const std::optional<std::string> before =
        named == nullptr ? std::nullopt : std::optional<std::string>(named);
    setenv("TMPDIR", lab.files.path("").c_str(), 1);
    lab.options.strategies = {&failing};
    lab.options.image.path.clear();
    CHECK_THROWS_AS((void)lab.run(), cli::program_error);
    before ? setenv("TMPDIR", before->c_str(), 1) : unsetenv("TMPDIR");
    CHECK(lab.files.names().empty());
}

TEST_CASE("an image that is there is left alone unless it may be replaced") {
    small_lab lab;
    lab.files.write("image", "precious");
    try {
        (void)run_lab(lab.options);
        FAIL("it was replaced");
    } catch (const cli::program_error& refused) {
        CHECK(refused.exit_code() == cli::exit_failed); // EEXIST, as of blkbench compare
    }
    CHECK(std::filesystem::file_size(lab.options.image.path) == 8);
}
