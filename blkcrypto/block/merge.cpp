// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/merge.hpp"

namespace blkcrypto {

bool crypt_ctx_compatible(const bio_crypt_ctx& a, const bio_crypt_ctx& b) noexcept {
    return a.key == b.key;
}

bool crypt_ctx_mergeable(const bio_crypt_ctx& a, std::uint64_t a_bytes, const bio_crypt_ctx& b) noexcept {
    return crypt_ctx_compatible(a, b) &&
           (!a || a.first_dun.is_contiguous(a_bytes, a.unit_size(), b.first_dun));
}

merged_run::merged_run(const bio& first) noexcept
    : op_(first.op), is_mergeable_(first.has_data() && !first.fua && !first.preflush),
      start_(first.iter.start), size_bytes_(first.iter.size_bytes), crypt_(first.crypt) {}

bool merged_run::goes_on_with(const merged_run& next) const noexcept {
    return is_mergeable_ && next.is_mergeable_ && op_ == next.op_ &&
           start_.value + (size_bytes_ >> sector_bits) == next.start_.value &&
           next.size_bytes_ <= UINT32_MAX - size_bytes_ &&
           crypt_ctx_mergeable(crypt_, size_bytes_, next.crypt_);
}

bool merged_run::append(const merged_run& next) noexcept {
    if (!goes_on_with(next))
        return false;
    size_bytes_ += next.size_bytes_;
    return true;
}

bool merged_run::prepend(const bio& previous) noexcept {
    merged_run whole(previous);
    if (!whole.append(*this))
        return false;
    *this = whole;
    return true;
}

} // namespace blkcrypto
