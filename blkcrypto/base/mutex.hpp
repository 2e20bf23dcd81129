// SPDX-License-Identifier: Apache-2.0
#pragma once
// std::mutex with the annotations that clang's thread-safety analysis reads (libstdc++'s has none), and with
// a lock class: what kind of lock this is, for the hooks of env and whoever checks the order of locks. Code
// that runs under an env takes a lock through env_lock (env.hpp), so that the hooks see it.

#include <mutex>

#if defined(__clang__)
#define BLKCRYPTO_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define BLKCRYPTO_THREAD_ATTRIBUTE(x)
#endif
#define BLKCRYPTO_CAPABILITY(name) BLKCRYPTO_THREAD_ATTRIBUTE(capability(name))
#define BLKCRYPTO_SCOPED_CAPABILITY BLKCRYPTO_THREAD_ATTRIBUTE(scoped_lockable)
#define BLKCRYPTO_GUARDED_BY(m) BLKCRYPTO_THREAD_ATTRIBUTE(guarded_by(m))
#define BLKCRYPTO_REQUIRES(...) BLKCRYPTO_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define BLKCRYPTO_EXCLUDES(...) BLKCRYPTO_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define BLKCRYPTO_ACQUIRE(...) BLKCRYPTO_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define BLKCRYPTO_RELEASE(...) BLKCRYPTO_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))

namespace blkcrypto {

/// All locks, pools or pieces of memory that play the same part, as the lock classes of the kernel's lockdep:
/// what the hooks of env are told about.
struct resource_class {
    const char* name;
};
using lock_class = resource_class;

class BLKCRYPTO_CAPABILITY("mutex") mutex {
  public:
    explicit mutex(const lock_class& kind) noexcept : class_(kind) {}
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;

    void lock() BLKCRYPTO_ACQUIRE() { mutex_.lock(); }
    void unlock() BLKCRYPTO_RELEASE() { mutex_.unlock(); }
    const lock_class& kind() const noexcept { return class_; }

  private:
    std::mutex mutex_;
    const lock_class& class_;
};

/// Scoped ownership below the hooks: inside executors and other plumbing that the hooks are not about.
class BLKCRYPTO_SCOPED_CAPABILITY plain_lock {
  public:
    explicit plain_lock(mutex& m) BLKCRYPTO_ACQUIRE(m) : mutex_(m) { mutex_.lock(); }
    ~plain_lock() BLKCRYPTO_RELEASE() { mutex_.unlock(); }
    plain_lock(const plain_lock&) = delete;
    plain_lock& operator=(const plain_lock&) = delete;

  private:
    mutex& mutex_;
};

} // namespace blkcrypto
