// SPDX-License-Identifier: Apache-2.0
#pragma once
// Very many keys that cost a few bytes each: the key's bytes are computed from its index when a slot is
// programmed. Good for benchmarks and nothing else.

#include "bench/seeded.hpp"
#include "blkcrypto/block/crypto_key.hpp"

#include <deque>

namespace blkcrypto::bench {

class indexed_key final : public key_request {
  public:
    indexed_key(const crypto_config& config, std::uint64_t index) noexcept
        : key_request(config), index_(index) {}

    std::error_code derive(secret& into) const noexcept override {
        if (!into.resize(find_mode(config().mode)->key_size_bytes))
            return make_error(EINVAL);
        fill_content(index_, 0, into.writable());
        return {};
    }

  private:
    const std::uint64_t index_;
};

class indexed_keys {
  public:
    indexed_keys(const crypto_config& config, std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i)
            keys_.emplace_back(config, i);
    }
    const key_request& operator[](std::size_t index) const noexcept { return keys_[index]; }
    std::size_t size() const noexcept { return keys_.size(); }

  private:
    std::deque<indexed_key> keys_; // known by address
};

/// One user's way through all keys, in turn: with more of them than slots each use is a miss, since the key
/// that was used longest ago goes.
class key_turn {
  public:
    explicit key_turn(const indexed_keys& keys) noexcept : keys_(keys) {}

    const key_request& next() noexcept {
        const key_request& key = keys_[at_];
        at_ = at_ + 1 == keys_.size() ? 0 : at_ + 1;
        return key;
    }

  private:
    const indexed_keys& keys_;
    std::size_t at_ = 0;
};

} // namespace blkcrypto::bench
