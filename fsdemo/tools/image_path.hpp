// SPDX-License-Identifier: Apache-2.0
#pragma once
// A path inside an image as somebody typed it. It always starts at the root; what is in it is looked up by
// mounted_image.

#include <string>
#include <string_view>

namespace blkcrypto::fsdemo::tools {

struct image_path {
    std::string text;             // with a slash in front: for messages
    std::string parent;           // all but the last name
    std::string name;             // empty: the root
    bool names_directory = false; // it ends in a slash

    /// program_error: an empty one (ENOENT).
    static image_path parse(std::string_view typed);
    /// Of `inner` in this, a directory.
    image_path below(std::string_view inner) const;
};

} // namespace blkcrypto::fsdemo::tools
