// SPDX-License-Identifier: Apache-2.0
#pragma once
// While it lives, a write beyond so many bytes of a file fails (EFBIG), as one to a full disk does.

#include <csignal>
#include <sys/resource.h>

namespace blkcrypto::test {

class file_size_limit {
  public:
    explicit file_size_limit(rlim_t bytes) : old_action_(std::signal(SIGXFSZ, SIG_IGN)) {
        getrlimit(RLIMIT_FSIZE, &old_limit_);
        const rlimit limit{bytes, old_limit_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~file_size_limit() {
        setrlimit(RLIMIT_FSIZE, &old_limit_);
        std::signal(SIGXFSZ, old_action_);
    }
    file_size_limit(const file_size_limit&) = delete;
    file_size_limit& operator=(const file_size_limit&) = delete;

  private:
    void (*old_action_)(int);
    rlimit old_limit_{};
};

} // namespace blkcrypto::test
