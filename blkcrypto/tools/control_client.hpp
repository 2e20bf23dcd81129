// SPDX-License-Identifier: Apache-2.0
#pragma once
// The other end of control sockets: which attachments the user has, and the end of one.

#include "blkcrypto/tools/control_directory.hpp"
#include "blkcrypto/tools/control_protocol.hpp"

#include <string>
#include <vector>

namespace blkcrypto::tools {

class control_client {
  public:
    /// program_error, exit code 2: the directory of control sockets cannot be used.
    control_client() : directory_(control_directory::find()) {}

    /// Those that answer, in the order of their sockets' names. Sockets of dead servers are removed.
    std::vector<known_attachment> attachments();
    /// After attachments(): program_error, exit code 1, if one is there that does not answer.
    void check_all_answered() const;

    /// By its URI, as printed, or its image, by whatever name. program_error, exit code 2: there is none, or
    /// more than one.
    known_attachment find(const std::string& name);

    /// Returns when all is taken down: true if data may be missing. program_error, exit code 1: it has ended
    /// otherwise. However long it takes.
    bool detach(const known_attachment& which) const;

  private:
    file_descriptor connect(const std::string& socket) const;
    std::optional<std::string> ask(const std::string& socket, control_op op) const;

    std::optional<control_directory> directory_; // none: no attachment was ever made
    std::vector<std::string> silent_;
};

} // namespace blkcrypto::tools
