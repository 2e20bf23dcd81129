// SPDX-License-Identifier: Apache-2.0
#pragma once
// Writes a whole image through a path, once, with content made from a seed: the prefill before the timed
// rounds, and the writes that the verify pass looks at. Runs on the calling thread. Not timed.

#include "bench/compare_path.hpp"
#include "bench/seeded.hpp"

#include <vector>

namespace blkcrypto::bench {

/// Cuts an image into blocks; each byte is in one of them.
class block_plan {
  public:
    static constexpr std::uint32_t block_bytes_max = 256 << 10;

    virtual ~block_plan() = default;
    /// False after the last one.
    virtual bool next(image_block& block) = 0;
};

/// Large blocks from the first byte to the last.
class sequential_plan final : public block_plan {
  public:
    explicit sequential_plan(std::uint64_t size_bytes) : size_bytes_(size_bytes) {}
    bool next(image_block& block) override;

  private:
    std::uint64_t size_bytes_;
    std::uint64_t at_ = 0;
};

/// Blocks of one data unit up to block_bytes_max, shuffled within regions of the image that follow each other
/// (which keeps the memory of the plan small).
class shuffled_plan final : public block_plan {
  public:
    static constexpr std::uint64_t region_bytes = 64 << 20;

    shuffled_plan(std::uint64_t size_bytes, data_unit_size unit_size, std::uint64_t seed)
        : size_bytes_(size_bytes), unit_size_(unit_size), numbers_(seed) {}
    bool next(image_block& block) override;

  private:
    void plan_region();
    image_block cut(std::uint64_t end_bytes);

    std::uint64_t size_bytes_;
    data_unit_size unit_size_;
    seeded_numbers numbers_;
    std::uint64_t at_ = 0;
    std::vector<image_block> region_; // the next one last
};

/// Writes what fill_content() makes of the seed, then flushes. `what` is shown as progress. program_error,
/// exit code 1, for the first write that fails.
void write_image(compare_path& path, env& e, block_plan& plan, std::uint64_t content_seed,
                 const std::string& what);

/// "write at offset 4096 of IMAGE.plain": the error of an I/O, for the one line.
std::string describe_io(const io_failure& failure, const std::string& image);

} // namespace blkcrypto::bench
