// SPDX-License-Identifier: Apache-2.0
#pragma once
// The control socket of an attachment, from the first moment to the last. Who listens at it while the
// attachment is served is control_server; the socket is there longer: clients that want it detached are told
// when all else is gone.

#include "blkcrypto/tools/control_directory.hpp"

#include <string_view>
#include <vector>

namespace blkcrypto::tools {

class control_socket {
  public:
    /// Named after this process, and listening from the moment it has that name: one that refuses is dead.
    /// program_error, exit code 2.
    static control_socket make();
    control_socket(control_socket&& other) noexcept;
    control_socket& operator=(control_socket&&) = delete;
    /// Removes it. Who waits finds the connection closed.
    ~control_socket();

    /// A descriptor of its own to accept from.
    file_descriptor duplicate() const;

    /// A client that is to be told how it ended.
    void add_waiting(file_descriptor&& client) { waiting_.push_back(std::move(client)); }
    std::size_t waiting() const noexcept { return waiting_.size(); }

    /// Removes it, and tells everybody who waits, or has come meanwhile.
    void end(std::string_view answer) noexcept;

  private:
    control_socket(control_directory&& directory, std::string name, file_descriptor&& listening)
        : directory_(std::move(directory)), name_(std::move(name)), listening_(std::move(listening)) {}
    void remove() noexcept;

    control_directory directory_;
    std::string name_; // empty: removed
    file_descriptor listening_;
    std::vector<file_descriptor> waiting_;
};

} // namespace blkcrypto::tools
