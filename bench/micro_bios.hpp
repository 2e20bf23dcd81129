// SPDX-License-Identifier: Apache-2.0
#pragma once
// Bios for the google-benchmark programs: batches of them over a stretch of a device, in order or shuffled,
// and what a batch is encrypted with. The controls walk over the same blocks in the same order, from and to
// the same memory.

#include "bench/micro.hpp"
#include "blkcrypto/cipher/selection.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"

#include <array>
#include <deque>
#include <memory>
#include <string_view>

namespace blkcrypto::bench {

inline constexpr unsigned batch = 32; // bios in flight
data_unit_size micro_unit_size();     // 4096
crypto_config micro_config();         // AES-256-XTS on these

/// Any good key, the same for all.
std::vector<std::byte> micro_key_bytes(std::uint64_t index = 0);

/// While it lives tfms are made as programs get them, or by OpenSSL, which is what every processor has.
class cipher_choice {
  public:
    explicit cipher_choice(bool is_openssl) {
        override_selection({.features_disabled = is_openssl ? cpu_features() : cpu_feature_set()});
    }
    ~cipher_choice() { override_selection({}); }
    cipher_choice(const cipher_choice&) = delete;
    cipher_choice& operator=(const cipher_choice&) = delete;
};

enum class block_order { sequential, random };
constexpr std::array<std::string_view, 2> block_order_names{"sequential", "random"};

/// The offsets of all blocks of a stretch, again and again. The random order is the same in every program,
/// and leaves next to no two blocks together.
class block_walk {
  public:
    block_walk(std::uint64_t stretch_bytes, std::uint32_t block_bytes, block_order order);
    std::uint64_t next() noexcept {
        const std::uint64_t offset = offsets_[at_];
        at_ = at_ + 1 == offsets_.size() ? 0 : at_ + 1;
        return offset;
    }
    std::size_t blocks() const noexcept { return offsets_.size(); }

  private:
    std::vector<std::uint64_t> offsets_;
    std::size_t at_ = 0;
};

/// Which key the next bio has: null for none.
class key_choice {
  public:
    virtual const key_request* next() noexcept = 0;

  protected:
    ~key_choice() = default;
};

class one_key final : public key_choice {
  public:
    explicit one_key(const key_request* key) noexcept : key_(key) {}
    const key_request* next() noexcept override { return key_; }

  private:
    const key_request* key_;
};

class bio_batch final : public bio_end_io {
  public:
    bio_batch(std::uint64_t stretch_bytes, std::uint32_t block_bytes, block_order order);

    /// Submits a batch and waits for all of it. False if one of them failed.
    bool run(submit_queue& queue, bio_op op, key_choice& keys) noexcept;

    block_walk& walk() noexcept { return walk_; }
    void end_io(bio& ended) noexcept override;

  private:
    const io_buffers memory_;
    block_walk walk_;
    std::deque<bio> bios_;
    std::vector<bio_vec> segments_;
    bool all_well_ = true;
};

/// Encrypts or copies as a device in memory would be written, without bios.
class cipher_loop {
  public:
    enum class what {
        copy,         // block to medium
        encrypt,      // block to a buffer
        encrypt_copy, // and that to the medium
        copy_decrypt, // medium to block, and that in place
    };

    /// `medium` is the stretch.
    cipher_loop(what work, bytes_span medium, std::uint32_t block_bytes, block_order order);

    /// A batch of blocks.
    void run() noexcept;

    block_walk& walk() noexcept { return walk_; }

  private:
    void crypt(cipher_direction direction, const std::byte* from, std::byte* to,
               std::uint64_t offset) noexcept;

    const what work_;
    const bytes_span medium_;
    const io_buffers sources_;
    const io_buffers target_;
    block_walk walk_;
    cipher_lane lane_{0};
    std::unique_ptr<skcipher> tfm_;
};

} // namespace blkcrypto::bench
