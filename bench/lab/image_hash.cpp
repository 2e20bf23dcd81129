// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/image_hash.hpp"

#include "bench/io_buffers.hpp"
#include "blkcrypto/dev/image_file.hpp"
#include "blkcrypto/tools/cli/hex.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <array>
#include <cerrno>
#include <memory>
#include <openssl/evp.h>
#include <unistd.h>

namespace blkcrypto::bench {
namespace {

constexpr std::size_t piece_bytes = 1 << 20;
constexpr std::uint32_t block_bytes = 4096; // of which images have a whole number

class sha256 {
  public:
    sha256() : state_(EVP_MD_CTX_new()) {
        check(state_ && EVP_DigestInit_ex(state_.get(), EVP_sha256(), nullptr) == 1);
    }

    void add(bytes_view bytes) { check(EVP_DigestUpdate(state_.get(), bytes.data(), bytes.size()) == 1); }
    std::array<std::byte, 32> finish() {
        std::array<std::byte, 32> digest{};
        check(EVP_DigestFinal_ex(state_.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr) ==
              1);
        return digest;
    }

  private:
    static void check(bool is_good) {
        if (!is_good)
            throw cli::program_error(cli::exit_failed, "SHA-256", "refused by the cryptographic library");
    }
    struct release {
        void operator()(EVP_MD_CTX* state) const noexcept { EVP_MD_CTX_free(state); }
    };
    std::unique_ptr<EVP_MD_CTX, release> state_;
};

/// How much of `into`: all of it but at the end.
std::size_t read_at(const image_file& image, std::uint64_t offset_bytes, bytes_span into) {
    const int fd = image.direct ? image.direct.get() : image.buffered.get();
    for (;;) {
        const ssize_t done = pread(fd, into.data(), into.size(), static_cast<off_t>(offset_bytes));
        if (done > 0)
            return static_cast<std::size_t>(done);
        if (done == 0 || errno != EINTR)
            throw cli::file_error(cli::exit_failed, image.path, done == 0 ? EIO : errno);
    }
}

} // namespace

std::string image_hash(const std::string& path) {
    const image_file image =
        cli::take(image_file::open(path, true, direct_io::automatic, block_bytes), path, cli::exit_failed);
    const io_buffers buffer(1, piece_bytes);
    sha256 hash;
    for (std::uint64_t at = 0; at < image.size.value;) {
        const std::size_t done = read_at(image, at, buffer[0]);
        hash.add(buffer[0].first(done));
        at += done;
    }
    return cli::to_hex(hash.finish());
}

} // namespace blkcrypto::bench
