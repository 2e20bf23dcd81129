// SPDX-License-Identifier: Apache-2.0
#include "tests/fsdemo/fsck_rig.hpp"
#include "tests/support/simulated_device.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

constexpr std::uint64_t blocks = 4096;

std::string all_of(const fsck_report& report) {
    std::string text;
    for (const fsck_finding& finding : report.findings)
        text += std::string(name_of(finding.kind)) + ": " + finding.path + ": " + finding.what + '\n';
    return text;
}

std::string error_of(fsck_rig& rig) {
    std::string why;
    const auto report = check(*rig.device, rig.e, {}, why);
    return report ? "no error" : report.error().message() + ": " + why;
}

std::string text_of(int error) {
    return make_error(error).message();
}

} // namespace

TEST_CASE("an image as mkfs leaves it has no finding") {
    fsck_rig rig(64);
    const fsck_report report = rig.check();
    CHECK(all_of(report) == "");
    CHECK(report.is_clean());
    CHECK_FALSE(report.is_incomplete);
    CHECK(report.notes.empty());
    CHECK(report.superblocks[0] == superblock_state::empty);
    CHECK(report.superblocks[1] == superblock_state::counts);
    CHECK(report.totals.directories == 1);
    CHECK(report.totals.nodes == 1);
    CHECK(report.totals.free_blocks == 61);
}

TEST_CASE("an image with everything on it has no finding, and is counted") {
    fsck_rig rig(blocks);
    const sample made(rig);
    const fsck_report report = rig.check();
    CHECK(all_of(report) == "");
    CHECK(report.is_clean());
    CHECK_FALSE(report.is_incomplete);
    CHECK(report.notes.empty());
    CHECK(report.super.generation == 4);
    CHECK(report.superblocks[0] == superblock_state::counts);
    CHECK(report.superblocks[1] == superblock_state::previous);
    CHECK(report.totals.inodes == report.totals.files + report.totals.directories);
    CHECK(report.totals.dir_entries == report.totals.inodes - 1);
    CHECK(report.totals.references == report.totals.file_extents);
    CHECK(report.totals.encrypted_extents > 0);
    CHECK(report.totals.encrypted_extents < report.totals.extents);
    CHECK(report.totals.free_blocks == report.super.free_blocks);
    CHECK(report.totals.leaves < report.totals.nodes);
    CHECK(2 + report.totals.nodes + report.totals.data_bytes / block_bytes + report.totals.free_blocks ==
          blocks);
}

TEST_CASE("a tree of three levels has no finding, and keeps none through many changes") {
    fsck_rig rig(16384);
    rig.with_fs([](demo_fs& fs, const key_identifier&) {
        inode_number parent = root_inode;
        for (int i = 0; i < 9000; ++i) {
            if (i % 100 == 0)
                parent = *fs.make_directory(i % 300 == 0 ? root_inode : parent, numbered("d", i));
            REQUIRE(fs.create_file(parent, numbered("a file with some name ", i)).has_value());
        }
    });
    CHECK(rig.super().root_level == 2);
    const fsck_report full = rig.check();
    CHECK(all_of(full) == "");
    CHECK(full.totals.files == 9000);
    for (const block_number block : rig.all_nodes()) {
        if (rig.node_at(block).level() == 0)
            continue;
        rig.at(block)[100] ^= std::byte{1};
        const fsck_report report = rig.check();
        CAPTURE(all_of(report));
        CHECK(report.findings_count == 1);
        rig.at(block)[100] ^= std::byte{1};
    }
    rig.with_fs([](demo_fs& fs, const key_identifier&) {
        random_source random(test_seed());
        for (int i = 0; i < 2000; ++i) {
            const auto directory = fs.lookup(numbered("/d", 300 * static_cast<int>(random.below(30))));
            const auto names = fs.list(*directory);
            const auto& entry = (*names)[random.below(names->size())];
            if (entry.kind == inode_kind::file)
                REQUIRE_FALSE(fs.remove(*directory, entry.name));
        }
    });
    CHECK(all_of(rig.check()) == "");
}

TEST_CASE("what is no image is an error, not a finding") {
    fsck_rig rig(64);
    std::ranges::fill(rig.at(1), std::byte{0});
    CHECK(error_of(rig) == text_of(EMEDIUMTYPE) + ": no fsdemo image");

    fsck_rig damaged(64);
    damaged.at(1)[100] ^= std::byte{1};
    CHECK(error_of(damaged) == text_of(EUCLEAN) + ": its superblock: wrong checksum");

    fsck_rig newer(64);
    newer.edit_super([](superblock& super) { super.incompatible |= 2; });
    CHECK(error_of(newer) == text_of(EOPNOTSUPP) + ": it has features that are not known here");

    const auto shortest = *make_memory_device(sector{8});
    std::string why;
    CHECK(check(*shortest, newer.e, {}, why).error() == make_error(EMEDIUMTYPE));
}

TEST_CASE("a superblock that was cut off is a note, and the state before it counts") {
    fsck_rig rig(blocks);
    const sample made(rig);
    rig.at(1)[20] ^= std::byte{1}; // the one before
    const fsck_report report = rig.check();
    CHECK(all_of(report) == "");
    CHECK(report.superblocks[1] == superblock_state::invalid);
    REQUIRE(report.notes.size() == 1);
    CHECK(report.notes[0] == "superblock 1 does not count: wrong checksum");
}

TEST_CASE("findings that are not listed are counted") {
    fsck_rig rig(blocks);
    const sample made(rig);
    rig.edit_super([](superblock& super) { super.next_inode = 2; });
    const fsck_report report = rig.check(5);
    CHECK(report.findings.size() == 5);
    CHECK(report.findings_count == report.totals.inodes - 1);
    CHECK_FALSE(report.is_clean());
    CHECK(rig.check(0).findings_count == report.findings_count);
}

TEST_CASE("a flip of any bit of a node is found, as that and nothing else") {
    fsck_rig rig(blocks);
    const sample made(rig);
    random_source random(test_seed());
    for (const block_number block : rig.all_nodes())
        for (int i = 0; i < 20; ++i) {
            const std::size_t at = random.below(block_bytes);
            const std::byte bit{static_cast<std::uint8_t>(1U << random.below(8))};
            rig.at(block)[at] ^= bit;
            const fsck_report report = rig.check();
            CAPTURE(all_of(report));
            REQUIRE(report.findings_count == 1);
            CHECK(report.findings[0].kind == finding_kind::node);
            CHECK(report.findings[0].block == block);
            CHECK(report.is_incomplete);
            rig.at(block)[at] ^= bit;
        }
    CHECK(rig.check().is_clean());
}

TEST_CASE("a node that cannot be read is a finding, and so is a superblock") {
    fsck_rig rig(blocks);
    const sample made(rig);
    simulated_device device(rig.device->capacity(), completion_order::timed, test_seed());
    std::ranges::copy(rig.image, device.medium().begin());
    for (const block_number block : {rig.leaf_of(inode_key(made.twin)), block_number{1}}) {
        device.fail(bio_op::read, sector_of(block), blk_status::medium);
        std::string why;
        const auto report = check(device, rig.e, {}, why);
        REQUIRE_MESSAGE(report.has_value(), why);
        CAPTURE(all_of(*report));
        REQUIRE(report->findings_count == 1);
        CHECK(report->findings[0].block == block);
        CHECK(report->findings[0].what.find("cannot be read") != std::string::npos);
        device.heal();
    }
    device.fail(bio_op::read, sector_of(0), blk_status::medium);
    device.fail(bio_op::read, sector_of(1), blk_status::medium);
    std::string why;
    CHECK(check(device, rig.e, {}, why).error() == make_error(to_errno(blk_status::medium)));
    CHECK(why == "its superblock cannot be read");
}

TEST_CASE("the image is only read") {
    fsck_rig rig(blocks);
    const sample made(rig);
    simulated_device device(rig.device->capacity(), completion_order::timed, test_seed());
    std::ranges::copy(rig.image, device.medium().begin());
    std::string why;
    REQUIRE(check(device, rig.e, {}, why).has_value());
    CHECK(std::ranges::all_of(device.requests(),
                              [](const auto& request) { return request.op == bio_op::read; }));
    // Each node once, and the superblocks.
    CHECK(device.requests().size() == rig.all_nodes().size() + 2);
}

TEST_CASE("directories may be as deep as they like") {
    fsck_rig rig(blocks);
    rig.with_fs([](demo_fs& fs, const key_identifier&) {
        inode_number parent = root_inode;
        for (int i = 0; i < 5000; ++i)
            parent = *fs.make_directory(parent, "directory");
    });
    CHECK(all_of(rig.check()) == "");
    rig.edit_super([](superblock& super) { super.next_inode = 2; });
    const fsck_report report = rig.check(5000);
    REQUIRE(report.findings.size() == 5000);
    CHECK(report.findings[1].path == "/directory/directory");
    CHECK(report.findings.back().path == "");
}

TEST_CASE("whatever is in nodes with right checksums, the check comes to its end") {
    fsck_rig rig(blocks);
    const sample made(rig);
    const auto healthy = rig.image;
    const auto nodes = rig.all_nodes();
    random_source random(test_seed() + 1);
    unsigned found = 0;
    constexpr unsigned rounds = 3000;
    for (unsigned round = 0; round < rounds; ++round) {
        const block_number block = nodes[random.below(nodes.size())];
        rig.edit_node(block, [&](node& what) {
            const std::size_t bytes = 1 + random.below(round % 3 == 0 ? 1 : 200);
            for (std::size_t i = 0; i < bytes; ++i)
                what.bytes()[random.below(block_bytes)] = static_cast<std::byte>(random.below(256));
        });
        found += rig.check(3).is_clean() ? 0U : 1U;
        if (round % 8 == 7)
            rig.image = healthy;
    }
    CHECK(found > rounds / 2);
}

TEST_CASE("blocks in each other's places, zeros and noise bring the check to its end, and are found") {
    fsck_rig rig(blocks);
    const sample made(rig);
    const auto healthy = rig.image;
    const auto nodes = rig.all_nodes();
    random_source random(test_seed() + 2);
    for (int round = 0; round < 500; ++round) {
        const block_number block = nodes[random.below(nodes.size())];
        const block_number other = nodes[random.below(nodes.size())];
        switch (random.below(3)) {
        case 0:
            std::ranges::fill(rig.at(block), std::byte{0});
            break;
        case 1:
            random.fill(rig.at(block));
            break;
        default:
            std::ranges::copy(rig.at(other), rig.at(block).begin());
        }
        CHECK(rig.check(3).is_clean() == (rig.image == healthy));
        rig.image = healthy;
    }
}
