// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/image_file.hpp"

#include "blkcrypto/dev/image_device.hpp"
#include "tests/dev/temporary_image.hpp"

#include <algorithm>
#include <cerrno>
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

std::error_code open_error(const std::string& path) {
    return make_image_device({.path = path}).error();
}

} // namespace

TEST_CASE("a new image is zeros, has its space, and is its owner's only") {
    const temporary_image image(1 << 20);
    struct stat status;
    REQUIRE(stat(image.path().c_str(), &status) == 0);
    CHECK(status.st_size == 1 << 20);
    CHECK((status.st_mode & 0777) == 0600);
    CHECK(status.st_blocks * 512 >= 1 << 20);
    const auto bytes = image.read_back(0, 1 << 20);
    CHECK(std::ranges::count(bytes, std::byte{0}) == 1 << 20);
}

TEST_CASE("an existing image is replaced only on request") {
    const temporary_image image(8192);
    const std::vector<std::byte> data(8192, std::byte{7});
    image.overwrite(0, data);
    CHECK(create_image(image.path(), {4096}, false) == make_error(EEXIST));
    CHECK(image.read_back(0, 8192) == data);
    CHECK_FALSE(create_image(image.path(), {4096}, true));
    CHECK(image.read_back(0, 4096) == std::vector<std::byte>(4096));
    CHECK((*make_image_device({.path = image.path()}))->capacity() == sector{8});
}

TEST_CASE("an image that cannot be made leaves nothing behind") {
    const std::string path = temporary_path();
    CHECK(create_image(path + "/no/such/image", {4096}, false) == make_error(ENOENT));
    CHECK(create_image(".", {4096}, true) == make_error(EISDIR));
    CHECK(create_image("/dev/null", {4096}, true) == make_error(EINVAL));
    CHECK(create_image(path, {1ULL << 63}, false) == make_error(EFBIG));
    const std::error_code too_large = create_image(path, {1ULL << 50}, false);
    CHECK((too_large == make_error(ENOSPC) || too_large == make_error(EFBIG)));
    CHECK(access(path.c_str(), F_OK) != 0);
}

TEST_CASE("a path that is no image says what it is") {
    const std::string path = temporary_path();
    CHECK(open_error(path) == make_error(ENOENT));
    CHECK(open_error(".") == make_error(EISDIR));
    CHECK(open_error("/dev/null") == make_error(ENOTBLK));
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    CHECK(open_error(path) == make_error(ENOTBLK));
    unlink(path.c_str());
}

TEST_CASE("a file without permission is EACCES") {
    if (geteuid() == 0)
        return;
    const temporary_image image(4096);
    REQUIRE(chmod(image.path().c_str(), 0400) == 0);
    CHECK(open_error(image.path()) == make_error(EACCES));
    CHECK(make_image_device({.path = image.path(), .read_only = true}).has_value());
}

TEST_CASE("the capacity is the whole sectors of the file") {
    for (const std::uint64_t size : {0U, 511U, 512U, 1000U, 4097U}) {
        const temporary_image image(size);
        CHECK((*make_image_device({.path = image.path()}))->capacity() == sector{size / 512});
    }
}
