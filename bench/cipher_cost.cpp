// SPDX-License-Identifier: Apache-2.0
// What does a call of a cipher cost beside the bytes it crypts, and what does a new key? Each implementation
// of AES-256-XTS with few units a call, as the block layer has them, and with many; and setkey() beside that
// of EVP.

#include "bench/micro.hpp"
#include "bench/seeded.hpp"
#include "blkcrypto/cipher/skcipher.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

namespace blkcrypto::bench {
namespace {

constexpr std::uint32_t area_bytes = 64 << 10;
constexpr unsigned keys_a_look = 64; // at the clock

std::vector<std::byte> make_key(std::uint64_t seed) {
    std::vector<std::byte> key(find_mode(crypto_mode::aes_256_xts)->key_size_bytes);
    fill_content(seed, 0, key);
    return key;
}

std::unique_ptr<skcipher> make_keyed(const skcipher_implementation& implementation) {
    auto tfm = implementation.make(1).value();
    if (tfm->setkey(make_key(1)))
        throw std::runtime_error("setkey");
    return tfm;
}

// From one area to another, `call_bytes` at a time.
void run_calls(benchmark::State& state, const skcipher_implementation& implementation,
               cipher_direction direction, std::uint32_t unit_bytes, std::uint32_t call_bytes) {
    const auto tfm = make_keyed(implementation);
    const auto unit = data_unit_size::make(unit_bytes).value();
    const io_buffers areas = make_touched_buffers(2, area_bytes);
    cipher_lane lane(0);
    for (auto _ : state)
        for (std::uint32_t at = 0; at < area_bytes; at += call_bytes) {
            const cipher_segment call{areas[0].data() + at, areas[1].data() + at, call_bytes};
            tfm->crypt(direction, std::uint64_t{at}, unit, {&call, 1}, lane);
        }
    count(state, area_bytes / call_bytes, call_bytes);
}

void run_setkey(benchmark::State& state, const skcipher_implementation& implementation) {
    const auto tfm = make_keyed(implementation);
    const std::array keys{make_key(2), make_key(3)};
    for (auto _ : state)
        for (unsigned i = 0; i < keys_a_look; ++i)
            if (tfm->setkey(keys[i % 2]))
                state.SkipWithError("setkey");
    count(state, keys_a_look);
}

// A new key for a context that has had one, as a keyslot is programmed: `directions` contexts of it.
void run_evp_setkey(benchmark::State& state, unsigned directions) {
    struct context_deleter {
        void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
    };
    const std::array keys{make_key(2), make_key(3)};
    const auto bytes_of = [&](unsigned i) {
        return reinterpret_cast<const unsigned char*>(keys[i % 2].data());
    };
    std::array<std::unique_ptr<EVP_CIPHER_CTX, context_deleter>, 2> contexts;
    bool works = true;
    for (unsigned i = 0; i < directions; ++i) {
        contexts[i].reset(EVP_CIPHER_CTX_new());
        works &= EVP_CipherInit_ex(contexts[i].get(), EVP_aes_256_xts(), nullptr, bytes_of(0), nullptr,
                                   i == 0) == 1;
    }
    for (auto _ : state)
        for (unsigned key = 0; key < keys_a_look; ++key)
            for (unsigned i = 0; i < directions; ++i)
                works &=
                    EVP_CipherInit_ex(contexts[i].get(), nullptr, nullptr, bytes_of(key), nullptr, -1) == 1;
    if (!works)
        state.SkipWithError("EVP");
    count(state, keys_a_look);
}

class cipher_list : public micro_list {
  public:
    void add_implementation(const skcipher_implementation& of) {
        for (const std::uint32_t unit : {512U, 4096U})
            for (const std::uint32_t call : {unit, 8 * unit, area_bytes}) {
                add(fmt::format("encrypt/{}/{}/{}", of.name, unit, call), [=, &of](benchmark::State& state) {
                    run_calls(state, of, cipher_direction::encrypt, unit, call);
                });
                add(fmt::format("decrypt/{}/{}/{}", of.name, unit, call), [=, &of](benchmark::State& state) {
                    run_calls(state, of, cipher_direction::decrypt, unit, call);
                });
            }
        add(fmt::format("setkey/{}", of.name), [&of](benchmark::State& state) { run_setkey(state, of); });
    }
};

} // namespace
} // namespace blkcrypto::bench

int main(int argc, char** argv) {
    using namespace blkcrypto;
    using namespace blkcrypto::bench;
    cipher_list all;
    for (const auto& implementation : skcipher_implementations())
        if (implementation.mode == crypto_mode::aes_256_xts && implementation.runs_here())
            all.add_implementation(implementation);
    all.add("evp_setkey/one_direction", [](benchmark::State& state) { run_evp_setkey(state, 1); });
    all.add("evp_setkey/both_directions", [](benchmark::State& state) { run_evp_setkey(state, 2); });
    return all.run(argc, argv);
}
