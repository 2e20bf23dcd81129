// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/hkdf.hpp"
#include "tests/cipher/parked_thread.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/fscrypt_hkdf.hpp"
#include "tests/support/memory_search.hpp"
#include "tests/support/painted_stack.hpp"
#include "tests/support/property.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

using namespace blkcrypto;
using namespace blkcrypto::test;
using hkdf_key = fsdemo::hkdf_sha512;

namespace {

using byte_vector = std::vector<std::byte>;

byte_vector expanded(const hkdf_key& key, std::span<const bytes_view> info, std::size_t size_bytes) {
    byte_vector out(size_bytes);
    key.expand(info, out);
    return out;
}

byte_vector expanded(bytes_view key_material, bytes_view salt, bytes_view info, std::size_t size_bytes) {
    return expanded(hkdf_key::make(key_material, salt).value(), {&info, 1}, size_bytes);
}

byte_vector range(unsigned first, unsigned last) {
    byte_vector bytes;
    for (unsigned value = first; value <= last; ++value)
        bytes.push_back(static_cast<std::byte>(value));
    return bytes;
}

// A few cuts of `whole`, some of them empty.
std::vector<bytes_view> random_pieces(bytes_view whole, random_source& random) {
    std::vector<bytes_view> pieces;
    while (!whole.empty()) {
        pieces.push_back(whole.first(random.below(whole.size() + 1)));
        whole = whole.subspan(pieces.back().size());
    }
    return pieces;
}

// Over what the functions that compute secrets leave on the stack.
[[gnu::noinline]] void clear_stack() {
    std::array<std::byte, 16384> cleared;
    zeroize(cleared);
}

// The pseudorandom key, by OpenSSL, which wipes what it allocates.
std::array<std::byte, 64> prk_of(bytes_view key_material) {
    std::array<std::byte, 64> prk{};
    auto* kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
    auto* context = EVP_KDF_CTX_new(kdf);
    int mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
    char digest[] = "SHA512";
    const std::array parameters{OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
                                OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                                OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
                                                                  const_cast<std::byte*>(key_material.data()),
                                                                  key_material.size()),
                                OSSL_PARAM_construct_end()};
    REQUIRE(EVP_KDF_derive(context, reinterpret_cast<unsigned char*>(prk.data()), prk.size(),
                           parameters.data()) == 1);
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return prk;
}

// The object begins with where its secret is.
bytes_view states_of(const hkdf_key& key) {
    const std::byte* states = nullptr;
    std::memcpy(&states, static_cast<const void*>(&key), sizeof(states));
    return {states, 128};
}

constexpr std::array context_info{std::byte{'i'}, std::byte{'n'}};
constexpr std::array<bytes_view, 1> some_info{bytes_view(context_info)};

// A key that nobody else has, and what is looked for.
struct hidden_key {
    explicit hidden_key(std::uint64_t stream) : material(random_bytes(64, test_seed() + stream)) {
        auto prk = prk_of(material);
        pieces = masked_pieces(prk);
        zeroize(prk);
        std::ranges::copy(masked_pieces(material), std::back_inserter(pieces));
        clear_stack();
    }
    hkdf_key make() {
        auto made = hkdf_key::make(material).value();
        zeroize(material);
        return made;
    }

    byte_vector material;
    std::vector<masked_pattern> pieces;
};

std::size_t differing_bytes(const byte_vector& a, const byte_vector& b) {
    std::size_t differing = 0;
    for (std::size_t at = 0; at < a.size(); ++at)
        differing += a[at] != b[at] ? std::size_t{1} : 0;
    return differing;
}

// What `body` leaves on the stack that depends on `key`, which it uses: nothing else differs between two
// runs.
std::size_t key_bytes_left(const std::function<void()>& body, byte_vector& key, std::size_t shift) {
    painted_stack stack;
    stack.after(body, shift); // what happens once is over then
    std::ranges::copy(random_bytes(key.size(), test_seed() + 10), key.begin());
    const auto one = stack.after(body, shift);
    std::ranges::copy(random_bytes(key.size(), test_seed() + 11), key.begin());
    const auto other = stack.after(body, shift);
    return differing_bytes(one, other);
}

// For all that a stack can be out of step with what SHA-512 aligns it to.
template <typename Body>
void for_each_shift(Body body) {
    for (std::size_t shift = 0; shift < 2048; shift += 16) {
        CAPTURE(shift);
        body(shift);
    }
}

constexpr bool can_tell_stacks = is_optimised && painted_stack::can_tell;

} // namespace

// The inputs of RFC 5869, appendix A, with SHA-512; the outputs are in several suites, of kullo.net first.
TEST_CASE("HKDF-SHA512 in pieces derives what is published") {
    const byte_vector b22(22, std::byte{0x0b}), b11(11, std::byte{0x0b}), c22(22, std::byte{0x0c});
    CHECK(expanded(b22, range(0x00, 0x0c), range(0xf0, 0xf9), 42) ==
          from_hex("832390086cda71fb47625bb5ceb168e4c8e26a1a16ed34d9fc7fe92c1481579338da362cb8d9f925d7cb"));
    CHECK(expanded(range(0x00, 0x4f), range(0x60, 0xaf), range(0xb0, 0xff), 82) ==
          from_hex("ce6c97192805b346e6161e821ed165673b84f400a2b514b2fe23d84cd189ddf1b695b48cbd1c8388441137"
                   "b3ce28f16aa64ba33ba466b24df6cfcb021ecff235f6a2056ce3af1de44d572097a8505d9e7a93"));
    CHECK(expanded(b22, {}, {}, 42) ==
          from_hex("f5fa02b18298a72a8c23898a8703472c6eb179dc204c03425c970e3b164bf90fff22d04836d0e2343bac"));
    CHECK(expanded(b11, range(0x00, 0x0c), range(0xf0, 0xf9), 42) ==
          from_hex("7413e8997e020610fbf6823f2ce14bff01875db1ca55f68cfcf3954dc8aff53559bd5e3028b080f7c068"));
    CHECK(expanded(c22, {}, {}, 42) ==
          from_hex("1407d46013d98bc6decefcfee55f0f90b0c7f63d68eb1a80eaf07e953cfc0a3a5240a155d6e4daa965bb"));
}

TEST_CASE("an empty salt is as good as 64 zeros") {
    const auto key = random_bytes(32, test_seed());
    CHECK(expanded(key, byte_vector(64), {}, 64) == expanded(key, {}, {}, 64));
}

TEST_CASE("keys, salts and infos of any size derive what HMAC derives") {
    random_source random(test_seed());
    for (int round = 0; round < 400; ++round) {
        const auto key_material = random_bytes(random.below(300), random.next());
        const auto salt = random_bytes(random.below(300), random.next());
        const auto info = random_bytes(random.below(300), random.next());
        const std::size_t size_bytes = random.below(400);
        CAPTURE(key_material.size());
        CAPTURE(salt.size());
        CAPTURE(info.size());
        CAPTURE(size_bytes);
        const auto pieces = random_pieces(info, random);
        const auto key = hkdf_key::make(key_material, salt).value();
        CHECK(expanded(key, pieces, size_bytes) == hkdf_sha512(key_material, salt, info, size_bytes));
    }
}

TEST_CASE("as much is derived as there is, and no byte more is written") {
    constexpr std::size_t most = 255 * 64;
    const auto key_material = random_bytes(64, test_seed());
    const auto info = random_bytes(25, test_seed() + 1);
    const bytes_view whole_info = info;
    const auto key = hkdf_key::make(key_material).value();
    const auto expected = hkdf_sha512(key_material, {}, info, most);
    CHECK(expanded(key, {&whole_info, 1}, most) == expected);
    for (const std::size_t size : {0U, 1U, 63U, 64U, 65U, 128U, 16319U}) {
        byte_vector out(most + 1, std::byte{0x77});
        key.expand({&whole_info, 1}, bytes_span(out).first(size));
        CHECK(std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size), expected.begin()));
        CHECK(std::all_of(out.begin() + static_cast<std::ptrdiff_t>(size), out.end(),
                          [](std::byte b) { return b == std::byte{0x77}; }));
    }
}

TEST_CASE("expanding allocates nothing") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    const auto info = random_bytes(25, test_seed());
    const std::array<bytes_view, 2> pieces{bytes_view(info).first(9), bytes_view(info).subspan(9)};
    const auto key = hkdf_key::make(info).value();
    std::array<std::byte, 200> out;
    const allocation_counter counter;
    key.expand(pieces, out);
    CHECK(counter.count() == 0);
}

TEST_CASE("nothing of a key is left in memory once it is wiped") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    hidden_key hidden(1);
    auto key = hidden.make();
    CHECK(count_in_memory(hidden.pieces) == 0);
    auto states = masked_pieces(states_of(key));
    const auto out = expanded(key, some_info, 64);
    CHECK(count_in_memory(states) == 8);
    key.wipe();
    CHECK(count_in_memory(states) == 0);
}

TEST_CASE("nothing of a key is left in memory once its owner is gone") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    std::vector<masked_pattern> states;
    {
        hidden_key hidden(2);
        const auto key = hidden.make();
        states = masked_pieces(states_of(key));
    }
    CHECK(count_in_memory(states) == 0);
}

TEST_CASE("nothing of a derived key is left in memory but what its owner has" * PROPERTY(58)) {
    if (!is_optimised || !allocation_counter::available()) {
        MESSAGE("skipped, not optimised, or the heap is not ours to count");
        return;
    }
    hidden_key hidden(3);
    const auto key = hidden.make();
    byte_vector derived(96); // a block and the beginning of another
    const parked_thread deriver([&] { key.expand(some_info, derived); });
    const auto pieces = masked_pieces(derived);
    CHECK(count_in_memory(pieces) == 6);
    zeroize(derived);
    CHECK(count_in_memory(pieces) == 0);
}

TEST_CASE("expanding leaves nothing on the stack that depends on the key") {
    if (!can_tell_stacks)
        return;
    byte_vector material(64), out(80);
    for_each_shift([&](std::size_t shift) {
        auto key = hkdf_key::make(material).value();
        const std::function<void()> expand = [&] { key.expand(some_info, out); };
        painted_stack stack;
        stack.after(expand, shift);
        const auto one = stack.after(expand, shift);
        key.wipe(); // another key in the same place
        const auto other = stack.after(expand, shift);
        CHECK(differing_bytes(one, other) == 0);
    });
}

TEST_CASE("extracting leaves nothing on the stack that depends on the key") {
    if (!can_tell_stacks)
        return;
    for (const std::size_t size : {64U, 300U}) {
        byte_vector material(size);
        const std::function<void()> extract = [&] { (void)hkdf_key::make(material); };
        const std::function<void()> salt = [&] { (void)hkdf_key::make({}, material); };
        for_each_shift([&](std::size_t shift) {
            CHECK(key_bytes_left(extract, material, shift) == 0);
            CHECK(key_bytes_left(salt, material, shift) == 0);
        });
    }
}

#if defined(__x86_64__)
TEST_CASE("expanding leaves nothing in vector registers") {
    const auto key = hkdf_key::make(random_bytes(64, test_seed())).value();
    std::array<std::byte, 64> out;
    std::array<std::byte, 256> left;
    key.expand(some_info, out);
    asm volatile(
        "movdqu %%xmm0, 0(%0); movdqu %%xmm1, 16(%0); movdqu %%xmm2, 32(%0); movdqu %%xmm3, 48(%0);"
        "movdqu %%xmm4, 64(%0); movdqu %%xmm5, 80(%0); movdqu %%xmm6, 96(%0);"
        "movdqu %%xmm7, 112(%0); movdqu %%xmm8, 128(%0); movdqu %%xmm9, 144(%0);"
        "movdqu %%xmm10, 160(%0); movdqu %%xmm11, 176(%0); movdqu %%xmm12, 192(%0);"
        "movdqu %%xmm13, 208(%0); movdqu %%xmm14, 224(%0); movdqu %%xmm15, 240(%0)" ::"r"(left.data())
        : "memory");
    CHECK(left == std::array<std::byte, 256>{});
}
#endif

TEST_CASE("what is said not to be on the stack of an HMAC would be found there") {
    if (!can_tell_stacks)
        return;
    byte_vector material(64), code(64);
    const std::function<void()> hash = [&] { code = hkdf_sha512_extract(material, {}); };
    CHECK(key_bytes_left(hash, material, 0) > 0);
}
