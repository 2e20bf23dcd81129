// SPDX-License-Identifier: Apache-2.0
// What the lab's turns are made of.
#include "bench/lab/image_hash.hpp"
#include "bench/lab/job_crew.hpp"
#include "bench/lab/round_contents.hpp"
#include "bench/lab/scratch_file.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "tests/bench/scratch_directory.hpp"
#include "tests/support/test_seed.hpp"

#include <atomic>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::bench;
using blkcrypto::test::scratch_directory;
using blkcrypto::test::test_seed;

TEST_CASE("each thread of a crew does each step once, none before all have done the last") {
    constexpr unsigned jobs = 4;
    job_crew crew(jobs);
    std::array<std::atomic<unsigned>, jobs> done{};
    std::atomic<unsigned> behind{0};
    for (unsigned step = 0; step < 50; ++step) {
        crew.run([&](unsigned job) {
            for (const auto& other : done)
                behind += other.load() < step ? 1U : 0U;
            ++done[job];
        });
        for (const auto& count : done)
            CHECK(count.load() == step + 1);
    }
    CHECK(behind.load() == 0);
}

TEST_CASE("what a step throws is thrown where the crew was told, and the crew goes on") {
    job_crew crew(3);
    CHECK_THROWS_AS(crew.run([](unsigned job) {
        if (job != 1)
            throw cli::unusable("job", "refused");
    }),
                    cli::program_error);
    std::atomic<unsigned> done{0};
    crew.run([&](unsigned) { ++done; });
    CHECK(done.load() == 3);
}

TEST_CASE("contents of a round are the same each time, and others of another key, round or seed") {
    constexpr std::uint32_t bytes = 4096;
    const auto copy = [&](const round_contents& contents, std::uint64_t key) {
        const bytes_span piece = contents.of(key);
        CHECK(piece.size() == bytes);
        CHECK(reinterpret_cast<std::uintptr_t>(piece.data()) % 64 == 0);
        return std::vector<std::byte>(piece.begin(), piece.end());
    };
    const auto known = copy(round_contents(test_seed(), 3, bytes), 7);
    CHECK(copy(round_contents(test_seed(), 3, bytes), 7) == known);
    CHECK(copy(round_contents(test_seed(), 3, bytes), 8) != known);
    CHECK(copy(round_contents(test_seed(), 4, bytes), 7) != known);
    CHECK(copy(round_contents(test_seed() + 1, 3, bytes), 7) != known);
}

TEST_CASE("an image's hash is the SHA-256 of all its bytes") {
    const scratch_directory files;
    const std::string abc = files.write("abc", "abc");
    CHECK(image_hash(abc) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("a scratch file is locked while it is there, and goes unless it is kept") {
    const scratch_directory files;
    const std::string path = files.path("kept");
    {
        auto kept = scratch_file::named(path, 4096, false);
        CHECK(std::filesystem::file_size(path) == 4096);
        CHECK(files.names().size() == 1);
        CHECK_THROWS_AS((void)scratch_file::named(path, 4096, true), cli::program_error);
        kept.keep();
    }
    CHECK(files.names() == std::vector<std::string>{"kept"});
}

TEST_CASE("a temporary file has its size and no name, so that nothing is left of it") {
    const scratch_directory files;
    const auto one = scratch_file::temporary(files.path(""), 8192);
    const auto other = scratch_file::temporary(files.path(""), 4096);
    CHECK(std::filesystem::file_size(one.path()) == 8192);
    CHECK(std::filesystem::file_size(other.path()) == 4096);
    CHECK(files.names().empty());
    CHECK_THROWS_AS((void)scratch_file::temporary(files.path("missing"), 4096), cli::program_error);
}
