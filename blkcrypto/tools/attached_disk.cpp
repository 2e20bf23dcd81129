// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/attached_disk.hpp"

#include "blkcrypto/dev/inline_crypto_device.hpp"
#include "blkcrypto/dev/range_lock_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace blkcrypto::tools {
namespace {

using cli::exit_unusable;

// Reads that are made one after the other: what waits to be sent should still be in the processor's cache.
constexpr std::uint64_t cached_bytes = 1 << 20;

} // namespace

// The filesystem's word for what has been written, in whole sectors: a hole is cut, data is not.
class attached_disk::file_holes final : public nbd::allocation_map {
  public:
    file_holes(const std::string& image, std::uint64_t size_bytes)
        : file_(::open(image.c_str(), O_RDONLY | O_CLOEXEC)), size_bytes_(size_bytes) {}

    nbd::allocation_extent extent_at(std::uint64_t offset_bytes) const noexcept override {
        const std::uint64_t data = seek(offset_bytes, SEEK_DATA) & ~std::uint64_t{sector_size_bytes - 1};
        if (data > offset_bytes)
            return {data - offset_bytes, true};
        // A hole that was punched here since is told the next time.
        const std::uint64_t hole = std::max(seek(offset_bytes, SEEK_HOLE), offset_bytes + 1);
        const std::uint64_t end = (hole + sector_size_bytes - 1) & ~std::uint64_t{sector_size_bytes - 1};
        return {end - offset_bytes, false};
    }

  private:
    // The end of the disk if there is no more of it; data everywhere if the filesystem cannot say.
    std::uint64_t seek(std::uint64_t offset_bytes, int what) const noexcept {
        const off_t found = lseek(file_.get(), static_cast<off_t>(offset_bytes), what);
        if (found >= 0)
            return std::min(static_cast<std::uint64_t>(found), size_bytes_);
        return what == SEEK_DATA && errno != ENXIO ? offset_bytes : size_bytes_;
    }

    const file_descriptor file_;
    const std::uint64_t size_bytes_;
};

std::unique_ptr<attached_disk> attached_disk::open(const disk_options& options, cli::image_lock&& lock,
                                                   secret key) {
    std::unique_ptr<attached_disk> disk(new attached_disk(options, std::move(lock)));
    disk->env_ = cli::take(thread_env::make(), "event loop");
    disk->file_ =
        cli::take(make_image_device({.path = options.image, .read_only = options.read_only}), options.image);
    disk->lock_.check_still_at(options.image);
    disk->check_size();
    if (!options.crypto) {
        disk->holes_ = std::make_unique<file_holes>(options.image, disk->size_bytes());
    } else {
        if (options.crypto->engine == nullptr)
            disk->put_fallback();
        else
            disk->put_engine();
        disk->start_key(key);
    }
    disk->serve();
    return disk;
}

attached_disk::attached_disk(const disk_options& options, cli::image_lock&& lock)
    : options_(options), lock_(std::move(lock)) {}

attached_disk::~attached_disk() {
    if (key_)
        (void)evict_key(*env_, *cut_units_, nullptr, *key_); // the log has the error
}

void attached_disk::check_size() const {
    struct stat found {};
    if (stat(options_.image.c_str(), &found) == 0 && S_ISREG(found.st_mode) &&
        static_cast<std::uint64_t>(found.st_size) % unit_bytes() != 0)
        throw cli::unusable(options_.image, fmt::format("its size of {} bytes is not a multiple of {}",
                                                        found.st_size, unit_bytes()));
    if (size_bytes() < unit_bytes() || size_bytes() % unit_bytes() != 0)
        throw cli::unusable(options_.image, fmt::format("{} bytes are no whole data units of {}",
                                                        size_bytes(), unit_bytes()));
}

void attached_disk::put_engine() {
    workers_ = cli::take(worker_pool::make(1, "engine"), "engine thread");
    engine_ = cli::take(make_inline_crypto_device(*file_, *options_.crypto->engine, *env_, {*workers_, 1}),
                        options_.crypto->engine->name);
}

void attached_disk::put_fallback() {
    fallback_options options;
    const unsigned decrypt_workers = options_.crypto->decrypt_workers;
    if (decrypt_workers != 0) {
        workers_ = cli::take(worker_pool::make(decrypt_workers, "decrypt"), "decrypt workers");
        options.decrypt_executor = workers_.get();
        options.decrypt_workers = decrypt_workers;
    }
    auto tfms =
        cli::take(make_keyslot_tfms(*env_, kernel_7_0.fallback_keyslots, options_.threads + decrypt_workers),
                  "fallback");
    fallback_ = cli::take(crypto_fallback::make(*env_, std::move(tfms), options), "fallback");
}

// What the last unit needs.
std::uint8_t attached_disk::dun_bytes() const {
    uint256 last = options_.crypto->dun_offset;
    const bool wraps = last.add(size_bytes() / unit_bytes() - 1);
    if (wraps || last.significant_bytes() > options_.crypto->mode->iv_size_bytes)
        throw cli::unusable("--dun-offset", fmt::format("the numbers of the last data units do not fit {}",
                                                        options_.crypto->mode->name));
    return static_cast<std::uint8_t>(std::max(last.significant_bytes(), 1U));
}

void attached_disk::start_key(const secret& key) {
    const crypto_config config{options_.crypto->mode->mode, options_.crypto->unit_size, dun_bytes()};
    cut_units_ = cli::take(make_range_lock_device(crypting_device(), fallback_.get(), *env_), "range locks");
    auto made = cli::take(crypto_key::make(key.bytes(), config), "key");
    // Starting to use what nobody supports would add a line of its own.
    const bool is_supported = config_supported(*cut_units_, nullptr, config);
    const std::error_code error =
        is_supported ? start_using_key(*env_, *cut_units_, nullptr, *made) : make_error(EOPNOTSUPP);
    if (error)
        throw cli::unusable(options_.crypto->mode->name, why_refused(config), error.value());
    key_ = std::move(made);
}

std::string attached_disk::why_refused(const crypto_config& config) const {
    const auto& native = engine_ ? *engine_->native_crypto() : fallback_->capabilities();
    if (native.unit_sizes[static_cast<std::size_t>(config.mode)] == 0)
        return fmt::format("{} does not have it", crypted_by());
    return fmt::format("data units of {} bytes with numbers of {} bytes are not for {}", unit_bytes(),
                       config.dun_bytes, crypted_by());
}

std::string attached_disk::crypted_by() const {
    const engine_profile* const engine = options_.crypto->engine;
    return engine == nullptr ? "the fallback" : "engine " + engine->name;
}

void attached_disk::serve() {
    nbd::export_info info;
    info.description = describe_crypto();
    info.size_bytes = size_bytes();
    info.block_bytes_preferred = std::max(unit_bytes(), info.block_bytes_preferred);
    info.read_only = options_.read_only;
    block_device& top = cut_units_ ? *cut_units_ : *file_;
    const uint256 first_dun = options_.crypto ? options_.crypto->dun_offset : uint256();
    served_.reset(new nbd::served_disk{std::move(info), top, key_.get(), first_dun, holes_.get()});
    if (file_->io().io != image_io::io_uring)
        served_->read_ahead_bytes = cached_bytes;
}

std::string attached_disk::describe_crypto() const {
    if (!options_.crypto)
        return "plain";
    return fmt::format("{}, data units of {} bytes, by {}", options_.crypto->mode->name, unit_bytes(),
                       crypted_by());
}

std::string attached_disk::describe() const {
    return cut_units_ ? cut_units_->describe() : file_->describe();
}

} // namespace blkcrypto::tools
