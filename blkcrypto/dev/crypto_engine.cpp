// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/crypto_engine.hpp"

#include "blkcrypto/inline_crypt/crypt_segments.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace blkcrypto {
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;
constexpr keyslot_index only_slot{0};
constexpr lock_class engine_gate{"crypto_engine.gate"};

// What the profile says, less the modes this build cannot do.
result<crypto_capabilities> implemented_part(const crypto_capabilities& described) {
    crypto_capabilities can = described;
    for (const auto& mode : crypto_modes()) {
        const auto implementation = select_implementation(mode.mode);
        if (implementation.has_error())
            return implementation.error();
        if (*implementation == nullptr)
            can.unit_sizes[mode_index(mode.mode)] = 0;
    }
    return can;
}

result<std::unique_ptr<slot_tfms>> make_tfms(env& e, const crypto_capabilities& can, unsigned num_slots,
                                             unsigned lanes) {
    auto made = slot_tfms::make(num_slots, lanes);
    if (made.has_error())
        return made.error();
    std::error_code error = make_error(ENOPKG);
    for (const auto& mode : crypto_modes())
        if (can.unit_sizes[mode_index(mode.mode)] != 0) {
            error = (*made)->add_mode(e, mode.mode);
            if (error)
                break;
        }
    if (error)
        return error;
    return std::move(*made);
}

// For whoever asks on nobody's behalf: it never parks.
struct no_waiter final : waiter {
    using waiter::waiter;
    void run(unsigned) noexcept override {}
};

} // namespace

crypto_engine::crypto_engine(const engine_profile& model, const engine_executor& where)
    : model_(model), runs_on_(where.runs_on), ops_(*this), gate_(engine_gate) {
    for (unsigned worker = 0; worker < where.workers; ++worker)
        lanes_.emplace_back(worker);
}

result<std::unique_ptr<crypto_engine>> crypto_engine::make(env& e, const engine_profile& model,
                                                           const engine_executor& where) {
    if (where.workers == 0)
        return make_error(EINVAL);
    return or_no_memory([&]() -> result<std::unique_ptr<crypto_engine>> {
        std::unique_ptr<crypto_engine> made(new crypto_engine(model, where));
        const auto can = implemented_part(model.capabilities);
        if (can.has_error())
            return can.error();
        if (const std::error_code error = made->make_slots(e, *can, where.workers))
            return error;
        auto profile = crypto_profile::make(e, *can, model.keyslots, made->ops_);
        if (profile.has_error())
            return profile.error();
        made->profile_ = std::move(*profile);
        return made;
    });
}

std::error_code crypto_engine::make_slots(env& e, const crypto_capabilities& can, unsigned workers) {
    if (model_.keyslots != 0) {
        auto slots = make_tfms(e, can, model_.keyslots, workers);
        if (slots.has_error())
            return slots.error();
        slots_ = std::move(*slots);
        return {};
    }
    for (unsigned worker = 0; worker < workers; ++worker) {
        auto tfms = make_tfms(e, can, 1, 1);
        if (tfms.has_error())
            return tfms.error();
        command_keys_.push_back({std::move(*tfms)});
    }
    return {};
}

// --- crypting ---

blk_status crypto_engine::crypt(const engine_work& work, unsigned worker) noexcept {
    const auto tfm = tfm_for(work, worker);
    if (tfm.has_error())
        return to_blk_status(tfm.error());
    const data_unit_size unit_size = work.source.crypt.unit_size();
    cipher_lane& lane = lanes_[worker];
    if (work.source.op == bio_op::write_zeroes) {
        crypt_zeros(**tfm, unit_size, work.at, work.at_dun, {work.target, work.bytes}, lane);
    } else {
        const auto direction =
            work.source.op == bio_op::write ? cipher_direction::encrypt : cipher_direction::decrypt;
        crypt_segments(**tfm, direction, unit_size, work.source.segments, work.at, work.at_dun, work.bytes,
                       work.target, lane);
    }
    return blk_status::ok;
}

result<const skcipher*> crypto_engine::tfm_for(const engine_work& work, unsigned worker) noexcept {
    const key_request& key = *work.source.crypt.key;
    if (slots_ != nullptr) {
        if (!slots_->holds_key(work.slot))
            return make_error(EIO);
        return &slots_->tfm(work.slot, key.config().mode);
    }
    command_key& mine = command_keys_[worker];
    if (mine.key != &key) {
        mine.key = nullptr;
        if (const std::error_code error = mine.tfms->set_key(key, only_slot, work.clock, work.stamps))
            return error;
        if (work.stamps != nullptr)
            work.stamps->enter(bio_stage::cipher, work.clock.now_ns());
        mine.key = &key;
    }
    return &mine.tfms->tfm(only_slot, key.config().mode);
}

// Where the key came with the command: after the batch its owner may free it.
void crypto_engine::forget_key_of(unsigned worker) noexcept {
    if (command_keys_.empty() || command_keys_[worker].key == nullptr)
        return;
    command_keys_[worker].key = nullptr;
    command_keys_[worker].tfms->blank(only_slot);
}

// --- keyslots ---

std::error_code crypto_engine::slot_ops::keyslot_program(const key_request& key, keyslot_index slot,
                                                         acquire_context& asker) noexcept {
    engine.take_time(asker.environment, engine.model_.costs.program_ns);
    return engine.slots_->keyslot_program(key, slot, asker);
}

// An engine without slots keeps no key that it could forget.
std::error_code crypto_engine::slot_ops::keyslot_evict(env& e, const key_request* key,
                                                       keyslot_index slot) noexcept {
    if (engine.slots_ == nullptr)
        return {};
    engine.take_time(e, engine.model_.costs.evict_ns);
    return engine.slots_->keyslot_evict(e, key, slot);
}

void crypto_engine::slot_ops::keyslots_lost() noexcept {
    engine.slots_->keyslots_lost();
}

std::error_code crypto_engine::reset(env& e) noexcept {
    no_waiter nobody(e);
    keyslot_counters not_counted;
    acquire_context asker{e, nobody, not_counted};
    const plain_lock lock(gate_);
    ++resets_waiting_;
    while (batches_running_ != 0)
        gate_changed_.wait(gate_);
    --resets_waiting_;
    take_time(e, model_.costs.reset_ns);
    const std::error_code error = profile_->reprogram_all_keys(asker);
    gate_changed_.notify_all();
    return error;
}

void crypto_engine::begin_batch() noexcept {
    const plain_lock lock(gate_);
    while (resets_waiting_ != 0)
        gate_changed_.wait(gate_);
    ++batches_running_;
}

void crypto_engine::end_batch() noexcept {
    const plain_lock lock(gate_);
    if (--batches_running_ == 0 && resets_waiting_ != 0)
        gate_changed_.notify_all();
}

// --- modelled time ---

void crypto_engine::take_time(env& e, std::uint64_t cost_ns) noexcept {
    if (e.has_virtual_clock())
        busy_until_ns_ = std::max(e.now_ns(), busy_until_ns_) + cost_ns;
}

std::uint64_t crypto_engine::finish_time(std::uint64_t now_ns, std::uint64_t bytes) noexcept {
    std::uint64_t cost_ns = 0;
    if (model_.costs.bandwidth_bytes_per_s != 0)
        cost_ns = bytes * ns_per_s / model_.costs.bandwidth_bytes_per_s;
    busy_until_ns_ = std::max(now_ns, busy_until_ns_) + cost_ns;
    return busy_until_ns_;
}

} // namespace blkcrypto
