// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/trace_record.hpp"

#include <fmt/format.h>
#include <iterator>

namespace blkcrypto::bench {
namespace {

constexpr std::size_t piece_bytes = 64 << 10;

} // namespace

trace_record::trace_record(const lab_options& options) : options_(options) {
    if (!options.record.empty())
        file_.emplace(cli::file::open_output(options.record));
}

void trace_record::write(std::uint64_t ios) {
    if (!file_)
        return;
    file_->truncate();
    for (unsigned job = 0; job < options_.workload.jobs; ++job)
        write_job(job, ios);
    file_->close();
}

void trace_record::write_job(unsigned job, std::uint64_t ios) {
    const key_space keys{options_.image.files, options_.image.extents_per_file, options_.workload.jobs, job};
    access_sequence sequence(options_.workload.access, keys, options_.workload.seed, 0);
    std::string piece;
    for (std::uint64_t i = 0; i < ios; ++i) {
        fmt::format_to(std::back_inserter(piece), "{}\n", sequence.next().key);
        if (piece.size() < piece_bytes && i + 1 != ios)
            continue;
        file_->write(piece);
        piece.clear();
    }
}

} // namespace blkcrypto::bench
