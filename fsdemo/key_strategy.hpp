// SPDX-License-Identifier: Apache-2.0
#pragma once
// When does an extent get its keyed transform, in which context, and out of which pool? A key_strategy is an
// answer: a tfm_source that also hears of files and master keys. The filesystem and the fallback do the same
// around every one of them.
//
// The order of calls for a file: start_using() its configuration, file_opened(), prepare() for each of its
// extents if the traits ask for that; then I/O: acquire() and release(), which get extent_crypt_infos and
// nothing else; evict() for each extent whose info goes; file_closed(). acquire() and what follows it for a
// key, up to evict(), is called on the thread of the key's filesystem; several filesystems on several
// threads may share a strategy.
//
// Its rules: nothing in acquire() blocks, what has to wait parks. Whatever waits, locks or allocates does so
// through env. A transform belongs to whoever has a lease of it; at evict() no copy of the key stays.

#include "blkcrypto/inline_crypt/tfm_source.hpp"
#include "fsdemo/extent_crypt_info.hpp"

namespace blkcrypto::fsdemo {

/// When a mode's module is loaded, if there is one.
enum class module_use : std::uint8_t { never, at_open, in_io };

/// What the filesystem does differently for a strategy.
struct strategy_traits {
    module_use modules = module_use::never; // at_open: by the filesystem. in_io: by the strategy
    /// Extents' infos belong to the file they are used through, which extent_crypt_info::file() then names,
    /// and go when it is closed. Without it they belong to the filesystem, and all files share them.
    bool infos_are_of_files = false;
    /// prepare() is called for every extent that a file has when it is opened. Their infos stay until it is
    /// closed, and belong to it.
    bool prepares_at_open = false;

    bool have_infos_files() const noexcept { return infos_are_of_files || prepares_at_open; }
};

/// What a strategy has at the moment, and what it has done so far.
struct strategy_figures {
    std::uint64_t transforms = 0;
    std::uint64_t transform_bytes = 0;
    std::uint64_t pinned_bytes = 0;        // of them: what a shrinker could not take back
    std::uint64_t transform_bytes_max = 0; // at any time
    std::uint64_t io_allocations = 0;      // in acquire()
    std::uint64_t io_allocated_bytes = 0;
    std::uint64_t limit_refusals = 0; // requests that strategy_options::memory_limit_bytes was too low for
};

class key_strategy : public tfm_source {
  public:
    virtual strategy_traits traits() const noexcept { return {}; }

    /// Of extent_crypt_info::memory() in the mode; it has been started.
    virtual std::size_t extent_memory_bytes(crypto_mode) const noexcept { return 0; }
    /// So many infos of a filesystem are about to get that memory, which is when it is allocated; ENOMEM
    /// stops it. And have lost it.
    virtual std::error_code memory_reserved(env&, crypto_mode, std::uint64_t /*infos*/) noexcept {
        return {};
    }
    virtual void memory_released(env&, crypto_mode, std::uint64_t /*infos*/) noexcept {}

    /// May allocate, may sleep. An error fails the open, and file_closed() is not called.
    virtual std::error_code file_opened(env&, file_crypt_info&) { return {}; }
    virtual std::error_code prepare(env&, const extent_crypt_info&) { return {}; }
    /// All infos that belong to it have been evicted.
    virtual void file_closed(env&, file_crypt_info&) noexcept {}

    /// The secret of a master key is being wiped: the filesystem has no file open under it, its extents have
    /// been evicted. Another filesystem that shares the strategy may still have both.
    virtual void key_removed(env&, const key_identifier&) noexcept {}

    virtual strategy_figures figures(env& e) const noexcept = 0;
};

/// Every key that reaches a key_strategy is an extent's.
inline const extent_crypt_info& extent_of(const key_request& key) noexcept {
    return static_cast<const extent_crypt_info&>(key);
}

} // namespace blkcrypto::fsdemo
