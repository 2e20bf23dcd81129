// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/fsck_checks.hpp"

namespace blkcrypto::fsdemo {
namespace {

class file_checker {
  public:
    file_checker(image_items& items, finding_list& findings) : items_(items), findings_(findings) {}

    void run() {
        for (std::size_t first = 0; first < items_.parts.size();) {
            std::size_t end = first;
            while (end < items_.parts.size() && items_.parts[end].inode == items_.parts[first].inode)
                ++end;
            check_file({&items_.parts[first], end - first});
            first = end;
        }
        if (!items_.missing.has_any_of(item_type::file_extent))
            check_references();
    }

  private:
    void wrong(finding_kind kind, const found_part& part, std::string what) {
        findings_.at_inode(kind, part.inode, part.key(), std::move(what));
    }

    void check_file(std::span<const found_part> parts);
    void check_place(const found_part& part, const found_part* before, const found_inode* file);
    void check_extent(const found_part& part, const found_inode* file);
    void check_context(const found_part& part, const extent_item& extent, const inode_item& file);
    void check_references();

    image_items& items_;
    finding_list& findings_;
};

// All parts of one inode.
void file_checker::check_file(std::span<const found_part> parts) {
    const inode_number number = parts.front().inode;
    const found_inode* file = items_.find_inode(number);
    if (file == nullptr && !items_.missing.has(inode_key(number)))
        wrong(finding_kind::extent, parts.front(),
              "data of inode " + std::to_string(number) + ", which is not there");
    if (file != nullptr && file->item.kind != inode_kind::file) {
        wrong(finding_kind::extent, parts.front(),
              "data of inode " + std::to_string(number) + ", a directory");
        file = nullptr;
    }
    const found_part* before = nullptr;
    for (const found_part& part : parts) {
        check_place(part, before, file);
        check_extent(part, file);
        if (before == nullptr || part.end_bytes() > before->end_bytes())
            before = &part;
    }
}

void file_checker::check_place(const found_part& part, const found_part* before, const found_inode* file) {
    if (before != nullptr && before->end_bytes() > part.offset_bytes)
        wrong(finding_kind::extent, part,
              "the part at byte " + std::to_string(part.offset_bytes) + " overlaps the one at byte " +
                  std::to_string(before->offset_bytes));
    if (file != nullptr && part.end_bytes() > round_up_to_block(file->item.size_bytes))
        wrong(finding_kind::extent, part,
              "the part at byte " + std::to_string(part.offset_bytes) + " ends at byte " +
                  std::to_string(part.end_bytes()) + ", and the file at byte " +
                  std::to_string(file->item.size_bytes));
}

void file_checker::check_extent(const found_part& part, const found_inode* file) {
    found_extent* const extent = items_.find_extent(part.item.extent);
    if (extent == nullptr) {
        if (!items_.missing.has(extent_key(part.item.extent)))
            wrong(finding_kind::extent, part,
                  "it leads to an extent at block " + std::to_string(part.item.extent) +
                      ", which is not there");
        return;
    }
    ++extent->references;
    if (part.item.offset_bytes + part.item.length_bytes > extent->item.length_bytes())
        wrong(finding_kind::extent, part,
              "it reaches beyond the extent at block " + std::to_string(part.item.extent));
    if (file != nullptr)
        check_context(part, extent->item, file->item);
}

void file_checker::check_context(const found_part& part, const extent_item& extent, const inode_item& file) {
    const std::string which = "the extent at block " + std::to_string(part.item.extent);
    if (extent.context.has_value() != file.context.has_value()) {
        wrong(finding_kind::context, part,
              which + (extent.context ? " is encrypted, and its file is not"
                                      : " is not encrypted, and its file is"));
        return;
    }
    std::string_view why;
    if (extent.context && !decode_extent_context(*extent.context, file.context->policy, why))
        wrong(finding_kind::context, part, which + ": " + std::string(why));
}

void file_checker::check_references() {
    for (const found_extent& extent : items_.extents)
        if (extent.references != extent.item.references)
            findings_.add({.kind = finding_kind::extent,
                           .block = extent.first,
                           .key = extent_key(extent.first),
                           .inode = {},
                           .path = {},
                           .what = "the extent at block " + std::to_string(extent.first) + " has " +
                                   std::to_string(extent.references) + " references, and says " +
                                   std::to_string(extent.item.references)});
}

} // namespace

void check_files(image_items& items, finding_list& findings) {
    file_checker(items, findings).run();
}

} // namespace blkcrypto::fsdemo
