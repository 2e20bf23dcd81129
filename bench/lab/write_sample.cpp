// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/write_sample.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace blkcrypto::bench {
namespace {

constexpr unsigned sample_max = 64;
constexpr std::uint64_t steps_max = 16 * sample_max; // few writes, or few keys, make a small sample

file_descriptor open_image(const std::string& path) {
    file_descriptor file(open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!file)
        throw cli::file_error(cli::exit_failed, path, errno);
    return file;
}

void check(ssize_t moved_bytes, const std::string& path) {
    if (moved_bytes != std::ssize(spoiled_place{}.was))
        throw cli::file_error(cli::exit_failed, path, moved_bytes < 0 ? errno : EIO);
}

} // namespace

std::vector<std::uint64_t> write_sample(const round_plan& plan, unsigned job) {
    const lab_options& options = plan.options;
    const key_space keys{options.image.files, options.image.extents_per_file, options.workload.jobs, job};
    access_sequence steps(options.workload.access, keys, options.workload.seed, plan.round);
    std::vector<std::uint64_t> sample;
    const std::uint64_t steps_looked_at = std::min(plan.ios, steps_max);
    for (std::uint64_t i = 0; i < steps_looked_at && sample.size() < sample_max; ++i) {
        const auto step = steps.next();
        if (!step.is_read && std::ranges::find(sample, step.key) == sample.end())
            sample.push_back(step.key);
    }
    return sample;
}

std::vector<spoiled_place> spoil_samples(const round_plan& plan, const lab_image& image,
                                         const std::string& path) {
    constexpr std::array<std::byte, 64> garbage{std::byte{0x5a}};
    const file_descriptor file = open_image(path);
    std::vector<spoiled_place> places;
    for (unsigned job = 0; job < plan.options.workload.jobs; ++job)
        for (const std::uint64_t key : write_sample(plan, job)) {
            spoiled_place& place = places.emplace_back(spoiled_place{image.place_bytes(key), {}});
            const auto at = static_cast<off_t>(place.at_bytes);
            check(pread(file.get(), place.was.data(), place.was.size(), at), path);
            check(pwrite(file.get(), garbage.data(), garbage.size(), at), path);
        }
    return places;
}

void mend_samples(std::span<const spoiled_place> places, const std::string& path) {
    const file_descriptor file = open_image(path);
    for (const spoiled_place& place : places)
        check(pwrite(file.get(), place.was.data(), place.was.size(), static_cast<off_t>(place.at_bytes)),
              path);
}

} // namespace blkcrypto::bench
