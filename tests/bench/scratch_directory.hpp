// SPDX-License-Identifier: Apache-2.0
#pragma once
// A directory for the files of a test, gone with what is in it at the end.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <stdlib.h>
#include <string>
#include <string_view>
#include <vector>

namespace blkcrypto::test {

class scratch_directory {
  public:
    scratch_directory() : path_((std::filesystem::temp_directory_path() / "blkcrypto-test-XXXXXX").string()) {
        if (mkdtemp(path_.data()) == nullptr)
            throw std::runtime_error("no scratch directory");
    }
    ~scratch_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;

    std::string path(std::string_view name) const { return path_ + "/" + std::string(name); }
    bool has(std::string_view name) const { return std::filesystem::exists(path(name)); }
    /// Of what is in it, sorted.
    std::vector<std::string> names() const {
        std::vector<std::string> all;
        for (const auto& entry : std::filesystem::directory_iterator(path_))
            all.push_back(entry.path().filename().string());
        std::ranges::sort(all);
        return all;
    }
    std::string write(std::string_view name, std::string_view text) const {
        std::ofstream(path(name), std::ios::binary) << text;
        return path(name);
    }
    void link(std::string_view to, std::string_view name) const {
        std::filesystem::create_symlink(to, path(name));
    }

  private:
    std::string path_;
};

} // namespace blkcrypto::test
