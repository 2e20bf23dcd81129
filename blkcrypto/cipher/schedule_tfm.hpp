// SPDX-License-Identifier: Apache-2.0
#pragma once
// A tfm of this library's own code: an expanded key (a schedule), and the functions of one vector width that
// crypt with it. Who keeps schedules in memory of his own calls the functions, which allocate nothing.

#include "blkcrypto/base/log.hpp"
#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/base/secret_cells.hpp"
#include "blkcrypto/cipher/skcipher.hpp"

#include <cerrno>
#include <new>
#include <type_traits>

namespace blkcrypto {

/// For a processor that has what the width needs; the caller has looked.
template <typename Schedule>
struct schedule_kernels {
    /// Any number of threads may use one schedule at once. `run` has at least one unit. What a call had in
    /// registers and on the stack is wiped before it returns.
    using kernel = void (*)(const Schedule& schedule, const unit_run& run) noexcept;

    kernel encrypt;
    kernel decrypt;
    /// See cipher_limit.
    void (*run_bare_rounds)(std::uint64_t bytes) noexcept;
};

/// A Schedule has `std::error_code setkey(bytes_view key) noexcept`, which leaves it as it was if it refuses
/// the key, and nothing that has to be destroyed. Whoever derives owns the schedule's memory.
template <typename Schedule>
class schedule_cipher : public skcipher {
  public:
    std::error_code setkey(bytes_view key) noexcept final {
        const std::error_code refused = schedule_.setkey(key);
        has_key_ = has_key_ || !refused;
        return refused;
    }

    void forget() noexcept final {
        zeroize({reinterpret_cast<std::byte*>(&schedule_), sizeof(Schedule)});
        has_key_ = false;
    }

  protected:
    static_assert(std::is_trivially_destructible_v<Schedule>);

    schedule_cipher(const schedule_kernels<Schedule>& kernels, Schedule& schedule) noexcept
        : kernels_(kernels), schedule_(schedule) {}
    Schedule& schedule() noexcept { return schedule_; }

  private:
    void crypt_units(cipher_direction direction, const unit_run& run, cipher_lane&) const noexcept final {
        if (!has_key_)
            fatal("crypt with a tfm that has no key");
        const auto kernel = direction == cipher_direction::encrypt ? kernels_.encrypt : kernels_.decrypt;
        kernel(schedule_, run);
    }

    const schedule_kernels<Schedule>& kernels_;
    Schedule& schedule_;
    bool has_key_ = false;
};

/// With a cell for its schedule.
template <typename Schedule>
class schedule_tfm final : public schedule_cipher<Schedule> {
  public:
    /// `kernels` outlives the tfm. ENOMEM.
    static result<std::unique_ptr<skcipher>> make(const schedule_kernels<Schedule>& kernels) {
        std::byte* cell = cells().take();
        if (cell == nullptr)
            return make_error(ENOMEM);
        auto* tfm = new (std::nothrow) schedule_tfm(kernels, cell);
        if (tfm == nullptr) {
            cells().give_back(cell);
            return make_error(ENOMEM);
        }
        return std::unique_ptr<skcipher>(tfm);
    }
    ~schedule_tfm() override { cells().give_back(reinterpret_cast<std::byte*>(&this->schedule())); }

  private:
    static_assert(std::is_trivially_destructible_v<secret_cells>); // static objects may hold cells

    schedule_tfm(const schedule_kernels<Schedule>& kernels, std::byte* cell) noexcept
        : schedule_cipher<Schedule>(kernels, *new (cell) Schedule) {}

    // Not locked: there may be one for each of thousands of extents. Until it is given back, a key can so
    // reach swap.
    static secret_cells& cells() {
        static secret_cells of_schedules(sizeof(Schedule), secret_cells::locking::unlocked);
        return of_schedules;
    }
};

/// In the caller's memory, the schedule behind it.
template <typename Schedule>
class placed_schedule_tfm final : public schedule_cipher<Schedule> {
  public:
    static constexpr std::size_t head_bytes = placed_cipher::alignment_bytes;
    static constexpr std::size_t bytes = head_bytes + sizeof(Schedule);

    static skcipher* make_at(const schedule_kernels<Schedule>& kernels, std::byte* memory) noexcept {
        return new (memory) placed_schedule_tfm(kernels, *new (memory + head_bytes) Schedule{});
    }
    ~placed_schedule_tfm() override { this->forget(); }

  private:
    static_assert(alignof(Schedule) <= placed_cipher::alignment_bytes);
    using schedule_cipher<Schedule>::schedule_cipher;
};

template <typename Schedule>
constexpr std::size_t tfm_bytes_of(const schedule_kernels<Schedule>&) {
    return sizeof(schedule_tfm<Schedule>) + sizeof(Schedule);
}

template <const auto& Kernels, typename Schedule>
constexpr placed_cipher placed_by(const schedule_kernels<Schedule>&) {
    static_assert(sizeof(placed_schedule_tfm<Schedule>) <= placed_schedule_tfm<Schedule>::head_bytes);
    return {.bytes = placed_schedule_tfm<Schedule>::bytes, .make_at = [](std::byte* memory) noexcept {
                return placed_schedule_tfm<Schedule>::make_at(Kernels, memory);
            }};
}

/// For the table in skcipher.cpp.
template <const auto& Kernels>
constexpr skcipher_implementation implementation_of(crypto_mode mode, std::string_view name,
                                                    cpu_feature_set needs, std::string_view limit) {
    return {.mode = mode,
            .name = name,
            .make =
                [](unsigned) { // lanes do not matter
                    return []<typename Schedule>(const schedule_kernels<Schedule>& kernels) {
                        return schedule_tfm<Schedule>::make(kernels);
                    }(Kernels);
                },
            .needs = needs,
            .limit = {limit, [](std::uint64_t bytes) noexcept { Kernels.run_bare_rounds(bytes); }},
            .tfm_bytes = tfm_bytes_of(Kernels),
            .placed = placed_by<Kernels>(Kernels)};
}

} // namespace blkcrypto
