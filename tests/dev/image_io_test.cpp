// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/image_io.hpp"

#include "tests/dev/image_rig.hpp"
#include "tests/dev/restricted_child.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <thread>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr const char* folder_in_memory = "/dev/shm";

image_file open_image(const temporary_image& image, bool read_only = false) {
    return *image_file::open(image.path(), read_only, direct_io::automatic, 512);
}

bool refuses_nowait(const temporary_image& image) {
    const file_descriptor file(open(image.path().c_str(), O_RDONLY | O_CLOEXEC));
    std::byte byte;
    const iovec memory{&byte, 1};
    return preadv2(file.get(), &memory, 1, 0, RWF_NOWAIT) < 0 && errno == EOPNOTSUPP;
}

image_io choice_for(const image_file& file) {
    return choose_image_io(file, image_io::automatic)->io;
}

bool works(const image_options& options) {
    const auto device = *make_image_device(options);
    const auto env = *thread_env::make();
    const auto queue = *device->make_queue(*env, {.depth = 4});
    page_memory data(8192), back(8192);
    return run(*queue, bio_op::write, {8}, {segment_of(data.bytes())}) == blk_status::ok &&
           run(*queue, bio_op::read, {8}, {segment_of(back.bytes())}) == blk_status::ok &&
           run(*queue, bio_op::flush, {0}, {}) == blk_status::ok && data.copy() == back.copy();
}

} // namespace

TEST_CASE("a file in memory is done by size, whatever its size and mode") {
    if (!have_uring())
        return;
    for (const std::uint64_t size_bytes : {0U, 511U, 65536U}) {
        const temporary_image image(size_bytes, folder_in_memory);
        if (!open_image(image).in_memory || !refuses_nowait(image)) {
            MESSAGE("skipped, " << folder_in_memory
                                << " is not a filesystem that io_uring needs workers for");
            return;
        }
        if (std::thread::hardware_concurrency() == 1)
            return; // the next case
        for (const bool read_only : {false, true}) {
            const image_file file = open_image(image, read_only);
            CHECK(choice_for(file) == image_io::by_size);
            CHECK_FALSE(file.direct);
        }
    }
}

TEST_CASE("a file in memory is done by plain calls on one processor") {
    const temporary_image image(65536, folder_in_memory);
    if (!have_uring() || !open_image(image).in_memory || !refuses_nowait(image))
        return;
    cpu_set_t before, one;
    REQUIRE(sched_getaffinity(0, sizeof(before), &before) == 0);
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(sched_getcpu()), &one);
    REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
    CHECK(choice_for(open_image(image)) == image_io::preadv2);
    REQUIRE(sched_setaffinity(0, sizeof(before), &before) == 0);
}

TEST_CASE("a file on a disk is done through a ring, whatever its size and mode") {
    if (!have_uring())
        return;
    for (const std::uint64_t size_bytes : {0U, 511U, 65536U}) {
        const temporary_image image(size_bytes);
        if (open_image(image).in_memory) {
            MESSAGE("skipped, the images of the tests are in memory");
            return;
        }
        for (const bool read_only : {false, true})
            CHECK(choice_for(open_image(image, read_only)) == image_io::io_uring);
    }
}

TEST_CASE("choosing leaves the file as it is") {
    for (const char* folder : {static_cast<const char*>(nullptr), folder_in_memory}) {
        const temporary_image image(4096, folder);
        const auto data = random_bytes(4096, test_seed());
        image.overwrite(0, data);
        struct stat before, after;
        REQUIRE(stat(image.path().c_str(), &before) == 0);
        REQUIRE(choose_image_io(open_image(image), image_io::automatic).has_value());
        REQUIRE(stat(image.path().c_str(), &after) == 0);
        CHECK(image.read_back(0, 4096) == data);
        CHECK(before.st_mtim.tv_sec == after.st_mtim.tv_sec);
        CHECK(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
        CHECK(before.st_size == after.st_size);
    }
}

TEST_CASE("what is asked for is what is done, and the device says so") {
    for (const image_io io : ways_here()) {
        const temporary_image image(65536);
        const auto device = *make_image_device({.path = image.path(), .io = io});
        CHECK(device->io().io == io);
        CHECK(device->describe().find(name_of(io)) != std::string::npos);
        CHECK(device->describe().find("as asked") != std::string::npos);
        CHECK(works({.path = image.path(), .io = io}));
    }
}

TEST_CASE("without io_uring an image is done by system calls, unless a ring is asked for") {
    CHECK(holds_in_child([] {
        restrict_syscall(SYS_io_uring_setup, SECCOMP_RET_ERRNO | EPERM);
        const temporary_image image(65536);
        const auto device = *make_image_device({.path = image.path()});
        return device->io().io == image_io::preadv2 && works({.path = image.path()}) &&
               make_image_device({.path = image.path(), .io = image_io::io_uring}).error() ==
                   make_error(EPERM);
    }));
    CHECK(holds_in_child([] {
        restrict_syscall(SYS_io_uring_setup, SECCOMP_RET_ERRNO | ENOSYS);
        const temporary_image image(65536);
        return works({.path = image.path()}) && works({.path = image.path(), .io = image_io::preadv2}) &&
               make_image_device({.path = image.path(), .io = image_io::by_size}).error() ==
                   make_error(ENOSYS);
    }));
}
