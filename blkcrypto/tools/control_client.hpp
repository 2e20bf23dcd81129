// SPDX-License-Identifier: Apache-2.0
#pragma once
// The other end of control sockets: which attachments the user has, and the end of one.

#include "blkcrypto/tools/control_directory.hpp"
#include "blkcrypto/tools/control_protocol.hpp"

#include <optional>
#include <string>
#include <vector>

namespace blkcrypto::tools {

/// A conversation with the server of an attachment. There is no limit to the time it takes, once begun,
/// unless one is set: a server may be busy making data safe.
class control_connection {
  public:
    explicit control_connection(file_descriptor&& server) noexcept : server_(std::move(server)) {}

    /// A server that has ended does not hear it, but may have said its last word: receive() has that.
    void ask(control_op op) const noexcept;
    /// A line, without its newline. Nothing, with errno, if none will come: EAGAIN for no time left,
    /// ECONNRESET otherwise.
    std::optional<std::string> receive();
    void limit_time(unsigned seconds) const noexcept;

  private:
    file_descriptor server_;
    std::string received_; // beyond the last line
};

/// One that was there when it was asked.
struct found_attachment {
    known_attachment known; // uri and image_id only if it has ended
    control_connection server;
    std::optional<detached_attachment> ended; // while it was being asked
};

class control_client {
  public:
    /// program_error, exit code 2: the directory of control sockets cannot be used.
    control_client() : directory_(control_directory::find()) {}

    /// Those that answer, in the order of their sockets' names, and those that were just ending. Sockets of
    /// dead servers are removed.
    std::vector<found_attachment> attachments();
    /// After attachments(): program_error, exit code 1, if one is there that does not answer.
    void check_all_answered() const;

    /// By its URI, as printed, or its image, by whatever name. program_error, exit code 2: there is none, or
    /// more than one; exit code 1: a server has ended without a word, or does not answer.
    found_attachment find(const std::string& name);

    /// With statistics. program_error: exit code 2 if it ends meanwhile, exit code 1 if a thread of its
    /// server is busy for too long.
    known_attachment info(found_attachment& which) const;

    /// Returns when all is taken down, by whomever: true if data may be missing. program_error, exit code 1:
    /// it has ended otherwise. However long it takes.
    bool detach(found_attachment& which) const;

  private:
    std::optional<control_connection> connect(const std::string& socket) const;
    std::optional<found_attachment> identify(const std::string& socket, control_connection&& server);
    std::optional<std::string> first_answer(const std::string& socket, control_connection& server);
    found_attachment choose(const std::string& name, std::vector<found_attachment>&& matching) const;

    std::optional<control_directory> directory_; // none: no attachment was ever made
    std::vector<std::string> silent_;
    bool has_lost_one_ = false; // a server ended without a word while it was being asked
};

} // namespace blkcrypto::tools
