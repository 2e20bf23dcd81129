// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/keyring.hpp"

#include "blkcrypto/base/log.hpp"

#include <algorithm>
#include <cassert>
#include <cstdio>

namespace blkcrypto::fsdemo {
namespace {

key_identifier identify(const hkdf_sha512& hkdf) noexcept {
    key_identifier identifier;
    derive(hkdf, hkdf_context::key_identifier_for_raw_key, {}, identifier);
    return identifier;
}

template <typename Keys>
auto find_key(Keys& keys, const key_identifier& identifier) noexcept {
    return std::ranges::find_if(keys, [&](const auto& key) { return key->identifier() == identifier; });
}

bool contains(const std::vector<user_id>& users, user_id user) noexcept {
    return std::ranges::find(users, user) != users.end();
}

void log_too_short(const master_key& key, std::size_t needed_bytes) noexcept {
    std::array<char, 2 * sizeof(key_identifier) + 1> digits;
    for (std::size_t i = 0; i < sizeof(key_identifier); ++i)
        std::snprintf(&digits[2 * i], 3, "%02x", std::to_integer<unsigned>(key.identifier()[i]));
    std::array<char, 160> line;
    std::snprintf(line.data(), line.size(),
                  "fscrypt: key with identifier %s is too short (got %zu bytes, need %zu+ bytes)",
                  digits.data(), key.size_bytes(), needed_bytes);
    log_warning(line.data());
}

} // namespace

master_key_ref::~master_key_ref() {
    if (key_ != nullptr)
        ring_->put(*key_);
}

keyring::~keyring() {
    forget_all();
}

void keyring::forget_all() noexcept {
    while (!keys_.empty()) {
        assert(keys_.back()->is_present_ && keys_.back()->active_refs_ == 1);
        put(*keys_.back());
    }
}

result<key_identifier> keyring::add(bytes_view raw_key, user_id user) {
    if (raw_key.size() < master_key_bytes_min || raw_key.size() > master_key_bytes_max)
        return make_error(EINVAL);
    auto hkdf = hkdf_sha512::make(raw_key);
    if (!hkdf.has_value())
        return hkdf.error();
    const key_identifier identifier = identify(*hkdf);
    return or_no_memory([&]() -> result<key_identifier> {
        const auto known = find(identifier);
        if (known != keys_.end())
            claim(**known, user);
        else
            insert(std::move(*hkdf), identifier, raw_key.size(), user);
        return identifier;
    });
}

void keyring::insert(hkdf_sha512&& hkdf, const key_identifier& identifier, std::size_t size_bytes,
                     user_id user) {
    std::unique_ptr<master_key> key(new master_key(std::move(hkdf), identifier, size_bytes));
    key->users_.push_back(user);
    keys_.push_back(std::move(key));
}

// An incompletely removed key still has its secret.
void keyring::claim(master_key& key, user_id user) {
    if (!contains(key.users_, user))
        key.users_.push_back(user);
    if (!std::exchange(key.is_present_, true))
        ++key.active_refs_;
}

result<keyring::removal> keyring::remove(const key_identifier& identifier, user_id user) {
    const auto found = find(identifier);
    if (found == keys_.end())
        return make_error(ENOKEY);
    master_key& key = **found;
    if (!key.users_.empty() && std::erase(key.users_, user) == 0)
        return make_error(ENOKEY);
    return remove_claimed(key);
}

result<keyring::removal> keyring::remove_all_users(const key_identifier& identifier) {
    const auto found = find(identifier);
    if (found == keys_.end())
        return make_error(ENOKEY);
    (*found)->users_.clear();
    return remove_claimed(**found);
}

key_status keyring::status(const key_identifier& identifier) const noexcept {
    const auto found = find_key(keys_, identifier);
    if (found == keys_.end())
        return key_status::absent;
    return (*found)->is_present() ? key_status::present : key_status::incompletely_removed;
}

bool keyring::has_claim(const key_identifier& identifier, user_id user) const noexcept {
    const auto found = find_key(keys_, identifier);
    return found != keys_.end() && contains((*found)->users_, user);
}

result<master_key_ref> keyring::get(const key_identifier& identifier, std::size_t security_strength_bytes) {
    const auto found = find(identifier);
    if (found == keys_.end() || !(*found)->is_present())
        return make_error(ENOKEY);
    master_key& key = **found;
    if (!is_valid_master_key_size(key.size_bytes(), security_strength_bytes)) {
        log_too_short(key, security_strength_bytes);
        return make_error(ENOKEY);
    }
    ++key.active_refs_;
    return master_key_ref(*this, key);
}

std::vector<std::unique_ptr<master_key>>::iterator keyring::find(const key_identifier& identifier) noexcept {
    return find_key(keys_, identifier);
}

keyring::removal keyring::remove_claimed(master_key& key) noexcept {
    if (!key.users_.empty())
        return {.other_users = true};
    if (!key.is_present_)
        return {.files_busy = true};
    key.is_present_ = false;
    const bool files_busy = key.active_refs_ > 1;
    put(key);
    return {.files_busy = files_busy};
}

void keyring::put(master_key& key) noexcept {
    if (--key.active_refs_ != 0)
        return;
    if (observer_ != nullptr)
        observer_->secret_wiped(key);
    key.hkdf_.wipe();
    keys_.erase(find(key.identifier()));
}

} // namespace blkcrypto::fsdemo
