// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/superblocks.hpp"

#include <cerrno>

namespace blkcrypto::fsdemo {

superblock_copies read_superblocks(metadata_io& io) {
    superblock_copies copies;
    const auto buffer = std::make_unique<block_buffer>();
    for (block_number block = 0; block < superblock_count; ++block) {
        superblock_copy& copy = copies[block];
        copy.error = io.read(block, buffer->bytes);
        if (copy.error)
            continue;
        copy.super = decode_superblock(buffer->bytes, copy.why);
        copy.is_empty = are_zeros(buffer->bytes);
        copy.is_misplaced = copy.super && copy.super->generation % superblock_count != block;
        if (copy.is_misplaced)
            copy.why = "in the place of the other one";
    }
    return copies;
}

result<block_number> newest_superblock(const superblock_copies& copies, std::string& why) {
    const auto generation = [&](block_number block) {
        return copies[block].may_count() ? copies[block].super->generation : 0;
    };
    const block_number newest = generation(1) > generation(0) ? 1 : 0;
    if (generation(newest) != 0)
        return newest;
    for (const superblock_copy& copy : copies)
        if (copy.error) {
            why = "its superblock cannot be read";
            return copy.error;
        }
    const std::string_view of_copy = copies[copies[0].why == not_a_superblock ? 1 : 0].why;
    why = of_copy == not_a_superblock ? std::string(of_copy) : "its superblock: " + std::string(of_copy);
    return make_error(of_copy == not_a_superblock ? EMEDIUMTYPE : EUCLEAN);
}

} // namespace blkcrypto::fsdemo
