// SPDX-License-Identifier: Apache-2.0
#pragma once
// The key of an extent (struct fscrypt_extent_info and its blk_crypto_key), and the cache of them: derived
// from a master key and the extent's nonce when it is first needed, kept while there is room, found again by
// (master key, nonce, mode). The cache has a fixed number of places, all made up front: deriving a key
// allocates nothing (property 70), so it may be done in the I/O path.
//
// Whoever uses a key holds a reference; the one not used for longest makes room. A key leaves every keyslot
// before its place is used for another, and all keys of a master key leave when its secret is wiped.

#include "fsdemo/crypto_door.hpp"
#include "fsdemo/keyring.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace blkcrypto::fsdemo {

class extent_crypt_info final : public key_request {
  public:
    extent_crypt_info(const crypto_config& config, const secret& bytes, std::uint32_t place) noexcept
        : key_request(config), bytes_(bytes), place_(place) {}

    std::error_code derive(secret& into) const noexcept override;

  private:
    friend class extent_keys;
    const secret& bytes_; // its place's
    const std::uint32_t place_;
};

struct extent_key_counters {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;    // derived
    std::uint64_t evictions = 0; // of them, in the place of another
};

class extent_keys final : public wipe_observer {
  public:
    /// EINVAL for no places. ENOMEM. The keyring tells it of wiped secrets: keyring::set_observer().
    static result<std::unique_ptr<extent_keys>> make(const crypto_door& door, unsigned capacity);
    /// No key is in use.
    ~extent_keys();

    struct grant {
        extent_crypt_info* key = nullptr; // null without an error: all places are in use, ask again later
        std::error_code error;            // of start_using_key()
    };
    /// Allocates nothing. The key is in use until put().
    grant get(const master_key& master, const crypto_nonce& nonce, const crypto_config& config) noexcept;
    void put(extent_crypt_info& key) noexcept;

    void secret_wiped(const master_key& master) noexcept override;

    unsigned capacity() const noexcept { return static_cast<unsigned>(places_.size()); }
    unsigned in_use() const noexcept { return in_use_; }
    const extent_key_counters& counters() const noexcept { return counters_; }

  private:
    static constexpr std::uint32_t none = UINT32_MAX;

    struct place {
        secret bytes;
        std::optional<extent_crypt_info> key; // none: free
        const master_key* master = nullptr;
        crypto_nonce nonce{};
        unsigned references = 0;
        std::uint32_t next_in_bucket = none;
        // Of those not in use, which are in the order of their last use; free ones are first.
        std::uint32_t older = none;
        std::uint32_t newer = none;
    };

    extent_keys(const crypto_door& door, std::vector<place>&& places);
    std::uint32_t& bucket_of(const crypto_nonce& nonce) noexcept;
    std::uint32_t find(const master_key& master, const crypto_nonce& nonce, crypto_mode mode) noexcept;
    void vacate(std::uint32_t index) noexcept;
    std::error_code move_in(std::uint32_t index, const master_key& master, const crypto_nonce& nonce,
                            const crypto_config& config) noexcept;
    void take_from_idle(std::uint32_t index) noexcept;
    void put_idle_last(std::uint32_t index) noexcept;
    void put_idle_first(std::uint32_t index) noexcept;

    const crypto_door door_;
    std::vector<place> places_;
    std::vector<std::uint32_t> buckets_;
    std::uint32_t oldest_ = none;
    std::uint32_t newest_ = none;
    unsigned in_use_ = 0;
    extent_key_counters counters_;
};

} // namespace blkcrypto::fsdemo
