// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is kept of an extent while its key is in use, and for as long as there is room after that (struct
// fscrypt_extent_info and its blk_crypto_key): who it is, by master key, nonce and mode, and what the
// key_strategy in use has of it. Its address is the identity that the block layer knows the key by.
//
// A fixed number of infos, all made up front: in the I/O path they allocate nothing (property 70). Whoever
// uses one holds a reference; the one not used for longest makes room. A key leaves every keyslot and pool
// before its info is used for another, and all infos under a master key go when its secret is wiped.

#include "fsdemo/crypto_door.hpp"
#include "fsdemo/derived_keys.hpp"
#include "fsdemo/extent_memory.hpp"
#include "fsdemo/file_crypt_info.hpp"
#include "fsdemo/module_loader.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <vector>

namespace blkcrypto::fsdemo {

class extent_keys;

class extent_crypt_info final : public key_request {
  public:
    extent_crypt_info(const crypto_config& config, const master_key& master, const crypto_nonce& nonce,
                      file_crypt_info* file, bytes_span memory, extent_keys& keys,
                      std::uint32_t place) noexcept
        : key_request(config), master_(master), nonce_(nonce), file_(file), memory_(memory), keys_(keys),
          place_(place) {}

    const master_key& master() const noexcept { return master_; }
    const crypto_nonce& nonce() const noexcept { return nonce_; }
    /// Null: it belongs to no file (strategy_traits).
    file_crypt_info* file() const noexcept { return file_; }

    /// HKDF-expands it, or copies it if the filesystem keeps derived keys and has this one. Neither fails by
    /// itself: EIO is a test's, in place of whatever derives keys and can.
    std::error_code derive(secret& into) const noexcept override;

    // --- for the key_strategy in use, which alone touches them ---

    mutable void* of_strategy = nullptr; // null at first; the strategy's evict() takes back what is there
    /// As much as key_strategy::extent_memory_bytes() says, aligned to 64 bytes; zeros, or what the last
    /// extent it served left. Gone with the info, after evict().
    bytes_span memory() const noexcept { return memory_; }
    /// To derive into, on the filesystem's thread; whoever did wipes it.
    secret& scratch() const noexcept;
    module_loader& modules() const noexcept;

  private:
    friend class extent_keys;
    const master_key& master_;
    const crypto_nonce nonce_;
    file_crypt_info* const file_;
    const bytes_span memory_;
    extent_keys& keys_;
    const std::uint32_t place_;
};

struct extent_keys_options {
    unsigned capacity = 1024;
    derived_keys* derived = nullptr;  // null: derived anew each time
    module_loader* modules = nullptr; // null: no mode needs one
};

class extent_keys final : public wipe_observer {
  public:
    /// EINVAL for no places. ENOMEM. The keyring tells it of wiped secrets: keyring::set_observer(). What
    /// the options point at outlives it.
    static result<std::unique_ptr<extent_keys>> make(const crypto_door& door,
                                                     const extent_keys_options& options);
    /// No key is in use.
    ~extent_keys();

    struct grant {
        extent_crypt_info* key = nullptr; // null without an error: all places are in use, ask again later
        std::error_code error;            // of start_using_key(); EINVAL: known with another unit size
    };
    /// Allocates nothing. The key is in use until put(). `file`: the open file that it is to belong to.
    grant get(const master_key& master, const crypto_nonce& nonce, const crypto_config& config,
              file_crypt_info* file = nullptr) noexcept;
    void put(extent_crypt_info& key) noexcept;

    /// From now on infos of the mode have the memory that the strategy wants for it. For the time when a file
    /// is opened. ENOMEM.
    std::error_code reserve_memory(crypto_mode mode);

    /// get() for an extent of a file, which keeps it until forget(): there are as many places as are needed.
    /// For the time when a file is opened. ENOMEM.
    result<extent_crypt_info*> pin(const crypto_nonce& nonce, file_crypt_info& file);
    /// All that belong to the file go. Nothing of it is in use but what it keeps itself.
    void forget(file_crypt_info& file) noexcept;

    void secret_wiped(const master_key& master) noexcept override;

    unsigned capacity() const noexcept { return index_.size(); }
    /// The memory that so many infos take, without what comes with them for a strategy.
    static constexpr std::uint64_t bytes_for(std::uint64_t capacity) noexcept {
        return capacity * sizeof(place) + nonce_index::bytes_for(capacity);
    }
    unsigned in_use() const noexcept { return in_use_; }
    const cache_counters& counters() const noexcept { return counters_; }

  private:
    friend class extent_crypt_info;
    static constexpr std::uint32_t none = nonce_index::none;
    static constexpr unsigned grown_at_once = 256;

    struct place {
        std::optional<extent_crypt_info> key; // none: free
        unsigned references = 0;
        bool is_pinned = false; // one of the references is its file's
        // Of those that belong to the same file.
        std::uint32_t previous_of_file = none;
        std::uint32_t next_of_file = none;
    };

    extent_keys(const crypto_door& door, const extent_keys_options& options, secret&& scratch);
    std::error_code grow(unsigned count);
    void account() noexcept;
    std::error_code reserve_in_modes(unsigned count);
    std::uint32_t find(const master_key& master, const crypto_nonce& nonce, crypto_mode mode,
                       const file_crypt_info* file) const noexcept;
    std::error_code move_in(std::uint32_t index, const master_key& master, const crypto_nonce& nonce,
                            const crypto_config& config, file_crypt_info* file) noexcept;
    void vacate(std::uint32_t index) noexcept;
    void vacate_idle(std::uint32_t index) noexcept;
    void link_to_file(std::uint32_t index) noexcept;
    void unlink_from_file(std::uint32_t index) noexcept;

    const crypto_door door_;
    derived_keys* const derived_;
    module_loader* const modules_;
    secret scratch_;
    extent_memory memory_;
    unsigned places_with_memory_ = 0; // in each mode of memory_; at least as many as the index knows
    std::deque<place> places_;        // whose addresses stay
    nonce_index index_;
    std::uint64_t accounted_bytes_ = 0;
    unsigned in_use_ = 0;
    cache_counters counters_;
};

} // namespace blkcrypto::fsdemo
