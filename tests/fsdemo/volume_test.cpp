// SPDX-License-Identifier: Apache-2.0
#include "tests/fsdemo/volume_rig.hpp"
#include "tests/support/test_seed.hpp"

#include <cerrno>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

tree_key key_of(std::uint64_t n) {
    return {item_type::dir_entry, 7, n};
}

/// Reads for who would not wait: what was missing.
node read_missing(volume_rig& rig, const node_store::missing_node& missing) {
    node n;
    std::ranges::copy(bytes_view(rig.image).subspan(missing.ref.block * block_bytes, block_bytes),
                      n.bytes().begin());
    return n;
}

void fill(volume_rig& rig, std::uint64_t items, std::size_t size) {
    for (std::uint64_t n = 0; n < items; ++n)
        REQUIRE_FALSE(rig.tree().insert(key_of(n), counting_bytes(size)));
    REQUIRE_FALSE(rig.vol().commit());
}

} // namespace

TEST_CASE("who would not wait is told what to read, and goes on with it") {
    volume_rig rig(1024);
    fill(rig, 5000, 60);
    rig.open();
    random_source random(test_seed());
    for (int i = 0; i < 200; ++i) {
        const tree_key key = key_of(random.below(5000));
        for (int reads = 0;; ++reads) {
            const auto found = [&] {
                const node_store::no_wait_scope scope(rig.vol().nodes());
                return rig.tree().find(key);
            }();
            if (found) {
                REQUIRE(found->has_value());
                break;
            }
            REQUIRE(found.error().value() == EAGAIN);
            REQUIRE(reads < 4);
            const auto missing = rig.vol().nodes().missing();
            REQUIRE_FALSE(rig.vol().nodes().add(missing, read_missing(rig, missing)));
        }
    }
    CHECK(rig.vol().nodes().reads() == 0);
}

TEST_CASE("a node that was read while it went out of use does no harm") {
    for (const bool is_added_before_commit : {true, false}) {
        CAPTURE(is_added_before_commit);
        volume_rig rig(96);
        fill(rig, 300, 60);
        rig.open();
        const auto found = [&] {
            const node_store::no_wait_scope scope(rig.vol().nodes());
            while (const auto missed = rig.tree().find(key_of(5)).error()) {
                const auto missing = rig.vol().nodes().missing();
                if (missing.level == 0)
                    return missing;
                REQUIRE_FALSE(rig.vol().nodes().add(missing, read_missing(rig, missing)));
            }
            return node_store::missing_node{};
        }();
        REQUIRE(found.ref.block != 0);
        const node old = read_missing(rig, found);
        REQUIRE_FALSE(rig.tree().update(key_of(5), counting_bytes(60)));
        if (is_added_before_commit)
            REQUIRE_FALSE(rig.vol().nodes().add(found, old));
        // Until its block has become another node.
        for (int i = 0; i < 200; ++i) {
            REQUIRE_FALSE(rig.tree().update(key_of(static_cast<unsigned>(i)), counting_bytes(60)));
            REQUIRE(name_of(rig.vol().commit()) == "done");
            if (!is_added_before_commit && i % 8 == 0)
                REQUIRE_FALSE(rig.vol().nodes().add(found, old));
        }
        for (std::uint64_t n = 0; n < 300; ++n)
            REQUIRE(rig.tree().find(key_of(n)).value().has_value());
        rig.walk();
    }
}

TEST_CASE("an image has at least 64 blocks") {
    simulated_env e(1);
    std::vector<std::byte> image(64 * block_bytes);
    const auto too_small = make_memory_device(bytes_span(image).first(64 * block_bytes - sector_size_bytes));
    CHECK(volume::format(*too_small, e, uuid_of_tests()).value() == EINVAL);
    const auto device = make_memory_device(image);
    CHECK(name_of(volume::format(*device, e, uuid_of_tests())) == "done");
    std::string why;
    CHECK(volume::open(*too_small, e, {}, why).error().value() == EUCLEAN);
    CHECK(volume::open(*device, e, {}, why).has_value());
}

TEST_CASE("a commit without changes writes nothing") {
    volume_rig rig(64);
    const auto before = rig.image;
    CHECK_FALSE(rig.vol().has_changed());
    CHECK(name_of(rig.vol().commit()) == "done");
    CHECK(rig.image == before);
}

TEST_CASE("a volume opened for reading is not changed") {
    volume_rig rig(64);
    std::string why;
    const auto reading = volume::open(*rig.device, rig.e, {.read_only = true}, why).value();
    CHECK(reading->may_change(volume::room_for::less).value() == EROFS);
    CHECK(name_of(reading->commit()) == "done");
    CHECK(name_of(reading->may_read()) == "done");
}

TEST_CASE("inode numbers are not given out twice across commits and opening again") {
    volume_rig rig(64);
    inode_number last = root_inode;
    for (int i = 0; i < 20; ++i) {
        const inode_number number = rig.vol().take_inode_number();
        CHECK(number > last);
        last = number;
        REQUIRE_FALSE(rig.tree().insert(inode_key(number), counting_bytes(24)));
        REQUIRE_FALSE(rig.vol().commit());
        if (i % 3 == 0)
            rig.open();
    }
}
