// SPDX-License-Identifier: Apache-2.0
#pragma once
// Key bytes. A secret owns up to 128 bytes (the largest key blk-crypto knows, a hardware-wrapped one) in
// memory that core dumps leave out, that is locked as far as RLIMIT_MEMLOCK allows, and that is zeroized
// before it is given back. It can be moved, not copied, and has no way to be printed.

#include "blkcrypto/base/bytes.hpp"
#include "blkcrypto/base/result.hpp"

#include <cstddef>

namespace blkcrypto {

/// Overwrites memory with zeros in a way the compiler may not remove.
void zeroize(bytes_span memory) noexcept;

/// Clears the vector registers, in which the last copy of a key leaves bytes: whoever saves them next, such
/// as the dynamic linker at the first call of a function, puts those on the stack. For the end of whatever
/// copies keys or expands them.
void wipe_vector_registers() noexcept;

/// Overwrites so much of the stack below its caller: what functions that it called before have left there, as
/// compilers put on the stack what they have no register for. `Bytes` are more than those take.
template <std::size_t Bytes>
[[gnu::noinline]] void wipe_stack() noexcept {
    std::byte below[Bytes];
    zeroize(below);
}

class secret {
  public:
    static constexpr std::size_t capacity = 128;

    /// An empty secret: owns no memory.
    secret() noexcept = default;

    /// Memory for `capacity` bytes, `size_bytes` of which count, all zero. EINVAL above the capacity, ENOMEM.
    static result<secret> make(std::size_t size_bytes);

    /// make() and a copy of `bytes`; the caller still has to zeroize its own.
    static result<secret> copy_of(bytes_view bytes);

    secret(secret&& other) noexcept;
    secret& operator=(secret&& other) noexcept;
    secret(const secret&) = delete;
    secret& operator=(const secret&) = delete;
    ~secret();

    std::size_t size_bytes() const noexcept { return size_; }
    bytes_view bytes() const noexcept { return {cell_, size_}; }
    bytes_span writable() noexcept { return {cell_, size_}; }

    /// Changes how many bytes count; new ones are zero. False if they do not fit or there is no memory behind
    /// it.
    bool resize(std::size_t size_bytes) noexcept;

    /// Zeroizes all bytes; the memory stays for reuse.
    void wipe() noexcept;

  private:
    void release() noexcept;

    std::byte* cell_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace blkcrypto
