// SPDX-License-Identifier: Apache-2.0
#include "bench/controls.hpp"

#include "bench/io_buffers.hpp"
#include "bench/seeded.hpp"
#include "blkcrypto/cipher/skcipher.hpp"
#include "blkcrypto/dev/null_device.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>

namespace blkcrypto::bench {
namespace {

constexpr unsigned slices = 7;
constexpr std::uint64_t slice_ns = 20'000'000;

// Between two looks at the clock, so that these do not count.
constexpr std::uint64_t bytes_per_look = 256 << 10;
constexpr unsigned bios_per_look = 256;

constexpr std::size_t source_bytes_max = 64 << 20; // of all blocks the cipher takes in turn

// Runs `work`, which returns how much it did, for some slices: how much per nanosecond.
template <typename Work>
spread rate_of(env& e, Work work) {
    std::vector<double> rates;
    (void)work(); // first touch of memory and code
    for (unsigned i = 0; i < slices; ++i) {
        const std::uint64_t start_ns = e.now_ns();
        std::uint64_t done = 0;
        std::uint64_t elapsed_ns = 0;
        while (elapsed_ns < slice_ns) {
            done += work();
            elapsed_ns = e.now_ns() - start_ns;
        }
        rates.push_back(static_cast<double>(done) / static_cast<double>(elapsed_ns));
    }
    return spread_of(std::move(rates));
}

spread times(spread figure, double factor) {
    return {figure.median * factor, figure.p25 * factor, figure.p75 * factor};
}

// To the compiler the bytes are looked at here, so that it cannot leave out what makes them.
void look_at(const std::byte* bytes) {
    asm volatile("" : : "r"(bytes) : "memory");
}

// A block, and where it goes.
struct block_pair {
    explicit block_pair(std::uint32_t block_bytes)
        : buffers(2, block_bytes), source(buffers[0]), target(buffers[1]) {
        std::ranges::fill(buffers.all(), std::byte{0x5a});
    }
    // Runs `once` on the block as often as makes bytes_per_look.
    template <typename Once>
    std::uint64_t repeat(Once once) {
        std::uint64_t done_bytes = 0;
        do {
            once();
            look_at(target.data());
            done_bytes += source.size();
        } while (done_bytes < bytes_per_look);
        return done_bytes;
    }

    io_buffers buffers;
    bytes_span source;
    bytes_span target;
};

spread measure_memcpy(env& e, block_pair& blocks) {
    return rate_of(e, [&] {
        return blocks.repeat(
            [&] { std::memcpy(blocks.target.data(), blocks.source.data(), blocks.source.size()); });
    });
}

// Null if the mode has no implementation.
std::unique_ptr<skcipher> make_keyed_tfm(crypto_mode mode) {
    auto tfm = make_skcipher(mode, 1);
    if (tfm.has_error() && tfm.error() == make_error(ENOPKG))
        return nullptr;
    std::vector<std::byte> key(find_mode(mode)->key_size_bytes);
    fill_content(0, 0, key); // any key is as fast as any other
    const std::error_code error = tfm.has_error() ? tfm.error() : (*tfm)->setkey(key);
    if (error)
        throw cli::file_error(cli::exit_failed, "cipher control", error.value());
    return std::move(*tfm);
}

// As many plain writes as fit the queue, to a device that does nothing.
class null_writes {
  public:
    null_writes(env& e, std::uint32_t block_bytes, unsigned depth)
        : device_(make_null_device(to_sectors_exact({block_bytes}))),
          block_(block_bytes), memory_{block_.data(), block_bytes, unregistered_buffer}, bios_(depth),
          queue_(open_queue(*device_, e, block_bytes, depth)) {}

    std::uint64_t operator()() {
        std::uint64_t done = 0;
        do {
            for (auto& b : bios_) {
                b.prepare(bio_op::write, {}, {&memory_, 1}, end_);
                queue_->submit(b);
            }
            while (queue_->in_flight() != 0)
                queue_->wait();
            done += bios_.size();
        } while (done < bios_per_look);
        return done;
    }

  private:
    struct unobserved_end final : bio_end_io {
        void end_io(bio&) noexcept override {}
    };
    static std::unique_ptr<submit_queue> open_queue(block_device& device, env& e, std::uint32_t block_bytes,
                                                    unsigned depth) {
        auto queue = submit_queue::make(device, nullptr, e, {.depth = depth, .io_size_bytes = block_bytes});
        if (queue.has_error())
            throw cli::file_error(cli::exit_failed, "null device", queue.error().value());
        return std::move(*queue);
    }

    std::unique_ptr<block_device> device_;
    std::vector<std::byte> block_; // never read
    bio_vec memory_;
    unobserved_end end_;
    std::deque<bio> bios_;
    std::unique_ptr<submit_queue> queue_;
};

} // namespace

control_figures measure_controls(env& e, const control_options& options) {
    constexpr double ns_per_us = 1000; // bios per ns to millions per second
    control_figures figures;
    figures.block_bytes = options.measured_block_bytes();
    block_pair blocks(figures.block_bytes);
    figures.memcpy_gb_per_s = measure_memcpy(e, blocks); // bytes per ns are GB per s
    figures.null_device_mbios_per_s =
        times(rate_of(e, null_writes(e, figures.block_bytes, options.depth)), ns_per_us);
    return figures;
}

std::optional<spread> measure_cipher(env& e, const control_options& options, crypto_mode mode) {
    const auto tfm = make_keyed_tfm(mode);
    if (!tfm)
        return std::nullopt;
    cipher_lane lane(0);
    block_pair blocks(options.measured_block_bytes());
    // From as many blocks in turn as a job has in flight, to one: as the fallback has them, and its bounce
    // memory.
    const auto blocks_max = static_cast<unsigned>(source_bytes_max / blocks.source.size());
    const unsigned count = std::clamp(options.depth, 1U, std::max(blocks_max, 1U));
    io_buffers sources(count, blocks.source.size());
    std::ranges::fill(sources.all(), std::byte{0x5a});
    const std::uint64_t units = options.unit_size.units_in(blocks.source.size());
    std::uint32_t unit = 0; // of the least DUN there is, which a mode with IVs of 4 bytes has too
    unsigned next = 0;
    return rate_of(e, [&] {
        return blocks.repeat([&] {
            const cipher_segment segment{sources[next].data(), blocks.target.data(), blocks.target.size()};
            next = next + 1 < count ? next + 1 : 0;
            tfm->crypt(cipher_direction::encrypt, std::uint64_t{unit}, options.unit_size, {&segment, 1},
                       lane);
            unit += static_cast<std::uint32_t>(units);
        });
    });
}

} // namespace blkcrypto::bench
