// SPDX-License-Identifier: Apache-2.0
#include "tests/dev/temporary_image.hpp"

#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/dev/image_file.hpp"
#include "blkcrypto/dev/uring_loop.hpp"

#include <atomic>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

namespace blkcrypto::test {

std::string temporary_path() {
    static std::atomic<unsigned> number{0};
    const char* other = std::getenv("TMPDIR");
    const std::string folder = access(".", W_OK) == 0 ? "." : other != nullptr ? other : "/tmp";
    return folder + "/blkcrypto_test." + std::to_string(getpid()) + "." + std::to_string(number++) + ".img";
}

temporary_image::temporary_image(std::uint64_t size_bytes) : path_(temporary_path()) {
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
    const auto env = *thread_env::make();
    const auto loop = uring_loop::make(*env, 1);
    if (!loop && (loop.error() == make_error(ENOSYS) || loop.error() == make_error(EPERM))) {
        MESSAGE("skipped, no io_uring here: " << loop.error().message());
        return false;
    }
    REQUIRE(loop.has_value());
    return true;
}

} // namespace blkcrypto::test
