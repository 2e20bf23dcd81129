// SPDX-License-Identifier: Apache-2.0
// What setkey and crypt leave on the stack. Each runs there twice, with keys and data that have nothing in
// common but where they are: what is secret then differs, what else is left (return addresses, saved
// registers, sizes) does not. That something differs says that a wipe is smaller than what it is for; what it
// is, the search for secrets says.
//
// Of implementations on OpenSSL this is said as far as it is in our hands: OpenSSL's AES keeps what it
// encrypts on the stack where the processor has no instructions for it.
#include "tests/cipher/cipher_cases.hpp"
#include "tests/cipher/key_secrets.hpp"
#include "tests/support/painted_stack.hpp"

#include <algorithm>
#include <set>
#include <utility>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

// Without optimisation compilers keep copies of values on the stack.
constexpr bool can_tell = is_optimised && painted_stack::can_tell;

// Of a secret, and of which.
struct secret_word {
    std::uint32_t word;
    const std::string* what;
};

// As they are in memory, and with their bytes swapped; sorted.
std::vector<secret_word> words_of(const std::vector<cipher_secret>& secrets) {
    std::vector<secret_word> words;
    for (const auto& secret : secrets)
        for (std::size_t at = 0; at + 4 <= secret.bytes.size(); at += 4) {
            const auto word = load_little<std::uint32_t>(&secret.bytes[at]);
            words.push_back({word, &secret.what});
            words.push_back({byte_swapped(word), &secret.what});
        }
    std::ranges::sort(words, {}, &secret_word::word);
    return words;
}

// A stack after something ran on it, and what should not be there.
struct remains {
    std::vector<std::byte> stack;
    std::vector<cipher_secret> secrets;
};

// Whose word begins at each byte of the stack; null: nobody's.
std::vector<const std::string*> owners(const remains& of) {
    const auto words = words_of(of.secrets);
    std::vector<const std::string*> owners(of.stack.size());
    const auto touched = std::ranges::find_if_not(of.stack, [](auto b) { return b == painted_stack::paint; });
    for (auto at = static_cast<std::size_t>(touched - of.stack.begin()); at + 4 <= of.stack.size(); ++at) {
        const auto word = load_little<std::uint32_t>(&of.stack[at]);
        const auto known = std::ranges::lower_bound(words, word, {}, &secret_word::word);
        if (known != words.end() && known->word == word)
            owners[at] = known->what;
    }
    return owners;
}

// The secrets of which both have a word at the same place: that one of them does may be chance.
std::set<std::string> found_secrets(const remains& a, const remains& b) {
    const auto in_a = owners(a);
    const auto in_b = owners(b);
    std::set<std::string> found;
    for (std::size_t at = 0; at < in_a.size(); ++at)
        if (in_a[at] != nullptr && in_b[at] != nullptr)
            found.insert(*in_a[at]);
    return found;
}

std::size_t differing_bytes(const remains& a, const remains& b) {
    std::size_t differing = 0;
    for (std::size_t at = 0; at < a.stack.size(); ++at)
        differing += a.stack[at] != b.stack[at] ? std::size_t{1} : 0;
    return differing;
}

struct call_shape {
    cipher_direction direction;
    std::uint32_t unit_bytes;
    std::size_t units;

    std::size_t bytes() const { return unit_bytes * units; }
};

// One unit, whole groups of each width, and what is over.
std::vector<call_shape> call_shapes() {
    std::vector<call_shape> shapes;
    for (const auto direction : {cipher_direction::encrypt, cipher_direction::decrypt}) {
        for (const std::size_t units : {1U, 2U, 3U, 7U, 16U, 37U, 64U})
            shapes.push_back({direction, 512, units});
        for (const std::size_t units : {1U, 5U, 32U})
            shapes.push_back({direction, 4096, units});
        for (const std::size_t units : {1U, 3U})
            shapes.push_back({direction, 65536, units});
    }
    return shapes;
}

// Runs a tfm on a painted stack.
class stack_runner {
  public:
    // What happens once is over then: a library keys its contexts late, a program finds functions late.
    explicit stack_runner(cipher_case& with) : with_(with), key_(with.key) {
        after_setkey(0, 0);
        after_crypt({cipher_direction::encrypt, 512, 1}, 0, 0);
        after_crypt({cipher_direction::decrypt, 512, 1}, 0, 0);
    }

    remains after_setkey(std::uint64_t stream, std::size_t shift) {
        std::ranges::copy(random_key(with_.implementation, 800 + stream), key_.begin());
        auto stack = stack_.after([this] { refused_ = with_.tfm->setkey(key_); }, shift);
        CHECK_FALSE(refused_);
        return {std::move(stack), secrets_of_key(mode(), key_)};
    }

    // With the key that was set last.
    remains after_crypt(const call_shape& shape, std::uint64_t stream, std::size_t shift) {
        shape_ = shape;
        const auto before = random_bytes(shape.bytes(), test_seed() + 900 + stream);
        std::ranges::copy(before, data_.begin());
        remains after{stack_.after([this] { crypt(); }, shift), secrets_of_key(mode(), key_)};
        const bytes_view cipher = shape.direction == cipher_direction::encrypt ? data_ : before;
        const std::size_t some_units = std::min<std::size_t>(shape.units, 8) * shape.unit_bytes;
        after.secrets.push_back(
            secret_of_units(mode(), key_, first_iv, shape.unit_bytes, cipher.first(some_units)));
        return after;
    }

  private:
    static constexpr std::uint64_t first_iv = 0x123456789;

    crypto_mode mode() const { return with_.implementation.mode; }

    void crypt() {
        crypt_in_place(with_, shape_.direction, first_iv, unit_of(shape_.unit_bytes),
                       bytes_span(data_).first(shape_.bytes()), with_.lane);
    }

    cipher_case& with_;
    painted_stack stack_;
    std::vector<std::byte> key_;
    std::vector<std::byte> data_ = std::vector<std::byte>(3 * 65536);
    std::error_code refused_;
    call_shape shape_{};
};

// Runs `body(shift)` for all that a stack can be out of step with the widest vectors.
template <typename Body>
void for_each_shift(Body body) {
    for (std::size_t shift = 0; shift < 64; shift += 16) {
        CAPTURE(shift);
        body(shift);
    }
}

void check_crypt(const cipher_case& with, stack_runner& runner, const call_shape& shape) {
    CAPTURE(shape.direction);
    CAPTURE(shape.unit_bytes);
    CAPTURE(shape.units);
    for_each_shift([&](std::size_t shift) {
        runner.after_setkey(1, 0);
        const auto a = runner.after_crypt(shape, 1, shift);
        runner.after_setkey(2, 0);
        const auto b = runner.after_crypt(shape, 2, shift);
        CHECK(found_secrets(a, b) == std::set<std::string>());
        if (is_ours(with))
            CHECK(differing_bytes(a, b) == 0);
    });
}

// As compilers and vector code have words of keys: once, everywhere in a vector, twice each, reversed.
[[gnu::noinline]] void plant(bytes_view secret, std::size_t form) {
    std::array<std::uint32_t, 16> vector{};
    for (std::size_t i = 0; i < vector.size(); ++i) {
        const std::array<std::size_t, 4> words{i % 4, 0, i / 2 % 4, i % 4};
        const auto word = load_little<std::uint32_t>(&secret[4 * words[form]]);
        vector[i] = form == 3 ? byte_swapped(word) : word;
    }
    asm volatile("" ::"r"(vector.data()) : "memory");
}

} // namespace

TEST_CASE("setkey leaves nothing on the stack that depends on the key") {
    if (!can_tell)
        return;
    for_each_cipher(1, [](cipher_case& with) {
        stack_runner runner(with);
        for_each_shift([&](std::size_t shift) {
            const auto a = runner.after_setkey(1, shift);
            const auto b = runner.after_setkey(2, shift);
            CHECK(found_secrets(a, b) == std::set<std::string>());
            CHECK(differing_bytes(a, b) == 0);
        });
    });
}

TEST_CASE("crypt leaves nothing on the stack that depends on the key or the data") {
    if (!can_tell)
        return;
    for_each_cipher(1, [](cipher_case& with) {
        if (with.implementation.name == "aes_xts_openssl") // its tweaks are OpenSSL's
            return;
        stack_runner runner(with);
        for (const auto& shape : call_shapes())
            check_crypt(with, runner, shape);
    });
}

TEST_CASE("what is said not to be on the stack would be found there") {
    if (!can_tell)
        return;
    for_each_cipher(1, [](cipher_case& with) {
        stack_runner runner(with);
        painted_stack stack;
        const auto a = runner.after_crypt({cipher_direction::encrypt, 512, 1}, 1, 0).secrets;
        runner.after_setkey(1, 0);
        const auto b = runner.after_crypt({cipher_direction::encrypt, 512, 1}, 2, 0).secrets;
        for (std::size_t i = 0; i < a.size(); ++i)
            for (std::size_t form = 0; form < 4; ++form) {
                CAPTURE(form);
                const remains left_a{stack.after([&] { plant(a[i].bytes, form); }), {a[i]}};
                const remains left_b{stack.after([&] { plant(b[i].bytes, form); }), {b[i]}};
                CHECK(found_secrets(left_a, left_b) == std::set{a[i].what});
            }
    });
}
