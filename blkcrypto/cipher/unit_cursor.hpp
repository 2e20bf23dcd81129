// SPDX-License-Identifier: Apache-2.0
#pragma once
// The data units of a run one after another, whatever segments they lie in: for ciphers that work on several
// units at once.

#include "blkcrypto/cipher/skcipher.hpp"

namespace blkcrypto {

class unit_cursor {
  public:
    struct unit {
        const std::byte* source;
        std::byte* target;
    };

    explicit unit_cursor(const unit_run& run) noexcept
        : segments_(run.segments), unit_bytes_(run.unit_size.bytes()) {}

    /// There is one more.
    unit next() noexcept {
        while (done_ == segments_.front().length_bytes) {
            segments_ = segments_.subspan(1);
            done_ = 0;
        }
        const cipher_segment& in = segments_.front();
        const unit found{in.source + done_, in.target + done_};
        done_ += unit_bytes_;
        return found;
    }

  private:
    std::span<const cipher_segment> segments_;
    std::size_t unit_bytes_;
    std::size_t done_ = 0; // of the first of segments_
};

} // namespace blkcrypto
