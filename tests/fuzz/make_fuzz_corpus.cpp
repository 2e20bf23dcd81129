// SPDX-License-Identifier: Apache-2.0
// make_fuzz_corpus DIRECTORY: writes what the fuzzers start with, a directory for each. Images are cut behind
// the last block that is not zero: the shorter, the more of a mutation hits something. What clients say in a
// handshake has the fuzzer's seed before it.
#include "blkcrypto/dev/memory_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "blkcrypto/nbd/wire.hpp"
#include "fsdemo/demo_fs.hpp"
#include "tests/nbd/client_messages.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/simulated_env.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace {

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

[[noreturn]] void die(const std::string& what) {
    std::cerr << "make_fuzz_corpus: " << what << "\n";
    std::exit(2);
}

void check(std::error_code error) {
    if (error)
        die(error.message());
}

void write_input(const std::filesystem::path& file, bytes_view input) {
    std::ofstream out(file, std::ios::binary);
    out.write(reinterpret_cast<const char*>(input.data()), static_cast<std::streamsize>(input.size()));
    if (!out)
        die("cannot write " + file.string());
}

void write_image(const std::filesystem::path& file, bytes_view image) {
    std::size_t size = image.size();
    while (size != 0 && image[size - 1] == std::byte{0})
        --size;
    write_input(file, image.first(round_up_to_block(size)));
}

/// A volume of 64 blocks with so many items, committed each so often.
void write_volume(const std::filesystem::path& file, std::uint64_t items, std::uint64_t changes_in_commit) {
    std::vector<std::byte> image(blocks_min * block_bytes);
    const auto device = make_memory_device(image);
    simulated_env e(1);
    check(volume::format(*device, e, filesystem_uuid{}));
    std::string why;
    const auto opened = volume::open(*device, e, {}, why);
    if (!opened)
        die(why);
    volume& v = **opened;
    for (std::uint64_t n = 0; n < items && !v.may_change(volume::room_for::more, 2); ++n) {
        const auto name = "name " + std::to_string(n);
        check(v.tree().insert(inode_key(v.take_inode_number()),
                              encode(inode_item{inode_kind::file, n, root_inode, {}})));
        check(v.tree().insert({item_type::dir_entry, root_inode, n << 8},
                              encode(dir_entry_item{n + 2, inode_kind::file, name})));
        if (n % 9 == 0) {
            const auto run = v.room().take(1).value();
            check(v.tree().insert(extent_key(run.first), encode(extent_item{1, 1, {}})));
            check(v.tree().insert(file_extent_key(n + 2, 0),
                                  encode(file_extent_item{run.first, 0, block_bytes})));
        }
        if (n % changes_in_commit == 0)
            check(v.commit());
    }
    check(v.commit());
    write_image(file, image);
}

struct waited_io final : file_io_end {
    void end_io(file_io&) noexcept override { is_done = true; }
    file_io io;
    bool is_done = false;
};

void write_at(demo_fs& fs, open_file& file, std::uint64_t offset, std::size_t length) {
    auto data = random_bytes(length, offset);
    waited_io w;
    w.io.prepare(file_op::write, file, offset, data, w);
    fs.submit(w.io);
    while (!w.is_done)
        fs.wait();
    check(w.io.status);
}

/// Directories, and files with parts, holes and shared extents, plain and under the key that the fuzzer has.
void write_files(const std::filesystem::path& file, int files, int parts) {
    std::vector<std::byte> image(blocks_min * block_bytes);
    const auto device = make_memory_device(image);
    simulated_env e(1);
    simulated_env metadata_env(2);
    check(demo_fs::format(*device, e, filesystem_uuid{}));
    const auto fallback = crypto_fallback::make(e, *make_keyslot_tfms(e, 2, 1), {}).value();
    std::string why;
    const auto fs = demo_fs::mount({e, *device, fallback.get(), metadata_env}, {.depth = 4}, why).value();
    encryption_policy policy;
    policy.master_key_identifier = *fs->keys().add(random_bytes(64, 1));
    policy.contents_mode = fscrypt_mode::aes_256_xts;
    policy.filenames_mode = default_filenames_mode(policy.contents_mode);
    const auto vault = *fs->make_directory(root_inode, "vault");
    std::string_view rule;
    check(fs->set_policy(vault, encode(policy), rule));
    for (const inode_number directory : {root_inode, vault}) {
        const auto below = *fs->make_directory(directory, "below");
        for (int n = 0; n < files; ++n) {
            const auto opened = fs->open(fs->create_file(below, "file " + std::to_string(n)).value()).value();
            for (int part = 0; part < parts; ++part)
                write_at(*fs, *opened, static_cast<std::uint64_t>(part) * 7000, 5000);
            if (!fs->reflink(*opened, directory, "shared " + std::to_string(n)))
                die("reflink");
        }
        check(fs->sync());
    }
    write_image(file, image);
}

void write_handshake(const std::filesystem::path& file, std::uint32_t flags,
                     const std::vector<message>& options) {
    message input = packed(std::uint32_t{0}, flags);
    for (const message& said : options)
        append(input, said);
    write_input(file, input);
}

void write_handshakes(const std::filesystem::path& directory) {
    using nbd::option;
    constexpr std::uint32_t fixed = nbd::handshake_flag::fixed_newstyle;
    const message infos = info_data("disk", {0, 1, 2, 3});
    const message queries = meta_data("disk", {"base:", "base:allocation", "x-y:z"});
    const message structured = option_message(option::structured_reply);
    write_handshake(directory / "by_name", 0, {option_message(option::export_name, "disk")});
    write_handshake(directory / "abort", fixed, {option_message(option::abort)});
    write_handshake(directory / "list", fixed,
                    {option_message(option::list), option_message(option::starttls, "data")});
    write_handshake(directory / "go", fixed,
                    {option_message(option::info, infos), option_message(option::go, infos)});
    write_handshake(directory / "contexts", fixed,
                    {structured, option_message(option::list_meta_context, queries),
                     option_message(option::set_meta_context, queries), option_message(option::go, infos)});
    write_handshake(directory / "too_big", fixed,
                    {option_message(option::list, message((16 << 10) + 1)), structured,
                     option_message(option::export_name, "disk")});
}

/// What a client of the transmission phase sends, behind the choices that the fuzzer makes by.
struct nbd_input {
    explicit nbd_input(unsigned choices) : bytes{static_cast<std::byte>(choices), {}, {}, {}} {}
    nbd_input& ask(nbd::command type, std::uint64_t offset, std::uint32_t length, std::uint16_t flags = 0) {
        std::array<std::byte, nbd::request_header_bytes> header;
        nbd::encode({flags, type, bytes.size(), offset, length}, header);
        bytes.insert(bytes.end(), header.begin(), header.end());
        if (type == nbd::command::write)
            bytes.resize(bytes.size() + length, std::byte{0x77});
        return *this;
    }
    std::vector<std::byte> bytes;
};

/// Each command once, then some that are refused, and a goodbye.
void write_requests(const std::filesystem::path& folder, const std::string& name, unsigned choices) {
    using nbd::command;
    namespace flag = nbd::command_flag;
    nbd_input all(choices);
    all.ask(command::write, 512, 1024).ask(command::read, 0, 4096);
    all.ask(command::write_zeroes, 0, 8192, flag::no_hole).ask(command::trim, 4096, 8192, flag::fua);
    all.ask(command::flush, 0, 0)
        .ask(command::block_status, 0, 1 << 20, flag::req_one)
        .ask(command::cache, 0, 512);
    all.ask(command::read, 1 << 20, 512).ask(command::write, 100, 512).ask(command::disc, 0, 0);
    write_input(folder / name, all.bytes);
    nbd_input large(choices);
    large.ask(command::write, 1024, 300 << 10).ask(command::read, 512, 300 << 10);
    write_input(folder / (name + "_large"), large.bytes);
}

/// A trace behind the number of keys and the seed of the pieces, eight bytes each.
void write_trace(const std::filesystem::path& file, std::uint64_t keys, std::string_view text) {
    std::vector<std::byte> input(2 * sizeof(std::uint64_t));
    store_little(input.data(), keys);
    const auto bytes = std::as_bytes(std::span(text));
    input.insert(input.end(), bytes.begin(), bytes.end());
    write_input(file, input);
}

void write_traces(const std::filesystem::path& folder) {
    write_trace(folder / "plain", 4096, "0\n17\n4095\n17\n");
    write_trace(folder / "comments", 16, "# of a run\n\n3\n#\n\n00000000000000000015");
    write_trace(folder / "every_key", std::uint64_t{1} << 32, "4294967295\n4294967296\n");
    write_trace(folder / "no_number", 4, "1\n 2\n18446744073709551616\n-1\n");
    write_trace(folder / "empty", 1, "\n#\n");
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2)
        die("usage: make_fuzz_corpus DIRECTORY");
    const std::filesystem::path filesystems = std::filesystem::path(argv[1]) / "fsdemo_fs_fuzz";
    std::filesystem::create_directories(filesystems);
    write_files(filesystems / "directories", 0, 0);
    write_files(filesystems / "one_file", 1, 1);
    write_files(filesystems / "parts", 1, 4);
    write_files(filesystems / "files", 4, 1);
    const std::filesystem::path volumes = std::filesystem::path(argv[1]) / "fsdemo_volume_fuzz";
    std::filesystem::create_directories(volumes);
    write_volume(volumes / "empty", 0, 1);
    write_volume(volumes / "few_items", 10, 3);
    write_volume(volumes / "two_levels", 150, 40);
    write_volume(volumes / "many_generations", 60, 1);
    const std::filesystem::path handshakes = std::filesystem::path(argv[1]) / "nbd_handshake_fuzz";
    std::filesystem::create_directories(handshakes);
    write_handshakes(handshakes);
    const std::filesystem::path requests = std::filesystem::path(argv[1]) / "nbd_transmission_fuzz";
    std::filesystem::create_directories(requests);
    write_requests(requests, "simple", 0);
    write_requests(requests, "structured", 3);
    write_requests(requests, "read_only", 7);
    write_requests(requests, "key_512", 11);
    write_requests(requests, "key_4096", 11 | 3 << 5);
    write_requests(requests, "key_65536", 8 | 7 << 5);
    write_requests(requests, "stopped", 16);
    const std::filesystem::path traces = std::filesystem::path(argv[1]) / "key_trace_fuzz";
    std::filesystem::create_directories(traces);
    write_traces(traces);
    return 0;
}
