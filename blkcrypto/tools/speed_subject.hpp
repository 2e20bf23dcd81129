// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `blkcrypto speed` measures: each implementation of a mode that works here, a library that is not
// behind any of them, and controls. All are given the same work.

#include "blkcrypto/cipher/skcipher.hpp"

#include <memory>
#include <string>
#include <vector>

namespace blkcrypto::tools {

/// Whole data units from one place to another, under consecutive IVs.
struct speed_work {
    cipher_direction direction;
    data_unit_size unit_size;
    std::uint64_t first_iv;
    cipher_segment data;
};

enum class speed_role {
    implementation,
    openssl,          // an implementation too, and what ratio_to_openssl refers to
    openssl_elsewise, // a control: what ratio_to_openssl refers to where OpenSSL does not have the mode
    other,            // a control
    instructions,     // a control, what ratio_to_limit refers to: the mode's cipher and nothing else
    memory            // a control: memcpy
};

constexpr bool is_control(speed_role role) {
    return role > speed_role::openssl;
}

class speed_subject {
  public:
    virtual ~speed_subject() = default;

    const std::string& name() const noexcept { return name_; }
    speed_role role() const noexcept { return role_; }

    /// For any number of threads at once, each with a number of its own below that given when it was made.
    virtual void run(unsigned thread, const speed_work& work) noexcept = 0;

  protected:
    speed_subject(std::string name, speed_role role) : name_(std::move(name)), role_(role) {}

  private:
    std::string name_;
    speed_role role_;
};

using speed_subjects = std::vector<std::unique_ptr<speed_subject>>;

/// Keyed and ready, fastest implementations first, controls last. program_error if one cannot be made.
speed_subjects make_speed_subjects(const crypto_mode_info& mode, unsigned threads);

} // namespace blkcrypto::tools
