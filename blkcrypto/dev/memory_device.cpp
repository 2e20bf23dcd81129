// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/memory_device.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <sys/mman.h>

namespace blkcrypto {
namespace {

void copy(bio_op op, std::byte* medium, const bio_vec& segment) {
    if (op == bio_op::read)
        std::memcpy(segment.data, medium, segment.length_bytes);
    else
        std::memcpy(medium, segment.data, segment.length_bytes);
}

class memory_queue final : public block_queue {
  public:
    memory_queue(const block_device& device, env& environment, const queue_options& options,
                 bytes_span storage) noexcept
        : block_queue(device, environment, options), storage_(storage) {}

  private:
    void do_submit(bio& b) noexcept override {
        if (b.has_data())
            copy_segments(b);
        else
            std::ranges::fill(storage_.subspan(to_bytes(b.iter.start).value, b.iter.size_bytes),
                              std::byte{0});
        complete(b, blk_status::ok);
    }
    void do_poll() noexcept override {}

    void copy_segments(const bio& b) noexcept {
        bvec_iter at = b.iter;
        while (at.size_bytes != 0) {
            const bio_vec segment = at.current(b.segments);
            copy(b.op, storage_.data() + to_bytes(at.start).value, segment);
            at.advance(b.segments, segment.length_bytes);
        }
    }

    const bytes_span storage_;
};

class memory_device final : public block_device {
  public:
    enum class ownership : bool { callers, ours };

    memory_device(bytes_span storage, ownership owner) noexcept : storage_(storage), owner_(owner) {}
    ~memory_device() override {
        if (owner_ == ownership::ours)
            munmap(storage_.data(), storage_.size());
    }

    const queue_limits& limits() const noexcept override { return limits_; }
    sector capacity() const noexcept override { return to_sectors_floor({storage_.size()}); }
    std::string describe() const override {
        return "memory, " + std::to_string(capacity().value) + " sectors";
    }

    result<std::unique_ptr<block_queue>> make_queue(env& environment, const queue_options& options) override {
        return or_no_memory([&]() -> result<std::unique_ptr<block_queue>> {
            return std::make_unique<memory_queue>(*this, environment, options, storage_);
        });
    }

  private:
    const queue_limits limits_;
    const bytes_span storage_;
    const ownership owner_;
};

} // namespace

result<std::unique_ptr<block_device>> make_memory_device(sector capacity) {
    if (capacity.value > std::numeric_limits<std::size_t>::max() >> sector_bits)
        return make_error(ENOMEM);
    const std::size_t size = to_bytes(capacity).value;
    void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return make_error(errno);
    const bytes_span storage(static_cast<std::byte*>(memory), size);
    auto made = or_no_memory([&]() -> result<std::unique_ptr<block_device>> {
        return std::make_unique<memory_device>(storage, memory_device::ownership::ours);
    });
    if (made.has_error())
        munmap(memory, size);
    return made;
}

std::unique_ptr<block_device> make_memory_device(bytes_span storage) {
    return std::make_unique<memory_device>(storage, memory_device::ownership::callers);
}

} // namespace blkcrypto
