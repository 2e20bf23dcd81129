// SPDX-License-Identifier: Apache-2.0
// What does a bio cost between submit and its end_io, and in which stage? One thread, batches of 32, in order
// and shuffled:
//
//   null/plain         to a device that does nothing: the queue alone
//   null/idle_cipher   through the fallback, whose keys are all in slots and whose cipher does nothing: more
//                      than plain by the crypto context, the keyslot, bounce memory and the encrypted bio
//   memory/*           to a device that copies, plain and through the fallback with the cipher of this build
//   loop/*             the controls: the same blocks copied, encrypted, or both, without bios
//   openssl/*          the same with OpenSSL's cipher, which every processor has

#include "bench/idle_tfms.hpp"
#include "bench/micro_bios.hpp"
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/dev/memory_device.hpp"
#include "blkcrypto/dev/null_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"

#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

enum class what_device { null, memory };
enum class what_cipher { none, idle, aes, openssl_aes };

struct bio_case {
    what_device device;
    what_cipher cipher;
    bio_op op;
    std::uint32_t bytes;
    block_order order;
};

std::unique_ptr<tfm_source> make_tfms(env& e, what_cipher cipher) {
    if (cipher == what_cipher::idle)
        return std::make_unique<idle_tfms>(e, kernel_7_0.fallback_keyslots);
    return *make_keyslot_tfms(e, kernel_7_0.fallback_keyslots, 1);
}

void run_bios(benchmark::State& state, const bio_case& now) {
    const cipher_choice choice(now.cipher == what_cipher::openssl_aes);
    auto e = *thread_env::make();
    auto device = now.device == what_device::null ? make_null_device(to_sectors_exact({medium_bytes}))
                                                  : make_memory_device(medium());
    auto fallback = *crypto_fallback::make(*e, make_tfms(*e, now.cipher), {});
    const auto key = *crypto_key::make(micro_key_bytes(), micro_config());
    if (start_using_key(*e, *device, fallback.get(), *key))
        return state.SkipWithError("no cipher");
    auto queue = *submit_queue::make(*device, fallback.get(), *e, {batch, now.bytes});
    bio_batch bios(medium_bytes, now.bytes, now.order);
    one_key keys(now.cipher == what_cipher::none ? nullptr : key.get());
    bool all_well = true;
    for (auto _ : state)
        all_well = bios.run(*queue, now.op, keys);
    if (!all_well)
        state.SkipWithError("I/O failed");
    count(state, batch, now.bytes);
}

void run_loop(benchmark::State& state, cipher_loop::what work, std::uint32_t bytes, block_order order,
              bool is_openssl) {
    const cipher_choice choice(is_openssl);
    cipher_loop loop(work, medium(), bytes, order);
    for (auto _ : state)
        loop.run();
    count(state, batch, bytes);
}

class submit_list : public micro_list {
  public:
    void add_blocks(std::uint32_t bytes, block_order order) {
        using enum cipher_loop::what;
        bytes_ = bytes;
        order_ = order;
        bios("memory/plain_write", what_device::memory, what_cipher::none, bio_op::write);
        loop("loop/copy", copy);
        bios("memory/fallback_write", what_device::memory, what_cipher::aes, bio_op::write);
        loop("loop/encrypt_copy", encrypt_copy);
        loop("loop/encrypt", encrypt);
        bios("memory/fallback_read", what_device::memory, what_cipher::aes, bio_op::read);
        loop("loop/copy_decrypt", copy_decrypt);
    }
    void add_openssl_blocks(std::uint32_t bytes, block_order order) {
        bytes_ = bytes;
        order_ = order;
        bios("openssl/memory/fallback_write", what_device::memory, what_cipher::openssl_aes, bio_op::write);
        loop("openssl/loop/encrypt_copy", cipher_loop::what::encrypt_copy, true);
    }
    void add_null(std::uint32_t bytes, block_order order) {
        bytes_ = bytes;
        order_ = order;
        bios("null/idle_cipher", what_device::null, what_cipher::idle, bio_op::write);
        bios("null/plain", what_device::null, what_cipher::none, bio_op::write);
    }

  private:
    std::string full_name(const char* name) const {
        return fmt::format("{}/{}/{}", name, bytes_, block_order_names[static_cast<std::size_t>(order_)]);
    }
    void bios(const char* name, what_device device, what_cipher cipher, bio_op op) {
        const bio_case now{device, cipher, op, bytes_, order_};
        add(full_name(name), [now](benchmark::State& state) { run_bios(state, now); });
    }
    void loop(const char* name, cipher_loop::what work, bool is_openssl = false) {
        add(full_name(name), [work, is_openssl, bytes = bytes_, order = order_](benchmark::State& state) {
            run_loop(state, work, bytes, order, is_openssl);
        });
    }

    std::uint32_t bytes_ = 0;
    block_order order_{};
};

} // namespace
} // namespace blkcrypto::bench

int main(int argc, char** argv) {
    using namespace blkcrypto::bench;
    submit_list all;
    for (const auto order : {block_order::sequential, block_order::random}) {
        all.add_null(4096, order);
        for (const std::uint32_t bytes : {4U << 10, 128U << 10})
            all.add_blocks(bytes, order);
        all.add_openssl_blocks(4096, order);
    }
    return all.run(argc, argv);
}
