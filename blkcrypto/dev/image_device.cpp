// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/image_device.hpp"

#include "blkcrypto/dev/file_queue.hpp"

#include <bit>
#include <cerrno>

namespace blkcrypto {
namespace {

constexpr std::uint32_t block_bytes_max = 4096;

class image_file_device final : public image_device {
  public:
    image_file_device(image_file file, const image_io_choice& io, const image_options& options) noexcept
        : file_(std::move(file)), io_(io), faults_(options.test_faults) {
        limits_.logical_block_size_bytes = options.logical_block_size_bytes;
        limits_.memory_alignment_bytes = file_.memory_alignment_bytes;
        limits_.volatile_cache = true;
    }

    const image_io_choice& io() const noexcept override { return io_; }
    const queue_limits& limits() const noexcept override { return limits_; }
    sector capacity() const noexcept override { return to_sectors_floor(file_.size); }

    std::string describe() const override {
        std::string text = file_.path + " (";
        text += name_of(io_.io);
        text += file_.direct ? ", direct: " : ", buffered: ";
        text += io_.why;
        return text + ")";
    }

    result<std::unique_ptr<block_queue>> make_queue(env& environment, const queue_options& options) override {
        return make_file_queue(*this, environment, options, file_, io_.io, faults_);
    }

  private:
    const image_file file_;
    const image_io_choice io_;
    result_filter* const faults_;
    queue_limits limits_;
};

} // namespace

result<std::unique_ptr<image_device>> make_image_device(const image_options& options) {
    const std::uint32_t block_bytes = options.logical_block_size_bytes;
    if (!std::has_single_bit(block_bytes) || block_bytes < sector_size_bytes || block_bytes > block_bytes_max)
        return make_error(EINVAL);
    auto file = image_file::open(options.path, options.read_only, options.direct, block_bytes);
    if (!file)
        return file.error();
    const auto io = choose_image_io(*file, options.io);
    if (!io)
        return io.error();
    return or_no_memory([&]() -> result<std::unique_ptr<image_device>> {
        return std::make_unique<image_file_device>(std::move(*file), *io, options);
    });
}

} // namespace blkcrypto
