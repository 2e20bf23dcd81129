// SPDX-License-Identifier: Apache-2.0
#pragma once
// The image files of a comparison, as files: whether they can be made, and making them.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace blkcrypto::bench {

/// Looks at everything that could stand in the way, and changes nothing: `base`, their common part, is no
/// directory and lies in one that can be written; there is nothing at the images' paths, or with `overwrite`
/// regular files, each its own, that can be written. program_error, exit code 2, or 1 for what is there
/// already.
void check_image_files(const std::string& base, std::span<const std::string> images, bool overwrite);

/// Looks, and changes nothing: the images are there, regular files, each its own and of that size, and can be
/// written. program_error, exit code 2.
void check_reused_images(const std::string& base, std::span<const std::string> images,
                         std::uint64_t size_bytes);

/// Both are, or would be made, the same file, by whatever links. `path` "-" is stdout.
bool leads_to(const std::string& path, const std::string& other);

/// Looks, and changes nothing: a file can be made at `path`, or the one there be written. program_error, exit
/// code 2.
void check_output_file(std::string_view option, const std::string& path);

/// Looks, and changes nothing: `path`, or a link behind it, would not be one of the images, whether that is
/// there already or still to be made. program_error, exit code 2, that names `option`. "-" is stdout.
void check_not_an_image(std::string_view option, const std::string& path,
                        std::span<const std::string> images);

/// Makes them all, of zeros, or none: what was not there before is gone again if one fails. ENOSPC, as far as
/// the filesystem knows, before anything is made or replaced; with `overwrite`, another error may come when
/// the contents of earlier images are gone. program_error, exit code 1.
void create_image_files(std::span<const std::string> images, std::uint64_t size_bytes, bool overwrite);

} // namespace blkcrypto::bench
