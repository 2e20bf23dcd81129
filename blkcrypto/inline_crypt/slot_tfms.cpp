// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/inline_crypt/slot_tfms.hpp"

#include "blkcrypto/base/log.hpp"

#include <cerrno>
#include <cstdio>

namespace blkcrypto {
namespace {

constexpr lock_class adding_lock{"slot_tfms.adding"};
constexpr allocation_class tfm_memory{"tfm"};
constexpr std::size_t tfm_bytes_estimate = 2048; // for the allocation hook only

void warn_missing(const crypto_mode_info& mode) noexcept {
    static std::array<warn_once, crypto_mode_count> warned;
    std::array<char, 96> line;
    const int length = std::snprintf(line.data(), line.size(), "Missing crypto API support for \"%.*s\"",
                                     static_cast<int>(mode.cipher_str.size()), mode.cipher_str.data());
    warned[mode_index(mode.mode)]({line.data(), static_cast<std::size_t>(length)});
}

} // namespace

slot_tfms::slot_tfms(unsigned num_slots, unsigned lanes, secret&& scratch_key)
    : lanes_(lanes), adding_(adding_lock), keyed_mode_(num_slots, crypto_mode::invalid),
      scratch_key_(std::move(scratch_key)) {}

result<std::unique_ptr<slot_tfms>> slot_tfms::make(unsigned num_slots, unsigned lanes) {
    auto scratch_key = secret::make(raw_key_size_max_bytes);
    if (scratch_key.has_error())
        return make_error(ENOMEM);
    return or_no_memory([&]() -> result<std::unique_ptr<slot_tfms>> {
        return std::unique_ptr<slot_tfms>(new slot_tfms(num_slots, lanes, std::move(*scratch_key)));
    });
}

std::error_code slot_tfms::add_mode(env& e, crypto_mode mode) {
    if (find_mode(mode) == nullptr)
        return make_error(EINVAL);
    if (has_mode(mode))
        return {};
    const env_lock lock(e, adding_);
    if (has_mode(mode))
        return {};
    auto row = or_no_memory([&] { return make_row(e, mode); });
    if (row.has_error()) {
        if (row.error().value() == ENOPKG)
            warn_missing(*find_mode(mode));
        return row.error();
    }
    tfms_[mode_index(mode)] = std::move(*row);
    added_[mode_index(mode)].store(true, std::memory_order_release);
    return {};
}

result<slot_tfms::tfm_row> slot_tfms::make_row(env& e, crypto_mode mode) const {
    tfm_row row;
    row.reserve(keyed_mode_.size());
    for (std::size_t slot = 0; slot < keyed_mode_.size(); ++slot) {
        if (!e.allow_allocation(tfm_memory, tfm_bytes_estimate))
            return make_error(ENOMEM);
        auto tfm = make_skcipher(mode, lanes_);
        if (tfm.has_error())
            return tfm.error();
        row.push_back(std::move(*tfm));
    }
    return row;
}

std::error_code slot_tfms::keyslot_program(const key_request& key, keyslot_index slot,
                                           acquire_context& asker) noexcept {
    return set_key(key, slot, asker.environment, asker.stamps);
}

std::error_code slot_tfms::set_key(const key_request& key, keyslot_index slot, env& clock,
                                   bio_stamps* stamps) noexcept {
    const auto enter = [&](bio_stage stage) {
        if (stamps != nullptr) [[unlikely]]
            stamps->enter(stage, clock.now_ns());
    };
    const crypto_mode mode = key.config().mode;
    crypto_mode& keyed = keyed_mode_[slot.value];
    if (keyed != mode)
        blank(slot);
    enter(bio_stage::derive);
    std::error_code error = key.derive(scratch_key_);
    enter(bio_stage::setkey);
    if (!error)
        error = tfms_[mode_index(mode)][slot.value]->setkey(scratch_key_.bytes());
    scratch_key_.wipe();
    wipe_vector_registers();
    keyed = mode;
    if (error)
        blank(slot);
    return error;
}

std::error_code slot_tfms::keyslot_evict(env&, const key_request*, keyslot_index slot) noexcept {
    blank(slot);
    return {};
}

void slot_tfms::keyslots_lost() noexcept {
    for (std::uint32_t slot = 0; slot < keyed_mode_.size(); ++slot)
        blank({slot});
}

void slot_tfms::blank(keyslot_index slot) noexcept {
    crypto_mode& keyed = keyed_mode_[slot.value];
    if (keyed == crypto_mode::invalid)
        return;
    tfms_[mode_index(keyed)][slot.value]->forget();
    keyed = crypto_mode::invalid;
}

} // namespace blkcrypto
