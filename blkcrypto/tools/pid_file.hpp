// SPDX-License-Identifier: Apache-2.0
#pragma once
// A file that says which process serves, as long as it does.

#include <string>
#include <sys/types.h>

namespace blkcrypto::tools {

class pid_file {
  public:
    /// The number of this process and a newline, under that name from one moment to the next. A file that is
    /// there is replaced. program_error, exit code 2.
    explicit pid_file(const std::string& path);
    pid_file(const pid_file&) = delete;
    pid_file& operator=(const pid_file&) = delete;
    /// Removes it, unless it is another one by now.
    ~pid_file();

  private:
    std::string path_; // absolute
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

} // namespace blkcrypto::tools
