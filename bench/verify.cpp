// SPDX-License-Identifier: Apache-2.0
#include "bench/verify.hpp"

#include "bench/image_writer.hpp"
#include "blkcrypto/dev/image_file.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "blkcrypto/tools/cli/progress.hpp"
#include "tests/reference_crypto/reference_crypto.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <fmt/format.h>
#include <unistd.h>

namespace blkcrypto::bench {
namespace {

constexpr std::uint64_t chunk_bytes = 1 << 20;
static_assert(chunk_bytes % data_unit_size::max_bytes == 0);

// Parts of the seed.
constexpr std::uint64_t content_part = 2;
constexpr std::uint64_t order_part = 3;
constexpr std::uint64_t sample_part = 4;

// An image as a plain file: no device, no bio.
class plain_reader {
  public:
    explicit plain_reader(const std::string& path) : file_(open(path)) {}

    void read(std::uint64_t offset_bytes, bytes_span into) {
        for (std::size_t done = 0; done < into.size();) {
            const ssize_t got = pread(file_.buffered.get(), into.data() + done, into.size() - done,
                                      static_cast<off_t>(offset_bytes + done));
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0)
                throw cli::file_error(cli::exit_failed,
                                      fmt::format("{}: read at offset {}", file_.path, offset_bytes + done),
                                      got < 0 ? errno : ENODATA);
            done += static_cast<std::size_t>(got);
        }
    }

  private:
    static image_file open(const std::string& path) {
        auto file = image_file::open(path, true, direct_io::off, sector_size_bytes);
        if (file.has_error())
            throw cli::file_error(cli::exit_failed, path, file.error().value());
        return std::move(*file);
    }
    image_file file_;
};

void compare_chunk(bytes_view one, bytes_view other, std::uint64_t offset_bytes, data_unit_size unit_size,
                   verify_result& result) {
    if (std::memcmp(one.data(), other.data(), one.size()) == 0)
        return;
    for (std::size_t at = 0; at < one.size(); at += unit_size.bytes()) {
        const auto unit = one.subspan(at, unit_size.bytes());
        const auto differs = std::ranges::mismatch(unit, other.subspan(at, unit_size.bytes())).in1;
        if (differs != unit.end())
            result.add_mismatch(offset_bytes + at + static_cast<std::size_t>(differs - unit.begin()));
    }
}

std::array<std::uint8_t, reference_crypto::iv_bytes> reference_iv(const dun& number) {
    std::array<std::uint8_t, reference_crypto::iv_bytes> iv{};
    for (std::size_t i = 0; i < iv.size(); ++i)
        iv[i] = static_cast<std::uint8_t>(number.value().limbs[i / 8] >> (i % 8 * 8));
    return iv;
}

// Decrypts units as an outsider would: the key's bytes, the unit's number, the ciphertext.
class unit_checker {
  public:
    unit_checker(const block_layout& layout, std::uint64_t content_seed)
        : layout_(layout), seed_(content_seed), unit_(layout.stripes->unit_size().bytes()),
          expected_(unit_.size()), mode_((*layout.keys)[0].config().mode) {}

    bool knows_mode() const { return reference_crypto::supports(find_mode(mode_)->name); }

    /// Reads the unit at the offset and says whether it is what was written.
    bool check(plain_reader& image, std::uint64_t offset_bytes) {
        image.read(offset_bytes, std::as_writable_bytes(std::span(unit_)));
        fill_content(seed_, offset_bytes, expected_);
        return decrypt(offset_bytes) && std::ranges::equal(std::as_bytes(std::span(unit_)), expected_);
    }

  private:
    bool decrypt(std::uint64_t offset_bytes) {
        const crypto_key& key = (*layout_.keys)[layout_.stripes->key_index_at(offset_bytes)];
        auto bytes = secret::make(secret::capacity);
        if (bytes.has_error() || key.derive(*bytes))
            throw cli::file_error(cli::exit_failed, "key", ENOMEM);
        const auto length = find_mode(mode_)->key_size_bytes;
        const auto* first = reinterpret_cast<const std::uint8_t*>(bytes->bytes().data());
        return reference_crypto::decrypt_unit(find_mode(mode_)->name, {first, length},
                                              reference_iv(layout_.stripes->dun_at(offset_bytes)), unit_);
    }

    const block_layout& layout_;
    const std::uint64_t seed_;
    std::vector<std::uint8_t> unit_;
    std::vector<std::byte> expected_;
    const crypto_mode mode_;
};

// Which unit stands for the i-th of `count` equal parts.
std::uint64_t sample_unit(std::uint64_t i, std::uint64_t count, std::uint64_t units, std::uint64_t seed) {
    const auto start_of = [&](std::uint64_t part) {
        return units / count * part + units % count * part / count;
    };
    if (i == 0)
        return 0;
    if (i == count - 1)
        return units - 1;
    return start_of(i) + mix64(seed + i) % (start_of(i + 1) - start_of(i));
}

} // namespace

void verify_result::add_mismatch(std::uint64_t offset_bytes) noexcept {
    ++mismatches;
    first_mismatch = std::min(first_mismatch.value_or(offset_bytes), offset_bytes);
}

void verify_result::add(const verify_result& of_another_mode) {
    const verify_result& other = of_another_mode;
    if (other.identical)
        identical = identical.value_or(true) && *other.identical;
    units_compared += other.units_compared;
    units_checked += other.units_checked;
    mismatches += other.mismatches;
    if (other.first_mismatch)
        first_mismatch = std::min(first_mismatch.value_or(*other.first_mismatch), *other.first_mismatch);
    if (error.empty())
        error = other.error;
}

void compare_images(const std::string& one, const std::string& other, const key_stripes& stripes,
                    verify_result& result) {
    plain_reader readers[]{plain_reader(one), plain_reader(other)};
    std::vector<std::byte> chunks[]{std::vector<std::byte>(chunk_bytes), std::vector<std::byte>(chunk_bytes)};
    const std::uint64_t mismatches_before = result.mismatches;
    cli::progress progress("compare images", stripes.size_bytes());
    for (std::uint64_t at = 0; at < stripes.size_bytes(); at += chunk_bytes) {
        const std::size_t length = std::min(chunk_bytes, stripes.size_bytes() - at);
        for (unsigned i = 0; i < 2; ++i)
            readers[i].read(at, bytes_span(chunks[i]).first(length));
        compare_chunk(bytes_view(chunks[0]).first(length), bytes_view(chunks[1]).first(length), at,
                      stripes.unit_size(), result);
        progress.update(at + length);
    }
    result.units_compared = stripes.unit_size().units_in(stripes.size_bytes());
    result.identical = result.mismatches == mismatches_before;
}

void check_samples(std::span<const std::string> images, const block_layout& layout,
                   std::uint64_t content_seed, verify_result& result) {
    unit_checker checker(layout, content_seed);
    if (!checker.knows_mode())
        return;
    std::vector<plain_reader> readers(images.begin(), images.end());
    const data_unit_size unit_size = layout.stripes->unit_size();
    const std::uint64_t units = unit_size.units_in(layout.stripes->size_bytes());
    const std::uint64_t count = std::min(units, samples_max);
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t unit = sample_unit(i, count, units, sub_seed(content_seed, sample_part));
        const std::uint64_t offset_bytes = unit << unit_size.bits();
        for (auto& reader : readers)
            if (!checker.check(reader, offset_bytes))
                result.add_mismatch(offset_bytes);
    }
    result.units_checked = count;
}

namespace {

void verify_into(verify_result& result, std::span<compare_path* const> paths, env& e, std::uint64_t seed) {
    const block_layout& layout = paths.front()->layout();
    const key_stripes& stripes = *layout.stripes;
    const std::uint64_t content_seed = sub_seed(seed, content_part);
    std::vector<std::string> images;
    for (auto* path : paths) {
        shuffled_plan plan(stripes.size_bytes(), stripes.unit_size(), sub_seed(seed, order_part));
        write_image(*path, e, plan, content_seed, fmt::format("verify, write {}", path->subject().name));
        images.push_back(path->subject().image);
    }
    if (images.size() == 2)
        compare_images(images[0], images[1], stripes, result);
    check_samples(images, layout, content_seed, result);
}

} // namespace

verify_result verify_paths(std::span<compare_path* const> paths, env& e, std::uint64_t seed) {
    verify_result result;
    try {
        verify_into(result, paths, e, seed);
    } catch (const std::exception& failed) {
        result.error = failed.what();
    }
    return result;
}

} // namespace blkcrypto::bench
