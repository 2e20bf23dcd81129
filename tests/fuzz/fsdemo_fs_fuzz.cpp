// SPDX-License-Identifier: Apache-2.0
// Any bytes as an image: checked by fsck, mounted for reading and for writing with a key in the ring, all
// names listed, files read, written, cut, shared and removed, synced. What comes of it is a result or an
// error; nothing hangs, and no memory is touched that should not be.
#include "blkcrypto/dev/memory_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "fsdemo/demo_fs.hpp"
#include "fsdemo/fsck.hpp"
#include "tests/fuzz/image_fixup.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/simulated_env.hpp"

#include <cstdio>
#include <cstdlib>
#include <deque>

namespace {

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

constexpr std::size_t inodes_max = 60; // that are looked at
constexpr std::size_t files_max = 8;   // that are changed

void require(bool holds, const char* what) {
    if (holds)
        return;
    std::fprintf(stderr, "fsdemo_fs_fuzz: %s\n", what);
    std::abort();
}

struct waited_io final : file_io_end {
    void end_io(file_io&) noexcept override { is_done = true; }
    file_io io;
    bool is_done = false;
};

std::error_code do_io(demo_fs& fs, file_op op, open_file& file, std::uint64_t offset, bytes_span memory,
                      bool in_place = false) {
    waited_io w;
    w.io.prepare(op, file, offset, memory, w);
    w.io.in_place = in_place;
    fs.submit(w.io);
    while (!w.is_done)
        fs.wait();
    require(w.io.status || w.io.done_bytes <= memory.size(), "more was done than asked for");
    return w.io.status;
}

struct place {
    inode_number parent;
    std::string name;
    inode_number inode;
};

/// Each file and directory that names lead to, up to a number: there may be circles.
std::vector<place> places_in(demo_fs& fs) {
    std::vector<place> files;
    std::deque<inode_number> to_do{root_inode};
    for (std::size_t seen = 0; seen < inodes_max && !to_do.empty(); ++seen, to_do.pop_front()) {
        const auto entries = fs.list(to_do.front());
        if (!entries)
            continue;
        for (const dir_entry& entry : *entries) {
            if (files.size() == inodes_max)
                return files;
            (void)fs.lookup_in(to_do.front(), entry.name);
            (void)fs.status_of(entry.inode);
            files.push_back({to_do.front(), entry.name, entry.inode});
            to_do.push_back(entry.inode);
        }
    }
    return files;
}

void read(demo_fs& fs, const place& p) {
    (void)fs.extents_of(p.inode);
    const auto file = fs.open(p.inode);
    if (!file)
        return;
    std::array<std::byte, 2 * block_bytes> memory;
    (void)do_io(fs, file_op::read, **file, 0, memory);
    const std::uint64_t size_bytes = (**file).size_bytes();
    (void)do_io(fs, file_op::read, **file, size_bytes - std::min<std::uint64_t>(size_bytes, 5000), memory);
}

void change(demo_fs& fs, const place& p, std::size_t number) {
    {
        const auto file = fs.open(p.inode);
        if (file) {
            auto data = counting_bytes(6000);
            const std::uint64_t size_bytes = (**file).size_bytes();
            (void)do_io(fs, file_op::write, **file, 100, data, number % 2 == 0);
            (void)do_io(fs, file_op::zero, **file, 2000, bytes_span(data).first(3000), number % 3 == 0);
            (void)do_io(fs, file_op::write, **file, size_bytes / 2, data);
            (void)fs.reflink(**file, p.parent, "shared" + std::to_string(number));
            (void)fs.truncate(**file, size_bytes / 3);
        }
    }
    (void)fs.rename(p.parent, p.name, root_inode, "moved" + std::to_string(number));
    if (number % 2 == 1)
        (void)fs.remove(root_inode, "moved" + std::to_string(number));
    (void)fs.create_file(p.parent, "new");
}

void mount_and_use(block_device& device, bool read_only) {
    simulated_env e(1);
    simulated_env metadata_env(2);
    const auto fallback = crypto_fallback::make(e, *make_keyslot_tfms(e, 2, 1), {}).value();
    std::string why;
    const auto mounted =
        demo_fs::mount({e, device, fallback.get(), metadata_env},
                       {.read_only = read_only, .keys_max = 8, .nodes_max = 32, .depth = 4}, why);
    if (!mounted)
        return require(!why.empty(), "an error without a reason");
    demo_fs& fs = **mounted;
    require(fs.keys().add(random_bytes(64, 1)).has_value(), "no key");
    const auto places = places_in(fs);
    for (const place& p : places)
        read(fs, p);
    if (read_only)
        return require(!fs.sync() || fs.metadata().has_failed(), "nothing to sync, and an error");
    for (std::size_t i = 0; i < std::min(files_max, places.size()); ++i) {
        change(fs, places[i], i);
        if (i % 3 == 2)
            (void)fs.sync();
    }
    (void)fs.sync();
}

void fsck(block_device& device) {
    simulated_env e(1);
    std::string why;
    const auto report = check(device, e, {.max_findings = 20}, why);
    require(report || !why.empty(), "an error without a reason");
    require(!report || report->findings.size() <= 20, "more findings than asked for");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto image = image_of(std::as_bytes(std::span(data, size)));
    fix_checksums(image);
    const auto device = make_memory_device(image);
    fsck(*device);
    mount_and_use(*device, true);
    mount_and_use(*device, false);
    fsck(*device);
    return 0;
}
