// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/extent_memory.hpp"

#include "blkcrypto/base/secret.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/mman.h>
#include <utility>

namespace blkcrypto::fsdemo {

result<secret_pages> secret_pages::make(std::size_t bytes) {
    if (bytes == 0)
        return secret_pages({});
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
    void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (mapped == MAP_FAILED)
        return make_error(ENOMEM);
    (void)madvise(mapped, bytes, MADV_DONTDUMP); // best effort; programs have no core dumps besides
    return secret_pages({static_cast<std::byte*>(mapped), bytes});
}

secret_pages::secret_pages(secret_pages&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

secret_pages& secret_pages::operator=(secret_pages&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
}

secret_pages::~secret_pages() {
    if (bytes_.empty())
        return;
    zeroize(bytes_);
    (void)munmap(bytes_.data(), bytes_.size());
}

std::error_code extent_memory::add_mode(crypto_mode mode, std::size_t each_bytes, std::uint32_t count) {
    auto pages = secret_pages::make(each_bytes * count);
    if (!pages)
        return pages.error();
    mode_memory& of_mode = of_mode_[mode_index(mode)];
    of_mode.chunks.push_back({0, std::move(*pages)});
    of_mode.each_bytes = each_bytes;
    return {};
}

std::error_code extent_memory::grow(std::uint32_t before, std::uint32_t count) {
    for (mode_memory& of_mode : of_mode_) // throws before there is anything to take back
        if (of_mode.chunks.size() == of_mode.chunks.capacity())
            of_mode.chunks.reserve(2 * of_mode.chunks.size());
    std::error_code error;
    for (mode_memory& of_mode : of_mode_) {
        if (of_mode.each_bytes == 0 || error)
            continue;
        auto pages = secret_pages::make(of_mode.each_bytes * (count - before));
        if (pages)
            of_mode.chunks.push_back({before, std::move(*pages)});
        else
            error = pages.error();
    }
    if (error)
        for (mode_memory& of_mode : of_mode_)
            std::erase_if(of_mode.chunks,
                          [&](const chunk& c) { return before != 0 && c.first_place == before; });
    return error;
}

bytes_span extent_memory::of(crypto_mode mode, std::uint32_t place) const noexcept {
    const mode_memory& of_mode = of_mode_[mode_index(mode)];
    if (of_mode.each_bytes == 0)
        return {};
    const auto behind = std::ranges::upper_bound(of_mode.chunks, place, {}, &chunk::first_place);
    const chunk& found = *std::prev(behind);
    return found.pages.bytes().subspan((place - found.first_place) * of_mode.each_bytes, of_mode.each_bytes);
}

} // namespace blkcrypto::fsdemo
