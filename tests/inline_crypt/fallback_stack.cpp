// SPDX-License-Identifier: Apache-2.0
#include "tests/inline_crypt/fallback_stack.hpp"

#include <algorithm>
#include <doctest/doctest.h>

namespace blkcrypto::test {
namespace {

constexpr sector capacity{16384};
constexpr int polls_max = 100'000;

} // namespace

test_io::test_io(bio_op op, sector start, std::size_t size_bytes, std::uint32_t granule_bytes,
                 random_source& random)
    : memory(size_bytes, granule_bytes, random) {
    request.prepare(op, start, memory.segments(), *this);
}

fallback_stack::fallback_stack(const stack_options& options)
    : env(test_seed(), options.hooks), random(test_seed()), device(capacity, options.order, test_seed() + 1) {
    fallback_options with = options.fallback;
    if (with.decrypt_workers != 0)
        with.decrypt_executor = &workers.emplace(env, test_seed() + 2, options.decrypt_delay_max_ns);
    auto tfms = *make_keyslot_tfms(env, options.keyslots, 1, with.kernel);
    fallback = *crypto_fallback::make(env, std::move(tfms), with);
    queue = make_queue(options.queue);
}

test_key fallback_stack::make_key(std::uint32_t unit_bytes, crypto_mode mode) {
    test_key made(random, unit_bytes, mode);
    REQUIRE_FALSE(start_using_key(env, device, fallback.get(), *made.key));
    return made;
}

std::unique_ptr<test_io> fallback_stack::make_io(bio_op op, std::uint64_t start, std::size_t size_bytes) {
    return std::make_unique<test_io>(op, sector{start}, size_bytes, 512, random);
}

std::unique_ptr<test_io> fallback_stack::make_io(bio_op op, std::uint64_t start, std::size_t size_bytes,
                                                 const test_key& key, const dun& first) {
    const std::uint32_t granule = std::min(key.key->config().unit_size.bytes(), 4096U);
    auto io = std::make_unique<test_io>(op, sector{start}, size_bytes, granule, random);
    io->request.set_crypt_ctx(*key.key, first);
    return io;
}

std::unique_ptr<test_io> fallback_stack::make_write(std::uint64_t start, std::size_t size_bytes,
                                                    const test_key& key, const dun& first) {
    auto io = make_io(bio_op::write, start, size_bytes, key, first);
    io->memory.write(random_bytes(size_bytes, random.next()));
    return io;
}

bool fallback_stack::run(test_io& io, submit_queue& on) {
    on.submit(io.request);
    return drain({&on});
}

bool fallback_stack::drain(std::initializer_list<submit_queue*> queues) {
    for (int polls = 0; polls < polls_max; ++polls) {
        unsigned ended = 0;
        for (auto* q : queues)
            ended += q->poll();
        if (std::ranges::all_of(queues, [](const auto* q) { return q->in_flight() == 0; }))
            return true;
        if (ended == 0)
            env.advance_clock(1000);
    }
    return false;
}

std::vector<std::byte> fallback_stack::on_device(const test_io& io, std::size_t size_bytes) {
    return on_device(io.request.iter.start.value, size_bytes);
}

std::vector<std::byte> fallback_stack::on_device(std::uint64_t start, std::size_t size_bytes) {
    const bytes_span stored = device.medium(sector{start}, size_bytes);
    return {stored.begin(), stored.end()};
}

std::vector<std::byte> expected_ciphertext(const test_io& io, const test_key& key, const dun& first) {
    return reference_ciphertext(key, first, io.memory.read());
}

} // namespace blkcrypto::test
