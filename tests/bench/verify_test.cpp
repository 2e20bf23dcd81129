// SPDX-License-Identifier: Apache-2.0
#include "bench/verify.hpp"

#include "bench/seeded.hpp"
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/dev/image_file.hpp"
#include "tests/reference_crypto/reference_crypto.hpp"

#include <array>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>

using namespace blkcrypto;
using namespace blkcrypto::bench;

namespace {

constexpr std::uint64_t units = 600; // more than one chunk of 1 MiB
constexpr std::uint64_t size_bytes = units * 4096;
constexpr std::uint64_t content_seed = 9;

struct scratch_directory {
    scratch_directory() { REQUIRE(mkdtemp(path.data()) != nullptr); }
    ~scratch_directory() { std::filesystem::remove_all(path); }
    std::string path = (std::filesystem::temp_directory_path() / "bench_verify_XXXXXX").string();
};

// Two images that the reference encrypted, and what is needed to check them.
struct encrypted_images {
    const crypto_mode_info& mode;
    scratch_directory directory;
    key_stripes stripes{size_bytes, *data_unit_size::make(4096), 7};
    benchmark_keys keys = *benchmark_keys::make(stripes, mode.mode, 3);
    block_layout layout{&stripes, &keys};
    std::array<std::string, 2> images{directory.path + "/one", directory.path + "/other"};

    explicit encrypted_images(crypto_mode of = crypto_mode::aes_256_xts) : mode(*find_mode(of)) {
        std::vector<std::uint8_t> unit(4096);
        for (const auto& image : images) {
            std::ofstream file(image, std::ios::binary);
            for (std::uint64_t i = 0; i < units; ++i) {
                fill_content(content_seed, i * 4096, std::as_writable_bytes(std::span(unit)));
                auto key = *secret::make(secret::capacity);
                REQUIRE(!keys[stripes.key_index_at(i * 4096)].derive(key));
                std::array<std::uint8_t, reference_crypto::iv_bytes> iv{};
                iv[0] = static_cast<std::uint8_t>(i);
                iv[1] = static_cast<std::uint8_t>(i >> 8);
                const auto* key_bytes = reinterpret_cast<const std::uint8_t*>(key.bytes().data());
                REQUIRE(
                    reference_crypto::encrypt_unit(mode.name, {key_bytes, mode.key_size_bytes}, iv, unit));
                file.write(reinterpret_cast<const char*>(unit.data()), 4096);
            }
        }
    }

    static void flip_byte(const std::string& image, std::uint64_t offset_bytes) {
        std::fstream file(image, std::ios::binary | std::ios::in | std::ios::out);
        file.seekg(static_cast<std::streamoff>(offset_bytes));
        const int byte = file.get();
        file.seekp(static_cast<std::streamoff>(offset_bytes));
        file.put(static_cast<char>(byte ^ 1));
    }

    verify_result check() const {
        verify_result result;
        compare_images(images[0], images[1], stripes, result);
        check_samples(images, layout, content_seed, result);
        return result;
    }
};

} // namespace

TEST_CASE("equal images that hold what was written pass, whatever the mode") {
    for (const auto& mode : crypto_modes()) {
        if (!reference_crypto::supports(mode.name))
            continue;
        CAPTURE(mode.name);
        const encrypted_images both(mode.mode);
        const auto result = both.check();
        CHECK(result.passed());
        CHECK(result.identical == true);
        CHECK(result.units_compared == units);
        CHECK(result.units_checked == units);
        CHECK(!result.first_mismatch);
    }
}

TEST_CASE("several modes are identical only if each is, and what is counted of them is added") {
    verify_result all;
    CHECK(!all.identical);
    all.add({.identical = {}, .units_compared = 0, .units_checked = 5, .first_mismatch = {}, .error = {}});
    CHECK(!all.identical); // of one image only
    all.add({.identical = true, .units_compared = 7, .units_checked = 7, .first_mismatch = {}, .error = {}});
    CHECK(all.passed());
    CHECK(all.identical == true);
    all.add({.identical = false,
             .units_compared = 7,
             .units_checked = 7,
             .mismatches = 2,
             .first_mismatch = 8192,
             .error = {}});
    all.add({.identical = true,
             .units_compared = 7,
             .units_checked = 0,
             .mismatches = 1,
             .first_mismatch = 4096,
             .error = "read"});
    all.add({.identical = {}, .first_mismatch = {}, .error = "write"});
    CHECK(!all.passed());
    CHECK(all.identical == false);
    CHECK(all.units_compared == 21);
    CHECK(all.units_checked == 19);
    CHECK(all.mismatches == 3);
    CHECK(all.first_mismatch == 4096);
    CHECK(all.error == "read");
}

TEST_CASE("one byte that differs is found, wherever it is, with its offset") {
    for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{(1 << 20) + 77}, size_bytes - 1}) {
        CAPTURE(offset);
        const encrypted_images both;
        encrypted_images::flip_byte(both.images[1], offset);
        verify_result result;
        compare_images(both.images[0], both.images[1], both.stripes, result);
        CHECK(result.identical == false);
        CHECK(result.mismatches == 1);
        CHECK(result.first_mismatch == offset);
        CHECK(!both.check().passed());
    }
}

TEST_CASE("the same wrong byte in both images is found by the reference") {
    const encrypted_images both;
    encrypted_images::flip_byte(both.images[0], 5 * 4096 + 3);
    encrypted_images::flip_byte(both.images[1], 5 * 4096 + 3);
    const auto result = both.check();
    CHECK(result.identical == true);
    CHECK(!result.passed());
    CHECK(result.mismatches == 2);
    CHECK(result.first_mismatch == 5 * 4096);
}

TEST_CASE("an image that ends early is an error, not a difference") {
    const encrypted_images both;
    std::filesystem::resize_file(both.images[1], size_bytes - 1);
    CHECK_THROWS(both.check());
}

TEST_CASE("I/O that fails in the verify pass ends it and is in its result with the offset") {
    encrypted_images made;
    auto e = *thread_env::make();
    const compare_subject subject{.kind = path_kind::fallback,
                                  .mode = find_mode(crypto_mode::aes_256_xts),
                                  .name = "fallback",
                                  .image = made.directory.path + "/short"};
    REQUIRE(!create_image(subject.image, {size_bytes / 2}, false));
    const auto path = compare_path::open(subject, {}, made.layout, *e);
    compare_path* const paths[]{path.get()};
    const auto result = verify_paths(paths, *e, content_seed);
    CHECK(!result.passed());
    CHECK(result.error.find(subject.image + ": write at offset ") == 0);
    CHECK(!result.identical);
    CHECK(result.units_checked == 0);
}
