// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/attach_options.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::tools;

TEST_CASE("loopback addresses of both families are taken, with any port") {
    const auto parsed = [](const char* text) { return parse_loopback_address("--listen", text); };
    CHECK(parsed("127.0.0.1:0").host == "127.0.0.1");
    CHECK(parsed("127.255.255.254:65535").port == 65535);
    CHECK(parsed("localhost:10809").port == 10809);
    CHECK(parsed("[::1]:1").host == "::1");
    CHECK(parsed("::1:1").host == "::1");
}

TEST_CASE("what anybody else could reach, or is no address, is refused") {
    for (const char* const text :
         {"0.0.0.0:1", "[::]:1", "192.168.0.1:1", "128.0.0.1:1", "localhost.localdomain:1", "127.1:1", ":1",
          "", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:1x", "[127.0.0.1:1",
          "::ffff:8.8.8.8:1"})
        CHECK_THROWS_AS(parse_loopback_address("--listen", text), cli::program_error);
}
