// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where the control sockets of a user's attachments are: a directory that nobody else can enter. Everything
// in it is reached through a descriptor of it, so that a path that is led elsewhere meanwhile, or is too long
// for a socket's address, does not matter.

#include "blkcrypto/dev/image_file.hpp"

#include <optional>
#include <string>
#include <sys/un.h>
#include <vector>

namespace blkcrypto::tools {

class control_directory {
  public:
    /// Made where it does not exist. program_error, exit code 2: somebody else's, or open to others.
    static control_directory make();
    /// Nothing if it does not exist.
    static std::optional<control_directory> find();

    const std::string& path() const noexcept { return path_; }

    /// The control sockets in it, in the order of their names.
    std::vector<std::string> sockets() const;
    bool has(const std::string& name) const noexcept;
    /// For bind(2) and connect(2).
    sockaddr_un address_of(const std::string& name) const;
    /// The errno, or 0.
    int rename(const std::string& from, const std::string& to) const noexcept;
    void remove(const std::string& name) const noexcept;

  private:
    control_directory(std::string path, file_descriptor&& directory)
        : path_(std::move(path)), directory_(std::move(directory)) {}
    static std::optional<control_directory> open(const std::string& path);

    std::string path_;
    file_descriptor directory_;
};

} // namespace blkcrypto::tools
