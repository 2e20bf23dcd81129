// SPDX-License-Identifier: Apache-2.0
// For LD_PRELOAD: a medium that takes its time. fdatasync(2) waits as long as the file named by SLOW_SYNC is
// there.

#include <cstdlib>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" int fdatasync(int fd) {
    const char* const while_there = std::getenv("SLOW_SYNC");
    while (while_there != nullptr && access(while_there, F_OK) == 0)
        usleep(10'000);
    return static_cast<int>(syscall(SYS_fdatasync, fd));
}
