// SPDX-License-Identifier: Apache-2.0
// What Linux wrote through its blk-crypto-fallback (tests/vectors/golden), written again through ours and
// through an engine: the same bios under the same keys have to leave the same bytes.
#include "tests/dev/path.hpp"
#include "tests/inline_crypt/scattered_buffer.hpp"
#include "tests/vectors/golden/golden_set.hpp"

#include <algorithm>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

using vectors::golden_extent;
using vectors::golden_file;
using vectors::golden_set;

/// A bio that writes or reads some units of an extent.
struct extent_io final : bio_end_io {
    extent_io(bio_op op, sector at, bytes_view data, const crypto_key& key, const dun& first,
              random_source& random)
        : memory(data.size(), 4096, random) {
        request.prepare(op, at, memory.segments(), *this);
        request.set_crypt_ctx(key, first);
        if (op == bio_op::write)
            memory.write(data);
    }
    void end_io(bio&) noexcept override { ++ends; }

    scattered_buffer memory;
    bio request;
    unsigned ends = 0;
};

/// The files of a set, one extent after the other on a medium; each file has a key of its own.
class written_set {
  public:
    written_set(const golden_set& set, path& on) : set_(set), on_(on), random_(test_seed() + 500) {
        const crypto_mode mode = find_mode(set.mode)->mode;
        for (const auto& file : set.files) {
            keys_.push_back(*crypto_key::make(file.key, config_of(mode, set.unit_size_bytes)));
            on.start(*keys_.back());
        }
    }

    /// Every extent in bios of random lengths, those of all files in flight at once.
    void write() {
        std::deque<extent_io> ios;
        for_each_extent([&](const golden_extent& extent, const crypto_key& key, sector at) {
            add_ios(ios, bio_op::write, extent, key, at);
        });
        run(ios);
    }

    std::vector<std::byte> read() {
        std::deque<extent_io> ios;
        for_each_extent([&](const golden_extent& extent, const crypto_key& key, sector at) {
            add_ios(ios, bio_op::read, extent, key, at);
        });
        run(ios);
        std::vector<std::byte> data;
        for (const auto& io : ios)
            std::ranges::copy(io.memory.read(), std::back_inserter(data));
        return data;
    }

    std::vector<std::byte> plain() const {
        return joined([](const auto& extent) { return bytes_view(extent.plain); });
    }
    std::vector<std::byte> cipher() const {
        return joined([](const auto& extent) { return extent.cipher; });
    }

  private:
    template <typename Body>
    void for_each_extent(Body body) {
        sector at{0};
        for (std::size_t file = 0; file < set_.files.size(); ++file)
            for (const auto& extent : set_.files[file].extents) {
                body(extent, *keys_[file], at);
                at.value += extent.cipher.size() / 512;
            }
    }

    template <typename Part>
    std::vector<std::byte> joined(Part part) const {
        std::vector<std::byte> all;
        for (const auto& file : set_.files)
            for (const auto& extent : file.extents)
                std::ranges::copy(part(extent), std::back_inserter(all));
        return all;
    }

    void add_ios(std::deque<extent_io>& ios, bio_op op, const golden_extent& extent, const crypto_key& key,
                 sector at) {
        const std::size_t units = extent.plain.size() / set_.unit_size_bytes;
        for (std::size_t unit = 0; unit < units;) {
            const std::size_t count = 1 + random_.below(units - unit), offset = unit * set_.unit_size_bytes;
            dun first(extent.first_dun);
            first += unit;
            ios.emplace_back(op, sector{at.value + offset / 512},
                             bytes_view(extent.plain).subspan(offset, count * set_.unit_size_bytes), key,
                             first, random_);
            unit += count;
        }
    }

    void run(std::deque<extent_io>& ios) {
        for (auto& io : ios)
            on_.queue->submit(io.request);
        on_.drain();
        CHECK(std::ranges::all_of(
            ios, [](const auto& io) { return io.ends == 1 && io.request.status == blk_status::ok; }));
    }

    const golden_set& set_;
    path& on_;
    random_source random_;
    std::vector<std::unique_ptr<crypto_key>> keys_;
};

constexpr auto shuffled = completion_order::shuffled;

const path_options paths[] = {
    {.name = "fallback", .engine_keyslots = {}},
    {.name = "fallback, one slot", .engine_keyslots = {}, .fallback_keyslots = 1, .order = shuffled},
    {.name = "fallback, two slots, workers",
     .engine_keyslots = {},
     .fallback_keyslots = 2,
     .decrypt_workers = 2,
     .order = shuffled},
    {.name = "engine, two slots", .engine_keyslots = 2, .order = shuffled},
    {.name = "engine without slots", .engine_keyslots = 0},
};

/// Runs `body(path&, written_set&)` for each path and each set whose mode there is.
template <typename Body>
void for_each_path_and_set(Body body) {
    for (const auto& options : paths)
        for (const auto& set : vectors::golden_sets()) {
            CAPTURE(std::string(options.name));
            CAPTURE(set.name);
            if (selected_implementation(find_mode(set.mode)->mode) == nullptr)
                continue;
            path on(options);
            written_set files(set, on);
            body(on, files);
        }
}

} // namespace

TEST_CASE("files leave the bytes that Linux 6.1 wrote, by fallback and by engine") {
    for_each_path_and_set([](path& on, written_set& files) {
        files.write();
        const auto expected = files.cipher();
        CHECK(std::ranges::equal(on.medium.medium({0}, expected.size()), expected));
    });
}

TEST_CASE("the bytes that Linux 6.1 wrote are read back, by fallback and by engine") {
    for_each_path_and_set([](path& on, written_set& files) {
        std::ranges::copy(files.cipher(), on.medium.medium().begin());
        CHECK(files.read() == files.plain());
    });
}
