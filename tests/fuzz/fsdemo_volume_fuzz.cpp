// SPDX-License-Identifier: Apache-2.0
// Any bytes as an image: opened for reading and for writing, all of its tree read, changed, committed. What
// comes of it is a result or an error; nothing hangs, and no memory is touched that should not be.
#include "blkcrypto/dev/memory_device.hpp"
#include "fsdemo/volume.hpp"
#include "tests/fuzz/image_fixup.hpp"
#include "tests/support/simulated_env.hpp"

#include <cstdio>
#include <cstdlib>

namespace {

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

constexpr int items_max = 4000; // that are looked at
constexpr int changes_max = 200;

void require(bool holds, const char* what) {
    if (holds)
        return;
    std::fprintf(stderr, "fsdemo_volume_fuzz: %s\n", what);
    std::abort();
}

/// Reads the item as what its key says it is.
void decode(const tree_item& item, std::uint64_t blocks) {
    switch (item.key.type) {
    case item_type::inode:
        return void(decode_inode(item.key, item.data));
    case item_type::dir_entry:
        return void(decode_dir_entry(item.key, item.data));
    case item_type::file_extent:
        return void(decode_file_extent(item.key, item.data, blocks));
    case item_type::extent:
        return void(decode_extent(item.key, item.data, blocks));
    case item_type::free:
        return void(decode_free(item.key, item.data, blocks));
    }
}

std::vector<tree_key> walk(volume& v) {
    std::vector<tree_key> keys;
    tree_key key{};
    for (int i = 0; i < items_max; ++i) {
        const auto found = v.tree().at_or_after(key);
        if (!found || !*found)
            break;
        require((*found)->key >= key, "an item before where it was looked for");
        decode(**found, v.super().blocks);
        key = (*found)->key;
        keys.push_back(key);
        ++key.offset;
        if (key.offset == 0)
            break;
    }
    for (const tree_key& k : keys) {
        const auto found = v.tree().at_or_before(k);
        require(!found || (*found && (*found)->key == k), "an item that is there and is not");
    }
    return keys;
}

/// As those above a volume change it: the first error fails it.
std::error_code change(volume& v, const std::vector<tree_key>& keys) {
    const std::array<std::byte, item_bytes_max> data{};
    for (int i = 0; i < changes_max; ++i) {
        if (v.may_change(volume::room_for::more, 8))
            return {};
        const auto number = static_cast<std::uint64_t>(i);
        std::error_code error = v.tree().insert({item_type::dir_entry, number * number, 3}, data);
        if (error && error.value() != EEXIST)
            return error;
        if (number < keys.size()) {
            const tree_key key = keys[keys.size() - 1 - number * 7919 % keys.size()];
            error = key.type == item_type::free ? std::error_code{} : v.tree().erase(key);
            if (error && error.value() != ENOENT)
                return error;
        }
        if (i % 4 == 0) {
            const auto run = v.room().take(1 + number % 8);
            if (!run)
                return run.error();
            if (i % 8 == 0)
                error = v.room().give_back(*run);
            else
                v.room().retire(*run);
            if (error && i % 8 == 0)
                return error;
        }
        if (i % 50 == 49)
            if (const std::error_code failed = v.commit())
                return failed;
    }
    return v.commit();
}

void open_and_use(block_device& device, bool read_only) {
    simulated_env e(1);
    std::string why;
    const auto opened = volume::open(device, e, {.read_only = read_only, .nodes_max = 32}, why);
    if (!opened)
        return require(!why.empty(), "an error without a reason");
    volume& v = **opened;
    const auto keys = walk(v);
    if (read_only)
        return;
    if (const std::error_code error = change(v, keys)) {
        v.fail(error);
        require(static_cast<bool>(v.commit()), "a commit of what has failed");
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto image = image_of(std::as_bytes(std::span(data, size)));
    fix_checksums(image);
    const auto device = make_memory_device(image);
    open_and_use(*device, true);
    open_and_use(*device, false);
    open_and_use(*device, true);
    return 0;
}
