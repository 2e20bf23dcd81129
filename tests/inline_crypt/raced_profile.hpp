// SPDX-License-Identifier: Apache-2.0
#pragma once
// A program for the explorer: tasks that get, put and evict keys and reset the engine, over one
// crypto_profile and slots that know what is in them and who uses it. It says what is wrong at the step that
// makes it so.

#include "blkcrypto/inline_crypt/crypto_profile.hpp"
#include "tests/inline_crypt/profile_asker.hpp"
#include "tests/inline_crypt/test_keys.hpp"
#include "tests/support/explorer.hpp"

#include <compare>
#include <set>
#include <string>
#include <vector>

namespace blkcrypto::test {

struct race_op {
    enum kind_of_op : std::uint8_t {
        get,      // and put
        get_keep, // put only when nobody else can go on
        get_bad,  // a key that cannot be programmed
        evict,
        reset,
    };
    kind_of_op kind;
    unsigned key = 0; // its number

    auto operator<=>(const race_op&) const = default;
};

struct race {
    static constexpr unsigned slots_max = 4;
    static constexpr unsigned keys_max = 6;

    unsigned num_slots;
    std::vector<unsigned> programmed; // keys that are in slots already, the one released longest ago first
    std::vector<std::vector<race_op>> tasks;
    bool times_puts = false; // checks the victim by the tasks' own clock too, which costs many steps

    unsigned num_keys() const; // used, and enough to fill the slots with others
};

std::string to_string(const race& r);

/// Keys by their place in the hash table of a profile: all in one chain, or as far apart as there are chains.
class race_keys {
  public:
    enum class place : bool { one_chain, apart };
    race_keys(unsigned num_slots, place where);

    const key_request& operator[](unsigned number) const noexcept { return *chosen_[number]; }
    unsigned number_of(const key_request& key) const noexcept;

  private:
    std::array<nominal_key, 128> pool_;
    std::vector<const nominal_key*> chosen_;
};

/// Makes the program of a race. Both outlive the exploration, as does `ends`, which gets a digest of the
/// state at the end of each execution.
program_factory raced_profile(const race& what, const race_keys& keys,
                              std::set<std::uint64_t>* ends = nullptr);

} // namespace blkcrypto::test
