// SPDX-License-Identifier: Apache-2.0
// What does bounce memory cost a write, by the size of the chunk? A chunk that is taken and given back at
// once, and 32 that are all out before the first comes back; beside malloc doing the same.

#include "bench/micro_bios.hpp"
#include "blkcrypto/inline_crypt/bounce_pool.hpp"

#include <cstdlib>
#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

constexpr unsigned pairs_a_look = 1024; // at the clock

// A place to get memory from, as the loops below see it.
class bounce_place {
  public:
    explicit bounce_place(std::uint32_t bytes)
        : bytes_(bytes), pool_(*bounce_pool::make(std::uint64_t{bytes} * batch)) {}
    bounce_chunk get() noexcept { return pool_.try_get(bytes_, bytes_); }
    void put(const bounce_chunk& chunk) noexcept { pool_.put(chunk); }

  private:
    const std::uint32_t bytes_;
    bounce_pool pool_;
};

class malloc_place {
  public:
    explicit malloc_place(std::uint32_t bytes) : bytes_(bytes) {}
    bounce_chunk get() noexcept { return {static_cast<std::byte*>(std::malloc(bytes_)), bytes_}; }
    void put(const bounce_chunk& chunk) noexcept { std::free(chunk.data); }

  private:
    const std::uint32_t bytes_;
};

template <typename Place>
void get_and_put(benchmark::State& state, std::uint32_t bytes, unsigned out_at_once) {
    Place place(bytes);
    std::array<bounce_chunk, batch> out{};
    bool all_there = true;
    for (auto _ : state)
        for (unsigned i = 0; i < pairs_a_look / out_at_once; ++i) {
            for (unsigned k = 0; k < out_at_once; ++k) {
                out[k] = place.get();
                all_there = all_there && out[k];
                benchmark::DoNotOptimize(out[k].data);
            }
            for (unsigned k = 0; k < out_at_once; ++k)
                place.put(out[k]);
        }
    if (!all_there)
        state.SkipWithError("no memory");
    count(state, pairs_a_look);
}

} // namespace
} // namespace blkcrypto::bench

int main(int argc, char** argv) {
    using namespace blkcrypto::bench;
    micro_list all;
    for (const std::uint32_t bytes : {4U << 10, 16U << 10, 64U << 10, 128U << 10, 1U << 20})
        for (const unsigned out : {1U, batch}) {
            all.add(fmt::format("bounce/{}_out/{}", out, bytes),
                    [=](benchmark::State& state) { get_and_put<bounce_place>(state, bytes, out); });
            all.add(fmt::format("malloc/{}_out/{}", out, bytes),
                    [=](benchmark::State& state) { get_and_put<malloc_place>(state, bytes, out); });
        }
    return all.run(argc, argv);
}
