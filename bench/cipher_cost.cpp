// SPDX-License-Identifier: Apache-2.0
// What does a call of the cipher cost beside the bytes it crypts, what does cold memory, and what does a new
// key? AES-256-XTS by the implementation that programs get here, beside OpenSSL's:
//
//   encrypt, decrypt   from cache to cache: data unit size, bytes a call
//   cold               blocks from all over the medium to one buffer: data that nobody has
//                      touched for a while. The medium is larger than a core's own caches;
//                      one that cores share may hold it.
//   setkey             a key for a tfm that has had one, both directions; beside it EVP's
//   MODE/encrypt ...   the same of the other modes, of which Adiantum and SM4-XTS are not OpenSSL's: what
//                      every processor has is called so; evp/chacha20 is OpenSSL's stream cipher, evp/sm4
//                      its block cipher
//
// `blkcrypto speed` has all implementations and the limits of the machine.

#include "bench/micro_bios.hpp"

#include <cstring>
#include <fmt/format.h>
#include <openssl/evp.h>

namespace blkcrypto::bench {
namespace {

constexpr std::uint32_t area_bytes = 64 << 10;
constexpr unsigned keys_a_look = 64; // at the clock

constexpr auto usual_mode = crypto_mode::aes_256_xts;

std::unique_ptr<skcipher> make_keyed(bool is_openssl, crypto_mode mode = usual_mode) {
    const cipher_choice choice(is_openssl);
    auto tfm = make_skcipher(mode, 1).value();
    if (tfm->setkey(bytes_view(micro_key_bytes()).first(find_mode(mode)->key_size_bytes)))
        std::abort(); // a constant
    return tfm;
}

struct cipher_case {
    crypto_mode mode;
    bool is_openssl;
    cipher_direction direction;
    std::uint32_t unit_bytes;
    std::uint32_t call_bytes;
};

void run_calls(benchmark::State& state, const cipher_case& now) {
    const auto tfm = make_keyed(now.is_openssl, now.mode);
    const auto unit = data_unit_size::make(now.unit_bytes).value();
    const io_buffers areas = make_touched_buffers(2, area_bytes);
    cipher_lane lane(0);
    for (auto _ : state)
        for (std::uint32_t at = 0; at < area_bytes; at += now.call_bytes) {
            const cipher_segment call{areas[0].data() + at, areas[1].data() + at, now.call_bytes};
            tfm->crypt(now.direction, std::uint64_t{at}, unit, {&call, 1}, lane);
        }
    count(state, area_bytes / now.call_bytes, now.call_bytes);
}

void run_cold(benchmark::State& state, bool is_openssl, std::uint32_t block_bytes) {
    const auto tfm = make_keyed(is_openssl);
    const io_buffers target = make_touched_buffers(1, block_bytes);
    block_walk walk(medium_bytes, block_bytes, block_order::random);
    const bytes_span from = medium();
    cipher_lane lane(0);
    for (auto _ : state)
        for (unsigned i = 0; i < batch; ++i) {
            const std::uint64_t offset = walk.next();
            const cipher_segment block{from.data() + offset, target[0].data(), block_bytes};
            tfm->crypt(cipher_direction::encrypt, offset, micro_unit_size(), {&block, 1}, lane);
        }
    count(state, batch, block_bytes);
}

// From then on OpenSSL's contexts of both directions have a key, which the next one replaces.
void crypt_both_ways(const skcipher& tfm) {
    std::vector<std::byte> unit(micro_unit_size().bytes());
    const cipher_segment in_place{unit.data(), unit.data(), unit.size()};
    cipher_lane lane(0);
    for (const auto direction : {cipher_direction::encrypt, cipher_direction::decrypt})
        tfm.crypt(direction, std::uint64_t{0}, micro_unit_size(), {&in_place, 1}, lane);
}

void run_setkey(benchmark::State& state, bool is_openssl) {
    const auto tfm = make_keyed(is_openssl);
    const std::array keys{micro_key_bytes(1), micro_key_bytes(2)};
    crypt_both_ways(*tfm);
    bool accepted = true;
    for (auto _ : state)
        for (unsigned i = 0; i < keys_a_look; ++i)
            accepted = !tfm->setkey(keys[i % 2]) && accepted;
    if (!accepted)
        state.SkipWithError("setkey");
    count(state, keys_a_look);
}

struct context_deleter {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using evp_context = std::unique_ptr<EVP_CIPHER_CTX, context_deleter>;

// EVP alone, by calls of so many bytes, each with the beginning of a stream if it has one.
void run_evp(benchmark::State& state, const EVP_CIPHER* cipher, std::uint32_t call_bytes) {
    const io_buffers areas = make_touched_buffers(2, area_bytes);
    const auto* from = reinterpret_cast<const unsigned char*>(areas[0].data());
    auto* to = reinterpret_cast<unsigned char*>(areas[1].data());
    const evp_context context(EVP_CIPHER_CTX_new());
    const auto key = micro_key_bytes();
    const auto* key_bytes = reinterpret_cast<const unsigned char*>(key.data());
    bool done = EVP_CipherInit_ex(context.get(), cipher, nullptr, key_bytes, nullptr, 1) == 1;
    for (auto _ : state)
        for (std::uint32_t at = 0; at < area_bytes; at += call_bytes) {
            int written = 0;
            if (EVP_CIPHER_get_iv_length(cipher) != 0)
                done =
                    EVP_CipherInit_ex(context.get(), nullptr, nullptr, nullptr, key_bytes, -1) == 1 && done;
            done = EVP_CipherUpdate(context.get(), to + at, &written, from + at,
                                    static_cast<int>(call_bytes)) == 1 &&
                   done;
        }
    if (!done)
        state.SkipWithError("EVP");
    count(state, area_bytes / call_bytes, call_bytes);
}

// SM4-XTS as one writes it down: for each block an addition, a call of EVP's and an addition. No first
// tweaks.
void run_sm4_xts_by_blocks(benchmark::State& state) {
    struct block {
        std::uint64_t words[2];
        void add(const block& other) {
            words[0] ^= other.words[0];
            words[1] ^= other.words[1];
        }
        void double_it() {
            const std::uint64_t over = words[1] >> 63;
            words[1] = words[1] << 1 | words[0] >> 63;
            words[0] = words[0] << 1 ^ (0x87 & (0 - over));
        }
    };
    const io_buffers areas = make_touched_buffers(2, area_bytes);
    const evp_context context(EVP_CIPHER_CTX_new());
    const auto key = micro_key_bytes();
    bool done = EVP_CipherInit_ex(context.get(), EVP_sm4_ecb(), nullptr,
                                  reinterpret_cast<const unsigned char*>(key.data()), nullptr, 1) == 1;
    for (auto _ : state) {
        block tweak{{1, 2}};
        for (std::uint32_t at = 0; at < area_bytes; at += sizeof(block), tweak.double_it()) {
            block now;
            int written = 0;
            std::memcpy(&now, areas[0].data() + at, sizeof(now));
            now.add(tweak);
            auto* bytes = reinterpret_cast<unsigned char*>(&now);
            done = EVP_CipherUpdate(context.get(), bytes, &written, bytes, sizeof(now)) == 1 && done;
            now.add(tweak);
            std::memcpy(areas[1].data() + at, &now, sizeof(now));
        }
    }
    if (!done)
        state.SkipWithError("EVP");
    count(state, 1, area_bytes);
}

// EVP alone: a context for each direction, each of which has had a key.
void run_evp_setkey(benchmark::State& state, unsigned directions) {
    const std::array keys{micro_key_bytes(1), micro_key_bytes(2)};
    std::array<evp_context, 2> contexts;
    bool accepted = true;
    const auto set_key = [&](unsigned direction, const EVP_CIPHER* cipher, unsigned key, int encrypts) {
        const auto* bytes = reinterpret_cast<const unsigned char*>(keys[key % 2].data());
        accepted =
            EVP_CipherInit_ex(contexts[direction].get(), cipher, nullptr, bytes, nullptr, encrypts) == 1 &&
            accepted;
    };
    for (unsigned i = 0; i < directions; ++i) {
        contexts[i].reset(EVP_CIPHER_CTX_new());
        set_key(i, EVP_aes_256_xts(), 0, i == 0);
    }
    for (auto _ : state)
        for (unsigned key = 0; key < keys_a_look; ++key)
            for (unsigned i = 0; i < directions; ++i)
                set_key(i, nullptr, key, -1);
    if (!accepted)
        state.SkipWithError("EVP");
    count(state, keys_a_look);
}

class cipher_list : public micro_list {
  public:
    void add_calls(crypto_mode mode, std::uint32_t unit_bytes, std::uint32_t call_bytes) {
        const std::string prefix = mode == usual_mode ? "" : fmt::format("{}/", find_mode(mode)->name);
        for (const auto direction : {cipher_direction::encrypt, cipher_direction::decrypt})
            for (const bool is_openssl : {false, true}) {
                const cipher_case now{mode, is_openssl, direction, unit_bytes, call_bytes};
                const bool encrypts = direction == cipher_direction::encrypt;
                add(fmt::format("{}{}/{}/{}/{}", prefix, encrypts ? "encrypt" : "decrypt", who(is_openssl),
                                unit_bytes, call_bytes),
                    [now](benchmark::State& state) { run_calls(state, now); });
            }
    }
    void add_evp(std::string_view name, const EVP_CIPHER* cipher, std::uint32_t call_bytes) {
        add(fmt::format("evp/{}/{}", name, call_bytes),
            [=](benchmark::State& state) { run_evp(state, cipher, call_bytes); });
    }
    void add_cold(std::uint32_t block_bytes) {
        for (const bool is_openssl : {false, true})
            add(fmt::format("cold/{}/{}", who(is_openssl), block_bytes),
                [=](benchmark::State& state) { run_cold(state, is_openssl, block_bytes); });
    }
    void add_setkey() {
        for (const bool is_openssl : {false, true})
            add(fmt::format("setkey/{}", who(is_openssl)),
                [=](benchmark::State& state) { run_setkey(state, is_openssl); });
        add("setkey/evp_one_direction", [](benchmark::State& state) { run_evp_setkey(state, 1); });
        add("setkey/evp_both_directions", [](benchmark::State& state) { run_evp_setkey(state, 2); });
    }

  private:
    static const char* who(bool is_openssl) { return is_openssl ? "openssl" : "chosen"; }
};

} // namespace
} // namespace blkcrypto::bench

int main(int argc, char** argv) {
    using namespace blkcrypto::bench;
    cipher_list all;
    for (const std::uint32_t unit_bytes : {512U, 4096U})
        for (const std::uint32_t call_bytes : {unit_bytes, area_bytes})
            all.add_calls(usual_mode, unit_bytes, call_bytes);
    for (const std::uint32_t block_bytes : {4U << 10, 128U << 10})
        all.add_cold(block_bytes);
    all.add_setkey();
    for (const auto& mode : blkcrypto::crypto_modes())
        if (mode.mode != usual_mode)
            for (const std::uint32_t unit_bytes : {512U, 4096U})
                all.add_calls(mode.mode, unit_bytes, area_bytes);
    all.add_evp("chacha20", EVP_chacha20(), 4096);
    all.add_evp("sm4", EVP_sm4_ecb(), 16);
    all.add_evp("sm4", EVP_sm4_ecb(), 4096);
    all.add("evp/sm4_xts_by_blocks", [](benchmark::State& state) { run_sm4_xts_by_blocks(state); });
    return all.run(argc, argv);
}
