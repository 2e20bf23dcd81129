// SPDX-License-Identifier: Apache-2.0
#include "bench/controls.hpp"

#include "blkcrypto/base/thread_env.hpp"

#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::bench;

TEST_CASE("all controls have a figure") {
    auto e = *thread_env::make();
    const control_options options{.block_bytes = 65536, .unit_size = *data_unit_size::make(4096), .depth = 3};
    const auto figures = measure_controls(*e, options);
    CHECK(figures.block_bytes == 65536);
    CHECK(figures.memcpy_gb_per_s.median > 0);
    CHECK(figures.null_device_mbios_per_s.median > 0);
    const auto cipher = measure_cipher(*e, options, crypto_mode::aes_256_xts);
    REQUIRE(cipher);
    CHECK(cipher->median > 0);
}
