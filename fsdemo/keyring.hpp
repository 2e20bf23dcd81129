// SPDX-License-Identifier: Apache-2.0
#pragma once
// The master keys of a mounted filesystem (fs/crypto/keyring.c, struct fscrypt_master_key): who has added
// which, and what still uses them. A key is found by its identifier, which is derived from it.
//
// A key is absent, present, or incompletely removed: removed while files are open. Those go on, and derive
// keys for new extents, until the last is closed; only then is the secret gone (the rule of the per-extent
// series; upstream wipes it at once). Whoever keeps keys derived from a secret hears of its end.
//
// For one thread, that of the filesystem. It allocates when a key is added, never when one is used.

#include "fsdemo/key_derivation.hpp"
#include "fsdemo/policy.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace blkcrypto::fsdemo {

/// FSCRYPT_KEY_STATUS_.
enum class key_status : std::uint8_t { absent = 1, present = 2, incompletely_removed = 3 };

/// Whoever adds a key claims it; it stays until the last claim is gone.
using user_id = std::uint32_t;

class master_key {
  public:
    const key_identifier& identifier() const noexcept { return identifier_; }
    std::size_t size_bytes() const noexcept { return size_bytes_; }
    /// Not removed. Only setting up a file asks: an extent of an open file does not (property 66).
    bool is_present() const noexcept { return is_present_; }

    /// As fsdemo::derive(). While a master_key_ref is held.
    void derive(hkdf_context context, bytes_view info, bytes_span out) const noexcept {
        fsdemo::derive(hkdf_, context, info, out);
    }

  private:
    friend class keyring;
    master_key(hkdf_sha512&& hkdf, const key_identifier& identifier, std::size_t size_bytes) noexcept
        : hkdf_(std::move(hkdf)), identifier_(identifier), size_bytes_(size_bytes) {}

    hkdf_sha512 hkdf_;
    const key_identifier identifier_;
    std::size_t size_bytes_;
    bool is_present_ = true;
    unsigned active_refs_ = 1; // one for being present, one for each master_key_ref
    std::vector<user_id> users_;
};

/// Told before the secret of a key is wiped.
class wipe_observer {
  public:
    /// Everything derived from it has to go. Nothing derived from it is in use: no file is open.
    virtual void secret_wiped(const master_key& key) noexcept = 0;

  protected:
    ~wipe_observer() = default;
};

class keyring;

/// An open file's hold on its master key (mk_active_refs). The last one of a removed key wipes the secret.
class master_key_ref {
  public:
    master_key_ref() noexcept = default;
    master_key_ref(master_key_ref&& other) noexcept
        : ring_(std::exchange(other.ring_, nullptr)), key_(std::exchange(other.key_, nullptr)) {}
    master_key_ref& operator=(master_key_ref&& other) noexcept {
        std::swap(ring_, other.ring_);
        std::swap(key_, other.key_);
        return *this;
    }
    ~master_key_ref();

    explicit operator bool() const noexcept { return key_ != nullptr; }
    const master_key& operator*() const noexcept { return *key_; }
    const master_key* operator->() const noexcept { return key_; }

  private:
    friend class keyring;
    master_key_ref(keyring& ring, master_key& key) noexcept : ring_(&ring), key_(&key) {}
    keyring* ring_ = nullptr;
    master_key* key_ = nullptr;
};

class keyring {
  public:
    keyring() = default;
    keyring(const keyring&) = delete;
    keyring& operator=(const keyring&) = delete;
    /// No master_key_ref is left. All secrets are wiped, of which the observer is told.
    ~keyring();

    /// At most one; null: none. It outlives the keyring or is taken back in time.
    void set_observer(wipe_observer* observer) noexcept { observer_ = observer; }

    /// FS_IOC_ADD_ENCRYPTION_KEY: the identifier. The bytes stay the caller's to zeroize. Adding again is
    /// idempotent for a user, and a claim for another; an incompletely removed key is revived. EINVAL: not 16
    /// to 64 bytes. ENOMEM.
    result<key_identifier> add(bytes_view raw_key, user_id user = 0);

    struct removal {
        bool files_busy = false;  // FSCRYPT_KEY_REMOVAL_STATUS_FLAG_FILES_BUSY: incompletely removed
        bool other_users = false; // ..._OTHER_USERS: their claims keep the key
    };
    /// FS_IOC_REMOVE_ENCRYPTION_KEY. ENOKEY: no such key, or no claim of this user on it. A key that is
    /// incompletely removed may be removed again: it says whether files are still busy.
    result<removal> remove(const key_identifier& identifier, user_id user = 0);
    /// FS_IOC_REMOVE_ENCRYPTION_KEY_ALL_USERS.
    result<removal> remove_all_users(const key_identifier& identifier);

    /// No master_key_ref is left: all keys go, whoever has claims on them.
    void forget_all() noexcept;

    /// FS_IOC_GET_ENCRYPTION_KEY_STATUS.
    key_status status(const key_identifier& identifier) const noexcept;
    bool has_claim(const key_identifier& identifier, user_id user) const noexcept;

    /// For setting up a file (setup_file_encryption_key()): ENOKEY if the key is absent or not present any
    /// more, or shorter than `security_strength_bytes`; the last with one line in the log.
    result<master_key_ref> get(const key_identifier& identifier, std::size_t security_strength_bytes);

  private:
    friend class master_key_ref;
    std::vector<std::unique_ptr<master_key>>::iterator find(const key_identifier& identifier) noexcept;
    void insert(hkdf_sha512&& hkdf, const key_identifier& identifier, std::size_t size_bytes, user_id user);
    void claim(master_key& key, user_id user);
    removal remove_claimed(master_key& key) noexcept;
    void put(master_key& key) noexcept;

    std::vector<std::unique_ptr<master_key>> keys_;
    wipe_observer* observer_ = nullptr;
};

} // namespace blkcrypto::fsdemo
