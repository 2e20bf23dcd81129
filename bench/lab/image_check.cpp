// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/image_check.hpp"

#include "bench/lab/lab_job.hpp"

#include <fmt/format.h>

namespace blkcrypto::bench {

void check_image(const round_plan& plan, const lab_image& image, std::string_view writer, env& e) {
    constexpr std::string_view reader = "fallback-keyslots";
    lab_options options = plan.options;
    options.strategy = {};
    options.derived_keys = 0;
    const round_plan reading{options, plan.contents, plan.round, plan.ios};
    lab_stack stack(image.path(), *fsdemo::find_strategy(reader), options, e);
    for (unsigned job = 0; job < options.workload.jobs; ++job) {
        lab_job mount(reading, image, stack, job);
        mount.open_files();
        mount.check_reads(fmt::format("{}, read through {}", writer, reader));
        mount.close_files();
    }
}

} // namespace blkcrypto::bench
