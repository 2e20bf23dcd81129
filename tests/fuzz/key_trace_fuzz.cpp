// SPDX-License-Identifier: Apache-2.0
// Any bytes as a trace of key accesses, at once and cut to pieces. Both ways it is the same: keys that there
// are, no more than lines, which written anew are the same trace; or the line that is wrong, and then nothing
// more is taken.
#include "bench/lab/key_trace.hpp"
#include "blkcrypto/base/bytes.hpp"
#include "tests/support/random_bytes.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace {

using namespace blkcrypto;
using namespace blkcrypto::bench;

// What stands before the text: how many keys there are, and how the text is cut.
constexpr std::size_t choice_bytes = 2 * sizeof(std::uint64_t);
constexpr std::uint64_t keys_max = std::uint64_t{1} << 32;

void require(bool is_kept, const char* promise) {
    if (is_kept)
        return;
    std::fprintf(stderr, "key_trace_fuzz: not so: %s\n", promise);
    std::abort();
}

struct outcome {
    std::vector<std::uint32_t> entries;
    std::string why;
    bool operator==(const outcome&) const = default;
};

outcome outcome_of(key_trace_parser& parser) {
    const bool is_fine = parser.end();
    require(is_fine == parser.why().empty(), "it is fine, or it says why not");
    require(is_fine || !parser.take("0\n"), "nothing is taken behind an error");
    return {is_fine ? parser.take_entries() : std::vector<std::uint32_t>(), parser.why()};
}

outcome at_once(std::string_view text, std::uint64_t keys) {
    key_trace_parser parser(keys);
    (void)parser.take(text);
    return outcome_of(parser);
}

outcome in_pieces(std::string_view text, std::uint64_t keys, std::uint64_t seed) {
    test::random_source random(seed);
    key_trace_parser parser(keys);
    while (!text.empty()) {
        const auto piece = text.substr(0, 1 + random.below(random.below(2) == 0 ? 3 : text.size()));
        text.remove_prefix(piece.size());
        (void)parser.take(piece);
    }
    return outcome_of(parser);
}

std::string written(const std::vector<std::uint32_t>& entries) {
    std::string text;
    for (const auto key : entries)
        text += std::to_string(key) + "\n";
    return text;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < choice_bytes)
        return 0;
    const bytes_view input = std::as_bytes(std::span(data, size));
    const std::uint64_t keys = 1 + (load_little<std::uint64_t>(input.data()) - 1) % keys_max;
    const auto seed = load_little<std::uint64_t>(input.data() + sizeof(std::uint64_t));
    const std::string_view text(reinterpret_cast<const char*>(data) + choice_bytes, size - choice_bytes);
    const outcome whole = at_once(text, keys);
    require(whole == in_pieces(text, keys, seed), "it is the same in pieces");
    require(std::ranges::all_of(whole.entries, [&](std::uint32_t key) { return key < keys; }),
            "there is such a key");
    const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1;
    require(whole.entries.size() <= lines, "a key a line at most");
    require(whole.entries.empty() == !whole.why.empty(), "keys, or the reason why there are none");
    if (!whole.entries.empty())
        require(at_once(written(whole.entries), keys) == whole, "written anew it is the same trace");
    return 0;
}
