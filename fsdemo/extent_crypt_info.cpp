// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/extent_crypt_info.hpp"

#include "fsdemo/key_strategy.hpp"

#include <cassert>
#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

constexpr allocation_class info_memory{"extent_keys"};

/// Why modules may be null there.
class built_in final : public module_loader {
  public:
    acquire_outcome request(crypto_mode, waiter&, blk_status&) noexcept override {
        return acquire_outcome::ready;
    }
    std::error_code load(crypto_mode) override { return {}; }
};
constinit built_in no_modules;

} // namespace

// --- an extent's info ---

std::error_code extent_crypt_info::derive(secret& into) const noexcept {
    if (!into.resize(find_mode(config().mode)->key_size_bytes))
        return make_error(EINVAL);
    if (!keys_.door_.environment.allow_derivation())
        return make_error(EIO);
    if (keys_.derived_ != nullptr)
        keys_.derived_->get(master_, nonce_, config().mode, into.writable());
    else
        master_.derive(hkdf_context::per_extent_enc_key, nonce_, into.writable());
    return {};
}

secret& extent_crypt_info::scratch() const noexcept {
    return keys_.scratch_;
}

module_loader& extent_crypt_info::modules() const noexcept {
    return keys_.modules_ == nullptr ? no_modules : *keys_.modules_;
}

// --- making ---

extent_keys::extent_keys(const crypto_door& door, const extent_keys_options& options, secret&& scratch)
    : door_(door), derived_(options.derived), modules_(options.modules), scratch_(std::move(scratch)) {}

result<std::unique_ptr<extent_keys>> extent_keys::make(const crypto_door& door,
                                                       const extent_keys_options& options) {
    if (options.capacity == 0)
        return make_error(EINVAL);
    auto scratch = secret::make(raw_key_size_max_bytes);
    if (!scratch)
        return scratch.error();
    return or_no_memory([&]() -> result<std::unique_ptr<extent_keys>> {
        std::unique_ptr<extent_keys> made(new extent_keys(door, options, std::move(*scratch)));
        if (const std::error_code error = made->grow(options.capacity))
            return error;
        return made;
    });
}

std::error_code extent_keys::grow(unsigned count) {
    const unsigned before = capacity();
    if (!door_.environment.allow_allocation(info_memory, bytes_for(count) - bytes_for(before)))
        return make_error(ENOMEM);
    places_.resize(count);
    account(); // also where it ends here
    if (const std::error_code error = reserve_in_modes(count))
        return error;
    index_.grow(count); // places it does not know are not there
    account();
    return {};
}

// What they take now.
void extent_keys::account() noexcept {
    if (door_.info_bytes == nullptr)
        return;
    const std::uint64_t bytes = places_.size() * sizeof(place) + index_.bytes();
    *door_.info_bytes += bytes - accounted_bytes_;
    accounted_bytes_ = bytes;
}

// Memory for places that the index then cannot take stays, for the next attempt to take them in.
std::error_code extent_keys::reserve_in_modes(unsigned count) {
    const unsigned before = places_with_memory_;
    if (count <= before)
        return {};
    std::vector<crypto_mode> reserved;
    reserved.reserve(crypto_mode_count);
    std::error_code error;
    for (const auto& mode : crypto_modes()) {
        if (error || !memory_.has(mode.mode))
            continue;
        error = door_.strategy->memory_reserved(door_.environment, mode.mode, count - before);
        if (!error)
            reserved.push_back(mode.mode);
    }
    if (!error)
        error = or_no_memory([&] { return memory_.grow(before, count); });
    if (!error)
        places_with_memory_ = count;
    else
        for (const crypto_mode mode : reserved)
            door_.strategy->memory_released(door_.environment, mode, count - before);
    return error;
}

std::error_code extent_keys::reserve_memory(crypto_mode mode) {
    key_strategy* const strategy = door_.strategy;
    const std::size_t wanted = strategy == nullptr ? 0 : strategy->extent_memory_bytes(mode);
    const std::size_t each_bytes = (wanted + 63) & ~std::size_t{63};
    if (each_bytes == 0 || memory_.has(mode))
        return {};
    if (!door_.environment.allow_allocation(info_memory, places_with_memory_ * each_bytes))
        return make_error(ENOMEM);
    if (const std::error_code error = strategy->memory_reserved(door_.environment, mode, places_with_memory_))
        return error;
    const std::error_code error =
        or_no_memory([&] { return memory_.add_mode(mode, each_bytes, places_with_memory_); });
    if (error)
        strategy->memory_released(door_.environment, mode, places_with_memory_);
    return error;
}

extent_keys::~extent_keys() {
    assert(in_use_ == 0);
    for (std::uint32_t i = 0; i < places_.size(); ++i)
        if (places_[i].key)
            vacate(i);
    for (const auto& mode : crypto_modes())
        if (memory_.has(mode.mode))
            door_.strategy->memory_released(door_.environment, mode.mode, places_with_memory_);
    if (door_.info_bytes != nullptr)
        *door_.info_bytes -= accounted_bytes_;
}

// --- finding ---

std::uint32_t extent_keys::find(const master_key& master, const crypto_nonce& nonce, crypto_mode mode,
                                const file_crypt_info* file) const noexcept {
    for (std::uint32_t i = index_.first_like(nonce); i != none; i = index_.next_like(i)) {
        const extent_crypt_info& key = *places_[i].key;
        if (is_same(key.nonce_, nonce) && &key.master_ == &master && key.config().mode == mode &&
            key.file_ == file)
            return i;
    }
    return none;
}

extent_keys::grant extent_keys::get(const master_key& master, const crypto_nonce& nonce,
                                    const crypto_config& config, file_crypt_info* file) noexcept {
    std::uint32_t index = find(master, nonce, config.mode, file);
    // The same nonce with another unit size is a damaged image, or somebody's copy: never the same key
    // object.
    if (index != none && places_[index].key->config().unit_size != config.unit_size)
        return {nullptr, make_error(EINVAL)};
    if (index != none) {
        ++counters_.hits;
        if (places_[index].references == 0)
            index_.take(index);
    } else {
        index = index_.least_recent();
        if (index == none)
            return {};
        if (const std::error_code error = move_in(index, master, nonce, config, file))
            return {nullptr, error};
        index_.take(index);
    }
    place& p = places_[index];
    in_use_ += p.references == 0 ? 1 : 0;
    ++p.references;
    return {&*p.key, {}};
}

void extent_keys::put(extent_crypt_info& key) noexcept {
    const std::uint32_t index = key.place_;
    place& p = places_[index];
    assert(p.references != 0);
    if (--p.references != 0)
        return;
    --in_use_;
    index_.put_most_recent(index);
}

// --- what files keep ---

result<extent_crypt_info*> extent_keys::pin(const crypto_nonce& nonce, file_crypt_info& file) {
    if (index_.least_recent() == none)
        if (const std::error_code error = grow(capacity() + grown_at_once))
            return error;
    const grant granted = get(*file.master, nonce, file.config, &file);
    if (granted.error)
        return granted.error;
    place& p = places_[granted.key->place_];
    if (std::exchange(p.is_pinned, true))
        put(*granted.key);
    return granted.key;
}

void extent_keys::forget(file_crypt_info& file) noexcept {
    while (file.first_extent_ != none) {
        const std::uint32_t index = file.first_extent_;
        place& p = places_[index];
        if (std::exchange(p.is_pinned, false))
            put(*p.key);
        assert(p.references == 0);
        vacate_idle(index);
    }
}

void extent_keys::link_to_file(std::uint32_t index) noexcept {
    place& p = places_[index];
    if (p.key->file_ == nullptr)
        return;
    p.next_of_file = std::exchange(p.key->file_->first_extent_, index);
    if (p.next_of_file != none)
        places_[p.next_of_file].previous_of_file = index;
}

void extent_keys::unlink_from_file(std::uint32_t index) noexcept {
    place& p = places_[index];
    if (p.key->file_ == nullptr)
        return;
    (p.previous_of_file == none ? p.key->file_->first_extent_ : places_[p.previous_of_file].next_of_file) =
        p.next_of_file;
    if (p.next_of_file != none)
        places_[p.next_of_file].previous_of_file = p.previous_of_file;
    p.previous_of_file = p.next_of_file = none;
}

// --- moving in and out ---

std::error_code extent_keys::move_in(std::uint32_t index, const master_key& master, const crypto_nonce& nonce,
                                     const crypto_config& config, file_crypt_info* file) noexcept {
    place& p = places_[index];
    if (p.key) {
        ++counters_.evictions;
        vacate(index);
    }
    ++counters_.misses;
    p.key.emplace(config, master, nonce, file, memory_.of(config.mode, index), *this, index);
    if (const std::error_code error =
            start_using_key(door_.environment, door_.device, door_.fallback, *p.key)) {
        p.key.reset();
        return error;
    }
    index_.insert(nonce, index);
    link_to_file(index);
    return {};
}

// It goes when no keyslot and no pool has it any more.
void extent_keys::vacate(std::uint32_t index) noexcept {
    place& p = places_[index];
    (void)evict_key(door_.environment, door_.device, door_.fallback, *p.key); // the log has the error
    unlink_from_file(index);
    index_.erase(p.key->nonce_, index);
    p.key.reset();
}

void extent_keys::vacate_idle(std::uint32_t index) noexcept {
    vacate(index);
    index_.take(index);
    index_.put_least_recent(index);
}

void extent_keys::secret_wiped(const master_key& master) noexcept {
    for (std::uint32_t i = 0; i < places_.size(); ++i) {
        if (!places_[i].key || &places_[i].key->master_ != &master)
            continue;
        assert(places_[i].references == 0);
        vacate_idle(i);
    }
    if (derived_ != nullptr)
        derived_->forget(master);
    if (door_.strategy != nullptr)
        door_.strategy->key_removed(door_.environment, master.identifier());
}

} // namespace blkcrypto::fsdemo
