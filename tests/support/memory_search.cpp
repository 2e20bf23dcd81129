// SPDX-License-Identifier: Apache-2.0
#include "tests/support/memory_search.hpp"

#include "blkcrypto/base/secret.hpp"

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace blkcrypto::test {
namespace {

struct memory_range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

constexpr std::size_t window_bytes = 1 << 20;
constexpr std::size_t overlap_bytes = 256; // the longest pattern
// The shadow memory of sanitizers is mapped as terabytes; nobody keeps a key there.
constexpr std::uint64_t range_bytes_max = std::uint64_t{1} << 32;

std::vector<memory_range> writable_ranges(std::uint64_t except_begin) {
    std::vector<memory_range> ranges;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        memory_range range;
        char access[5] = {};
        if (std::sscanf(line.c_str(), "%lx-%lx %4s", &range.begin, &range.end, access) == 3 &&
            access[0] == 'r' && access[1] == 'w' && range.begin != except_begin &&
            range.end - range.begin <= range_bytes_max)
            ranges.push_back(range);
    }
    return ranges;
}

// What is read from other memory, in a mapping of its own that the search can leave out. It stays separate
// from its neighbours in /proc/self/maps because they differ in what a fork does with them.
class window {
  public:
    window() {
        void* mapped =
            mmap(nullptr, window_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mapped == MAP_FAILED || madvise(mapped, window_bytes, MADV_DONTFORK) != 0)
            throw std::runtime_error("no memory for the search window");
        memory_ = {static_cast<std::byte*>(mapped), window_bytes};
    }
    ~window() { munmap(memory_.data(), memory_.size()); }
    window(const window&) = delete;
    window& operator=(const window&) = delete;

    std::uint64_t address() const { return reinterpret_cast<std::uintptr_t>(memory_.data()); }
    bytes_span memory() const { return memory_; }

  private:
    bytes_span memory_;
};

std::size_t count_in(bytes_view memory, std::size_t starts, const masked_pattern& pattern) {
    std::size_t hits = 0;
    const std::byte* at = memory.data();
    const std::byte* const end = memory.data() + memory.size();
    const std::byte* const start_end = memory.data() + starts;
    while (at < start_end) {
        const void* found =
            std::memchr(at, static_cast<int>(pattern.first()), static_cast<std::size_t>(start_end - at));
        if (found == nullptr)
            break;
        at = static_cast<const std::byte*>(found);
        if (static_cast<std::size_t>(end - at) >= pattern.size_bytes() && pattern.matches(at))
            ++hits;
        ++at;
    }
    return hits;
}

std::size_t count_in_range(int mem, const memory_range& range, bytes_span buffer,
                           const std::vector<masked_pattern>& patterns) {
    std::size_t hits = 0;
    for (std::uint64_t at = range.begin; at < range.end;) {
        const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), range.end - at));
        const ssize_t got = pread(mem, buffer.data(), want, static_cast<off_t>(at));
        if (got <= 0)
            break;
        const auto length = static_cast<std::size_t>(got);
        const bool last = at + length >= range.end || length <= overlap_bytes;
        const std::size_t starts = last ? length : length - overlap_bytes;
        for (const auto& pattern : patterns)
            hits += count_in(buffer.first(length), starts, pattern);
        at += starts;
    }
    return hits;
}

} // namespace

masked_pattern::masked_pattern(bytes_view bytes) : masked_(bytes.begin(), bytes.end()) {
    if (bytes.empty() || bytes.size() > overlap_bytes)
        throw std::invalid_argument("a pattern is 1 to 256 bytes");
    for (auto& byte : masked_)
        byte ^= mask;
}

bool masked_pattern::matches(const std::byte* memory) const noexcept {
    for (std::size_t i = 0; i < masked_.size(); ++i)
        if ((memory[i] ^ mask) != masked_[i])
            return false;
    return true;
}

void masked_pattern::reveal(bytes_span into) const noexcept {
    for (std::size_t i = 0; i < masked_.size(); ++i)
        into[i] = masked_[i] ^ mask;
}

std::vector<masked_pattern> masked_pieces(bytes_view bytes) {
    constexpr std::size_t piece_bytes = 16;
    std::vector<masked_pattern> pieces;
    for (std::size_t at = 0; at + piece_bytes <= bytes.size(); at += piece_bytes)
        pieces.emplace_back(bytes.subspan(at, piece_bytes));
    wipe_vector_registers(); // what was copied here is not to be found as a copy of its owner's
    return pieces;
}

std::size_t count_in_memory(const std::vector<masked_pattern>& patterns) {
    const window here;
    const int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    if (mem < 0)
        throw std::runtime_error("cannot open /proc/self/mem");
    std::size_t hits = 0;
    for (const auto& range : writable_ranges(here.address()))
        hits += count_in_range(mem, range, here.memory(), patterns);
    close(mem);
    return hits;
}

} // namespace blkcrypto::test
