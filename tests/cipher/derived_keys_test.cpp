// SPDX-License-Identifier: Apache-2.0
// What a key is expanded into, and the keys that a mode makes of its key: whoever has those needs no other.
// As for round keys (expanded_key_test.cpp) the claim is made for optimised code without sanitizers.
#include "tests/cipher/cipher_cases.hpp"
#include "tests/cipher/key_secrets.hpp"
#include "tests/cipher/parked_thread.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/memory_search.hpp"

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

struct hidden_secret {
    std::string what;
    std::vector<masked_pattern> pieces;
    bool is_kept;
};

// Over what the functions that compute secrets leave on the stack.
[[gnu::noinline]] void clear_stack() {
    std::array<std::byte, 16384> cleared;
    zeroize(cleared);
}

std::vector<hidden_secret> hidden_secrets(crypto_mode mode, bytes_view key) {
    std::vector<hidden_secret> hidden;
    for (const auto& secret : secrets_of_key(mode, key))
        hidden.push_back({secret.what, masked_pieces(secret.bytes), secret.is_kept});
    clear_stack();
    return hidden;
}

// What libraries keep may have another form.
bool keeps(const cipher_case& with, const hidden_secret& secret) {
    const bool is_of_openssl =
        with.implementation.name == "adiantum_portable" && secret.what.starts_with("round keys");
    return is_ours(with) && secret.is_kept && !is_of_openssl;
}

void use(cipher_case& with) {
    std::array<std::byte, 3 * 512> data{};
    for (const auto direction : {cipher_direction::encrypt, cipher_direction::decrypt})
        crypt_in_place(with, direction, 1, unit_of(512), data, with.lane);
}

/// A key for the tfm, and patterns for what is made of it.
class hidden_key {
  public:
    hidden_key(const cipher_case& with, std::uint64_t stream)
        : bytes_(random_key(with.implementation, stream)),
          secrets_(hidden_secrets(with.implementation.mode, bytes_)) {}

    /// With a stack of its own for each call.
    void set_and_use(cipher_case& with) {
        const parked_thread setter([&] {
            refused_ = with.tfm->setkey(bytes_);
            zeroize(bytes_);
        });
        CHECK_FALSE(refused_);
        const parked_thread user([&] { use(with); });
    }

    void check_what_is_kept_is_found(const cipher_case& with) const {
        for (const auto& secret : secrets_) {
            CAPTURE(secret.what);
            if (keeps(with, secret))
                CHECK(count_in_memory(secret.pieces) >= secret.pieces.size());
        }
    }

    void check_nothing_is_left() const {
        for (const auto& secret : secrets_) {
            CAPTURE(secret.what);
            CHECK(count_in_memory(secret.pieces) == 0);
        }
    }

  private:
    std::vector<std::byte> bytes_;
    std::vector<hidden_secret> secrets_;
    std::error_code refused_;
};

} // namespace

TEST_CASE("nothing is left of what a mode makes of its key after the next setkey, or the tfm") {
    if (!is_optimised || !allocation_counter::available())
        return;
    for_each_cipher(1, [](cipher_case& with) {
        hidden_key first(with, 700), second(with, 701);
        first.set_and_use(with);
        first.check_what_is_kept_is_found(with);
        second.set_and_use(with);
        first.check_nothing_is_left();
        with.tfm.reset();
        second.check_nothing_is_left();
    });
}
