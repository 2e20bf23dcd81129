// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/cli/number.hpp"

#include <doctest/doctest.h>

using namespace blkcrypto;

TEST_CASE("a size is written in the largest unit that it is whole in, and reads back the same") {
    struct example {
        std::uint64_t bytes;
        const char* text;
    };
    constexpr std::uint64_t one = 1;
    for (const example& e :
         {example{0, "0"}, example{1, "1"}, example{1000, "1000"}, example{1023, "1023"}, example{1024, "1k"},
          example{1025, "1025"}, example{4096, "4k"}, example{1536 << 10, "1536k"},
          example{128 << 20, "128m"}, example{512 * (one << 30), "512g"}, example{3 * (one << 39), "1536g"},
          example{one << 40, "1t"}, example{one << 63, "8388608t"},
          example{~std::uint64_t{0}, "18446744073709551615"}}) {
        CAPTURE(e.text);
        CHECK(cli::size_text(e.bytes) == e.text);
        CHECK(cli::parse_size("size", e.text) == e.bytes);
    }
}
