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

void spoil_samples(const round_plan& plan, const lab_image& image, const std::string& path) {
    constexpr std::array<std::byte, 64> garbage{std::byte{0x5a}};
    const file_descriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file)
        throw cli::file_error(cli::exit_failed, path, errno);
    for (unsigned job = 0; job < plan.options.workload.jobs; ++job)
        for (const std::uint64_t key : write_sample(plan, job))
            if (pwrite(file.get(), garbage.data(), garbage.size(),
                       static_cast<off_t>(image.place_bytes(key))) != static_cast<ssize_t>(garbage.size()))
                throw cli::file_error(cli::exit_failed, path, errno);
}

} // namespace blkcrypto::bench
