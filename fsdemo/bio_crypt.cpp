// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/bio_crypt.hpp"

namespace blkcrypto::fsdemo {
namespace {

dun dun_at(const key_request& info, std::uint64_t offset_bytes) noexcept {
    return dun(info.config().unit_size.units_in(offset_bytes));
}

} // namespace

void set_bio_crypt_ctx(bio& b, const key_request* info, std::uint64_t offset_bytes) noexcept {
    if (info != nullptr)
        b.set_crypt_ctx(*info, dun_at(*info, offset_bytes));
}

bool mergeable_bio(const bio& b, const key_request* info, std::uint64_t offset_bytes) noexcept {
    if (!b.crypt || info == nullptr)
        return !b.crypt && info == nullptr;
    return b.crypt.key == info && b.crypt.first_dun.is_contiguous(b.iter.size_bytes, info->config().unit_size,
                                                                  dun_at(*info, offset_bytes));
}

} // namespace blkcrypto::fsdemo
