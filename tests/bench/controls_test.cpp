// SPDX-License-Identifier: Apache-2.0
#include "bench/controls.hpp"

#include "blkcrypto/base/thread_env.hpp"

#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::bench;

TEST_CASE("all controls have a figure") {
    auto e = *thread_env::make();
    const auto figures = measure_controls(*e, {.block_bytes = 65536,
                                               .unit_size = *data_unit_size::make(4096),
                                               .mode = crypto_mode::aes_256_xts,
                                               .depth = 3});
    CHECK(figures.block_bytes == 65536);
    REQUIRE(figures.cipher_gb_per_s);
    CHECK(figures.cipher_gb_per_s->median > 0);
    CHECK(figures.memcpy_gb_per_s.median > 0);
    CHECK(figures.null_device_mbios_per_s.median > 0);
}
