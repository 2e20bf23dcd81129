// SPDX-License-Identifier: Apache-2.0
#include "tests/dev/temporary_image.hpp"

#include "blkcrypto/dev/image_file.hpp"
#include "blkcrypto/dev/uring_loop.hpp"

#include <atomic>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

namespace blkcrypto::test {

namespace {

const char* usual_folder() {
    const char* other = std::getenv("TMPDIR");
    return access(".", W_OK) == 0 ? "." : other != nullptr ? other : "/tmp";
}

} // namespace

std::string temporary_path(const char* folder) {
    static std::atomic<unsigned> number{0};
    return std::string(folder != nullptr ? folder : usual_folder()) + "/blkcrypto_test." +
           std::to_string(getpid()) + "." + std::to_string(number++) + ".img";
}

temporary_image::temporary_image(std::uint64_t size_bytes, const char* folder)
    : path_(temporary_path(folder)) {
    REQUIRE_FALSE(create_image(path_, {size_bytes}, false));
}

temporary_image::~temporary_image() {
    unlink(path_.c_str());
}

void temporary_image::resize(std::uint64_t size_bytes) const {
    REQUIRE(truncate(path_.c_str(), static_cast<off_t>(size_bytes)) == 0);
}

std::vector<std::byte> temporary_image::read_back(std::uint64_t offset_bytes, std::size_t size_bytes) const {
    const file_descriptor file(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    std::vector<std::byte> bytes(size_bytes);
    REQUIRE(pread(file.get(), bytes.data(), size_bytes, static_cast<off_t>(offset_bytes)) ==
            static_cast<ssize_t>(size_bytes));
    return bytes;
}

void temporary_image::overwrite(std::uint64_t offset_bytes, bytes_view data) const {
    const file_descriptor file(open(path_.c_str(), O_WRONLY | O_CLOEXEC));
    REQUIRE(pwrite(file.get(), data.data(), data.size(), static_cast<off_t>(offset_bytes)) ==
            static_cast<ssize_t>(data.size()));
}

bool have_uring() {
    const std::error_code error = uring_loop::availability();
    if (error == make_error(ENOSYS) || error == make_error(EPERM)) {
        MESSAGE("skipped, no io_uring here: " << error.message());
        return false;
    }
    REQUIRE_FALSE(error);
    return true;
}

} // namespace blkcrypto::test
