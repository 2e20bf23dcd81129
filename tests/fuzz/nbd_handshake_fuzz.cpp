// SPDX-License-Identifier: Apache-2.0
// Any bytes as what a client says in a handshake, at once and cut to pieces. It ends or waits for more; no
// more is taken than was said; the output stays in bounds and is a greeting and whole replies; and both ways
// it is the same.
#include "tests/nbd/handshake_run.hpp"

#include <cstdio>
#include <cstdlib>

namespace {

using namespace blkcrypto;
using namespace blkcrypto::test;

// What stands before what the client says: how that is cut, and what is served.
constexpr std::size_t seed_bytes = 4;

void require_none(const char* broken_promise) {
    if (broken_promise == nullptr)
        return;
    std::fprintf(stderr, "nbd_handshake_fuzz: %s\n", broken_promise);
    std::abort();
}

nbd::export_info served_export(std::uint32_t seed) {
    return {.name = seed % 2 == 0 ? "disk" : "",
            .description = seed % 4 == 0 ? "what it is" : "",
            .size_bytes = 1 << 20,
            .read_only = seed % 8 == 0};
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < seed_bytes)
        return 0;
    const bytes_view input = std::as_bytes(std::span(data, size));
    const auto seed = load_big<std::uint32_t>(input.data());
    const nbd::export_info served = served_export(seed);
    const bytes_view said = input.subspan(seed_bytes);
    const handshake_result whole = run_at_once(served, said);
    require_none(broken_promise_of(whole));
    random_source random(seed);
    const handshake_result cut = run_in_pieces(served, said, random);
    require_none(broken_promise_of(cut));
    require_none(difference_of(whole, cut));
    return 0;
}
