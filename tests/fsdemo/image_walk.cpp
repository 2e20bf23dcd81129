// SPDX-License-Identifier: Apache-2.0
#include "tests/fsdemo/image_walk.hpp"

#include "fsdemo/node.hpp"

#include <algorithm>
#include <memory>
#include <optional>

namespace blkcrypto::test {
namespace {

using namespace blkcrypto::fsdemo;

class walker {
  public:
    walker(bytes_view image, image_walk& found) : image_(image), found_(found) {}

    void run() {
        if (!find_superblock())
            return;
        found_.uses.assign(found_.super.blocks, block_use::none);
        use(0, block_use::superblock);
        use(1, block_use::superblock);
        walk(found_.super.root, found_.super.root_level, {}, {});
        check_free_space();
    }

  private:
    using bound = std::optional<tree_key>;

    void wrong(const std::string& what) {
        if (found_.trouble.empty())
            found_.trouble = what;
    }

    block_bytes_view block(block_number at) const {
        return image_.subspan(at * block_bytes).first<block_bytes>();
    }

    bool find_superblock() {
        std::string_view why;
        for (block_number at = 0; at < superblock_count; ++at) {
            const auto super = decode_superblock(block(at), why);
            if (super && super->generation > found_.super.generation)
                found_.super = *super;
        }
        if (found_.super.generation == 0 || found_.super.blocks * block_bytes > image_.size())
            wrong("no superblock: " + std::string(why));
        return found_.trouble.empty();
    }

    void use(block_number at, block_use as) {
        block_use& now = found_.uses.at(at);
        if (now != block_use::none)
            wrong("block " + std::to_string(at) + " is two things");
        now = as;
    }

    // Keys are from `first` on and less than `end`.
    void walk(const node_ref& ref, unsigned level, const bound& first, const bound& end) {
        if (ref.block >= found_.super.blocks)
            return wrong("a node beyond the image");
        use(ref.block, block_use::node);
        const auto here = std::make_unique<node>();
        std::ranges::copy(block(ref.block), here->bytes().begin());
        const std::string_view why = here->check(ref, level, found_.super.uuid);
        if (!why.empty())
            return wrong("block " + std::to_string(ref.block) + " " + std::string(why));
        if (here->count() == 0 && first)
            return wrong("an empty node below the root");
        ++found_.nodes;
        if (level == 0)
            ++found_.leaves;
        for (unsigned slot = 0; slot < here->count() && found_.trouble.empty(); ++slot) {
            const tree_key key = here->key(slot);
            if ((first && key < *first) || (end && key >= *end))
                return wrong("a key its parent does not lead to");
            if (level == 0) {
                const bytes_view data = std::as_const(*here).item(slot);
                found_.items.emplace(key, std::vector(data.begin(), data.end()));
                continue;
            }
            if (here->child(slot).generation > ref.generation)
                return wrong("a node that is newer than its parent");
            walk(here->child(slot), level - 1, key, slot + 1 < here->count() ? here->key(slot + 1) : end);
        }
    }

    void check_free_space() {
        std::uint64_t sum = 0;
        block_number end_of_last = 0;
        for (const auto& [key, data] : found_.items) {
            if (key.type != item_type::free || !found_.trouble.empty())
                continue;
            const auto item = decode_free(key, data, found_.super.blocks);
            if (!item)
                return wrong("a FREE item that is none");
            if (key.object <= end_of_last && end_of_last != 0)
                wrong("runs of free blocks that touch");
            for (block_number at = key.object; at < key.object + item->blocks; ++at)
                use(at, block_use::free);
            end_of_last = key.object + item->blocks;
            sum += item->blocks;
        }
        if (sum != found_.super.free_blocks)
            wrong("free blocks are " + std::to_string(sum) + ", and the superblock says " +
                  std::to_string(found_.super.free_blocks));
    }

    const bytes_view image_;
    image_walk& found_;
};

} // namespace

item_map image_walk::items_of_others() const {
    item_map others = items;
    std::erase_if(others, [](const auto& item) { return item.first.type == item_type::free; });
    return others;
}

std::size_t image_walk::count(block_use use) const {
    return static_cast<std::size_t>(std::ranges::count(uses, use));
}

image_walk walk_image(bytes_view image) {
    image_walk found;
    walker(image, found).run();
    return found;
}

} // namespace blkcrypto::test
