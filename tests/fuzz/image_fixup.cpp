// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/image_fixup.hpp"

#include "fsdemo/crc32c.hpp"

#include <algorithm>

namespace blkcrypto::test {

using namespace blkcrypto::fsdemo;

std::vector<std::byte> image_of(bytes_view input) {
    const std::uint64_t bytes = std::max(round_up_to_block(input.size()), blocks_min * block_bytes);
    std::vector<std::byte> image(bytes);
    std::ranges::copy(input, image.begin());
    return image;
}

void fix_checksums(bytes_span image) {
    for (block_number block = 0; block < image.size() / block_bytes; ++block) {
        const bytes_span bytes = image.subspan(block * block_bytes, block_bytes);
        if (block < superblock_count)
            store_little(bytes.data() + 8, crc32c(bytes.subspan(12)));
        else if (std::memcmp(bytes.data() + 4, "fsdn", 4) == 0)
            store_little(bytes.data(), crc32c(bytes.subspan(4)));
    }
}

} // namespace blkcrypto::test
