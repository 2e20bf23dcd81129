// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/tools/image_path.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <cerrno>

namespace blkcrypto::fsdemo::tools {

namespace {

bool has_dots(std::string_view path) {
    for (std::size_t begin = 0; begin < path.size();) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        const std::string_view name = path.substr(begin, end - begin);
        if (name == "." || name == "..")
            return true;
        begin = end + 1;
    }
    return false;
}

} // namespace

image_path image_path::parse(std::string_view typed) {
    if (typed.empty())
        throw cli::program_error(cli::exit_failed, "path", "it is empty", ENOENT);
    if (has_dots(typed))
        throw cli::program_error(cli::exit_failed, typed, "'.' and '..' are no names in an image", EINVAL);
    image_path path;
    path.text = typed.starts_with('/') ? std::string(typed) : '/' + std::string(typed);
    const std::size_t last = path.text.find_last_not_of('/');
    path.names_directory = last + 1 != path.text.size();
    const std::string_view names = std::string_view(path.text).substr(0, last + 1);
    const std::size_t slash = names.rfind('/');
    if (slash != std::string_view::npos) {
        path.parent = names.substr(0, slash);
        path.name = names.substr(slash + 1);
    }
    return path;
}

image_path image_path::below(std::string_view inner) const {
    const bool has_slash = text.ends_with('/');
    return parse(text + (has_slash ? "" : "/") + std::string(inner));
}

} // namespace blkcrypto::fsdemo::tools
