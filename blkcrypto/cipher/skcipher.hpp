// SPDX-License-Identifier: Apache-2.0
#pragma once
// A tfm: one instance of a length-preserving cipher, which can be given a key. Once keyed it is const and any
// number of threads may use it at once; setkey() is for a moment when nobody does.
//
// All data units of a call are consecutive: each has the next IV of a sequence, a 256-bit integer of which
// the cipher uses the first iv_size_bytes in little-endian order (a DUN becomes an IV in exactly this way).
//
// Who calls it: whoever holds a keyed tfm of a keyslot or a pool. Which implementation is behind it is chosen
// once per mode, newest first, the first that this CPU can run and that passes its self-test.

#include "blkcrypto/base/bytes.hpp"
#include "blkcrypto/base/result.hpp"
#include "blkcrypto/base/units.hpp"
#include "blkcrypto/cipher/cpu_features.hpp"
#include "blkcrypto/cipher/crypto_mode.hpp"
#include "blkcrypto/cipher/iv_sequence.hpp"

#include <memory>
#include <span>
#include <vector>

namespace blkcrypto {

/// A stretch of data to be crypted: the same length at both ends, in place if they are the same address; they
/// must not overlap otherwise. No initializers: arrays of them are made on the I/O path.
struct cipher_segment {
    const std::byte* source;
    std::byte* target;
    std::size_t length_bytes;
};

/// Consecutive data units, as an implementation is given them.
struct unit_run {
    const iv_sequence& ivs;
    data_unit_size unit_size;
    std::uint64_t units;                      // in all segments together, at least one
    std::span<const cipher_segment> segments; // each is a whole number of units, which may be none
};

enum class cipher_direction : std::uint8_t { encrypt, decrypt };

/// What a thread brings along to use tfms: a number that keeps it apart from other threads where an
/// implementation needs state of its own for each, and memory for a data unit that is scattered. Belongs to
/// one thread at a time.
class cipher_lane {
  public:
    /// Allocates the scratch memory.
    explicit cipher_lane(unsigned index) : index_(index), scratch_(data_unit_size::max_bytes) {}

    unsigned index() const noexcept { return index_; }
    bytes_span scratch() noexcept { return scratch_; }

  private:
    unsigned index_;
    std::vector<std::byte> scratch_;
};

class skcipher {
  public:
    virtual ~skcipher() = default;

    /// Keys both directions; what was there before is overwritten. Allocates nothing.
    /// EINVAL: a length other than the mode's, or XTS with two equal halves; the key before stays then.
    virtual std::error_code setkey(bytes_view key) noexcept = 0;

    /// Zeroizes what setkey() left: as before the first one. For a moment when nobody uses it, as setkey().
    virtual void forget() noexcept = 0;

    /// Crypts all segments as one run of whole data units; a unit may continue in the next segment. Cannot
    /// fail: the tfm is keyed and the lengths add up to whole units, or the process ends.
    void crypt(cipher_direction direction, const iv_sequence& ivs, data_unit_size unit_size,
               std::span<const cipher_segment> segments, cipher_lane& lane) const noexcept;

  protected:
    virtual void crypt_units(cipher_direction direction, const unit_run& run,
                             cipher_lane& lane) const noexcept = 0;
};

/// What an implementation cannot be faster than: the instructions of its cipher for so many bytes, alone. For
/// measurements.
struct cipher_limit {
    std::string_view name = {};
    void (*run)(std::uint64_t bytes) noexcept = nullptr; // null: there is no such code
};

/// A tfm in memory that the caller provides: what a library of functions over expanded keys asks of its users
/// instead of an allocation.
struct placed_cipher {
    static constexpr std::size_t alignment_bytes = 64;
    std::size_t bytes = 0; // how much memory it takes
    /// The tfm begins where the memory does. Nothing is allocated, nothing can fail. It ends with
    /// std::destroy_at(), which zeroizes the expanded key.
    skcipher* (*make_at)(std::byte* memory) noexcept = nullptr; // null: it cannot be had so
};

/// One way to do one mode.
struct skcipher_implementation {
    crypto_mode mode;
    std::string_view name; // its dispatch condition
    /// `lanes`: how many threads are expected to use the tfm at once; more are correct, but may wait for each
    /// other.
    result<std::unique_ptr<skcipher>> (*make)(unsigned lanes);
    cpu_feature_set needs = {}; // where the processor lacks one it is passed over
    cipher_limit limit = {};
    std::string_view library = {}; // whose cipher it is; empty: ours
    std::size_t tfm_bytes = 0;     // about how much memory a tfm takes, of a library's cipher for each lane
    placed_cipher placed = {};
};

/// All that this build has, newest first within a mode.
std::span<const skcipher_implementation> skcipher_implementations() noexcept;

/// The one make_skcipher() uses for the mode: null if the mode has none. Runs the self-test the first time.
/// ENOMEM.
result<const skcipher_implementation*> select_implementation(crypto_mode mode);
/// For whoever shows it: null also if memory ran out.
const skcipher_implementation* selected_implementation(crypto_mode mode) noexcept;

/// Whether a program could get it: the processor has what it needs, and it passes its self-test, which is run
/// once and said to fail once. ENOPKG if not, ENOMEM if that cannot be said now.
std::error_code check_usable(const skcipher_implementation& implementation) noexcept;

/// About how much memory a tfm of the mode takes; 0 if the mode has no implementation here.
std::size_t tfm_bytes(crypto_mode mode, unsigned lanes) noexcept;

/// An unkeyed tfm. ENOPKG: the mode has no implementation here. ENOMEM.
result<std::unique_ptr<skcipher>> make_skcipher(crypto_mode mode, unsigned lanes);

} // namespace blkcrypto
