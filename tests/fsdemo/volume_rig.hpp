// SPDX-License-Identifier: Apache-2.0
#pragma once
// An image in memory with a volume on it that can be closed and opened again, and what is on it looked at
// beside the volume (image_walk).

#include "blkcrypto/dev/memory_device.hpp"
#include "fsdemo/volume.hpp"
#include "tests/fsdemo/image_walk.hpp"
#include "tests/support/simulated_env.hpp"

#include <doctest/doctest.h>

namespace blkcrypto::test {

/// For CHECK, which shows them then.
inline std::string name_of(std::error_code error) {
    return error ? error.message() : "done";
}

inline fsdemo::filesystem_uuid uuid_of_tests() {
    fsdemo::filesystem_uuid uuid;
    std::ranges::copy(counting_bytes(uuid.size()), uuid.begin());
    return uuid;
}

class volume_rig {
  public:
    explicit volume_rig(std::uint64_t blocks, std::size_t nodes_max = 32)
        : image(blocks * fsdemo::block_bytes), device(make_memory_device(image)), nodes_max_(nodes_max) {
        REQUIRE(name_of(fsdemo::volume::format(*device, e, uuid_of_tests())) == "done");
        open();
    }

    void open() {
        open_volume.reset();
        std::string why;
        auto opened = fsdemo::volume::open(*device, e, {.nodes_max = nodes_max_}, why);
        REQUIRE_MESSAGE(opened.has_value(), why);
        open_volume = std::move(*opened);
    }

    fsdemo::volume& vol() { return *open_volume; }
    fsdemo::btree& tree() { return vol().tree(); }

    /// What is on the image, which is as it has to be.
    image_walk walk() const {
        auto found = walk_image(image);
        REQUIRE_MESSAGE(found.trouble.empty(), found.trouble);
        return found;
    }

    std::vector<std::byte> image;
    std::unique_ptr<block_device> device;
    simulated_env e{1};
    std::unique_ptr<fsdemo::volume> open_volume;

  private:
    const std::size_t nodes_max_;
};

} // namespace blkcrypto::test
