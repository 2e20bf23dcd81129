// SPDX-License-Identifier: Apache-2.0
#include "tests/support/random_bytes.hpp"

#include <algorithm>
#include <cstring>

namespace blkcrypto::test {
namespace {

unsigned digit_value(char digit) {
    return static_cast<unsigned>(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
}

} // namespace

std::uint64_t random_source::next() noexcept {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
}

void random_source::fill(bytes_span bytes) noexcept {
    while (!bytes.empty()) {
        const std::uint64_t value = next();
        const std::size_t count = std::min(bytes.size(), sizeof(value));
        std::memcpy(bytes.data(), &value, count);
        bytes = bytes.subspan(count);
    }
}

std::vector<std::byte> random_bytes(std::size_t size_bytes, std::uint64_t seed) {
    std::vector<std::byte> bytes(size_bytes);
    random_source(seed).fill(bytes);
    return bytes;
}

std::vector<std::byte> counting_bytes(std::size_t size_bytes) {
    std::vector<std::byte> bytes(size_bytes);
    for (std::size_t i = 0; i < size_bytes; ++i)
        bytes[i] = static_cast<std::byte>(i & 0xff);
    return bytes;
}

std::vector<std::byte> from_hex(const char* digits) {
    std::vector<std::byte> bytes(std::strlen(digits) / 2);
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::byte>(digit_value(digits[2 * i]) * 16 + digit_value(digits[2 * i + 1]));
    return bytes;
}

} // namespace blkcrypto::test
