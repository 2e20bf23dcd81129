// SPDX-License-Identifier: Apache-2.0
#pragma once
// A mounted filesystem: what programs use. Directories carry encryption policies, what is made in them
// inherits; every extent of an encrypted file has a key of its own.
//
// For one thread, that of its env. Calls on names and sizes return when they are done, and wait for all I/O
// in flight before they change where a file's data is. I/O is asynchronous: submit(), then poll() or wait(),
// with the meaning they have in block_queue. Nothing need be durable before sync() (but what was written in
// place may be); a filesystem that is destroyed without is what it was after the last one. Where room is
// short and a sync would make some, since what was overwritten or removed is kept until then, the filesystem
// syncs by itself: ENOSPC means that there is none.

#include "fsdemo/crypto_door.hpp"
#include "fsdemo/directory.hpp"
#include "fsdemo/extent_crypt_info.hpp"
#include "fsdemo/file_extents.hpp"
#include "fsdemo/fs_queue.hpp"
#include "fsdemo/keyring.hpp"
#include "fsdemo/open_file.hpp"
#include "fsdemo/volume.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace blkcrypto::fsdemo {

struct fs_options {
    bool read_only = false;
    unsigned keys_max = 1024;         // extents' infos that are kept
    unsigned derived_keys_max = 1024; // keys of extents that are kept; 0: each use of a pool or slot derives
    std::size_t nodes_max = 2048;     // of the tree that are kept: 8 MiB
    unsigned depth = 128;             // file_ios at work at once; more wait
    /// Without room, what has been done is committed where that makes some. Else nothing is before sync(),
    /// and there is no room.
    bool commits_for_room = true;
};

struct inode_status {
    inode_number inode = 0;
    inode_item item;
};

/// A contiguous part of a file on the image.
struct extent_row {
    std::uint64_t file_offset_bytes = 0;
    std::uint64_t physical_offset_bytes = 0; // on the image
    std::uint64_t length_bytes = 0;
    std::uint64_t extent_offset_bytes = 0; // of the part in its extent
    std::uint32_t references = 0;          // to the extent
    std::optional<extent_context> context; // none: not encrypted
};

class demo_fs;
class fs_modules;

/// An open file. The filesystem outlives it.
class file_handle {
  public:
    file_handle() noexcept = default;
    file_handle(file_handle&& other) noexcept
        : fs_(std::exchange(other.fs_, nullptr)), file_(std::exchange(other.file_, nullptr)) {}
    file_handle& operator=(file_handle&& other) noexcept {
        std::swap(fs_, other.fs_);
        std::swap(file_, other.file_);
        return *this;
    }
    /// None of its I/O is in flight.
    ~file_handle();

    open_file& operator*() const noexcept { return *file_; }
    open_file* operator->() const noexcept { return file_; }

  private:
    friend class demo_fs;
    file_handle(demo_fs& fs, open_file& file) noexcept : fs_(&fs), file_(&file) {}
    demo_fs* fs_ = nullptr;
    open_file* file_ = nullptr;
};

class demo_fs {
  public:
    /// As volume::format().
    static std::error_code format(block_device& device, env& e, const filesystem_uuid& uuid) {
        return volume::format(device, e, uuid);
    }

    /// As volume::open(). ENOMEM.
    static result<std::unique_ptr<demo_fs>> mount(const crypto_door& door, const fs_options& options,
                                                  std::string& why);
    /// All files are closed, nothing is in flight.
    ~demo_fs();

    keyring& keys() noexcept { return keys_; }
    const superblock& super() const noexcept { return volume_->super(); }
    crypto_traits traits() const noexcept {
        return {.block_bits = block_bits, .file_bytes_max = file_bytes_max};
    }
    /// What the last EUCLEAN or EIO of metadata was about; empty if nothing.
    const std::string& trouble() const noexcept { return volume_->trouble(); }

    struct space_use {
        std::uint64_t blocks = 0;
        std::uint64_t free_blocks = 0; // now, or with the next sync
    };
    space_use space() const noexcept;

    // --- names. All: ENOENT, ENOTDIR, ENAMETOOLONG, EINVAL for a name that is none, and the errors of volume
    // ---

    /// Slashes between names; "/" and "" are the root. EPERM: an entry of an encrypted directory that has
    /// another policy (fscrypt_has_permitted_context()).
    result<inode_number> lookup(std::string_view path);
    result<inode_number> lookup_in(inode_number directory, std::string_view name);
    result<inode_status> status_of(inode_number inode);
    /// Sorted by name.
    result<std::vector<dir_entry>> list(inode_number directory);
    /// EUCLEAN if one is wrong, EINVAL if its context does not fit its file.
    result<std::vector<extent_row>> extents_of(inode_number inode);

    /// EEXIST. ENOKEY: in an encrypted directory whose key is not present.
    result<inode_number> make_directory(inode_number parent, std::string_view name);
    result<inode_number> create_file(inode_number parent, std::string_view name);
    /// A file that is not open (EBUSY), or a directory that is empty (ENOTEMPTY). A file of many extents on
    /// an image without room for so many changes goes in several commits, from its end, here and in
    /// truncate().
    std::error_code remove(inode_number parent, std::string_view name);
    /// rename(2): an existing target is replaced, if it is of the same kind and, a directory, empty (EISDIR,
    /// ENOTDIR, ENOTEMPTY). EXDEV: into an encrypted directory of another policy. EINVAL: a directory into
    /// itself.
    std::error_code rename(inode_number from_parent, std::string_view from, inode_number to_parent,
                           std::string_view to);

    /// FS_IOC_SET_ENCRYPTION_POLICY, `policy` as bytes of any version. In the kernel's order: 0 for the
    /// policy it has, EEXIST for another, ENOTDIR, ENOTEMPTY, EINVAL (`why`: the rule), ENOKEY: the key has
    /// not been added.
    std::error_code set_policy(inode_number directory, bytes_view policy, std::string_view& why);

    // --- files ---

    /// Sets up the key of an encrypted file, and starts to use every (master key, mode) its extents have,
    /// which is the only place where that allocates. Where the strategy wants a module for the mode it is
    /// read, and other I/O may end meanwhile. EISDIR. ENOKEY: its master key is not present. ENOPKG,
    /// EOPNOTSUPP: as start_using_key().
    result<file_handle> open(inode_number inode);
    /// Grows by a hole. EFBIG.
    std::error_code truncate(open_file& file, std::uint64_t size_bytes);
    /// A new file `name` that shares all extents of `from`. EEXIST. EXDEV: the directory's policy has another
    /// key, mode or data unit size, or only one of the two is encrypted. EOVERFLOW: 2^32 references.
    result<inode_number> reflink(open_file& from, inode_number parent, std::string_view name);

    // --- I/O ---

    void submit(file_io& io) noexcept { queue_->submit(io); }
    unsigned poll() noexcept { return queue_->poll(); }
    unsigned wait() noexcept { return queue_->wait(); }
    unsigned in_flight() const noexcept { return queue_->in_flight(); }
    buffer_id register_buffer(bytes_span memory) noexcept { return queue_->register_buffer(memory); }

    /// Waits for all I/O in flight, then makes what has been written and changed durable. After an error the
    /// filesystem has failed: the image is as after the last sync, and has to be mounted again.
    std::error_code sync();

    /// Of infos of extents.
    const cache_counters& key_use() const noexcept { return extent_keys_->counters(); }
    /// Of derived keys.
    cache_counters derived_key_use() const noexcept {
        return derived_keys_ ? derived_keys_->counters() : cache_counters{};
    }
    /// Of keyslots, or of what the key_strategy has instead.
    keyslot_counters tfm_use() const noexcept { return queue_->tfm_use(); }
    /// Read so far.
    std::uint64_t modules_loaded() const noexcept;
    volume& metadata() noexcept { return *volume_; }

  private:
    friend class file_handle;
    demo_fs(const crypto_door& door, std::unique_ptr<volume> metadata);
    std::error_code set_up(const fs_options& options);

    void wait_for_all() noexcept;
    std::error_code may_change(volume::room_for what, std::uint64_t blocks = 0);
    result<inode_item> load(inode_number inode);
    result<inode_item> load_directory(inode_number inode);
    std::error_code check_permitted(const inode_item& directory, const inode_item& child) const noexcept;
    result<std::optional<encryption_context>> context_for_new(const inode_item& parent);
    result<inode_number> make(inode_number parent, std::string_view name, inode_kind kind);
    std::error_code check_not_below(inode_number directory, inode_number other);
    struct renaming {
        dir_entry entry;
        inode_item item;
        std::optional<inode_number> replaced;
    };
    result<renaming> look_at_rename(inode_number from_parent, std::string_view from, inode_number to_parent,
                                    std::string_view to);
    std::error_code check_replaceable(const inode_item& from, inode_number inode, const inode_item& target);
    std::error_code cut_size(inode_number inode, std::uint64_t size_bytes_max);
    std::error_code shorten(inode_number inode, std::uint64_t kept_bytes);
    std::error_code remove_with_data(inode_number parent, std::string_view name, inode_number inode);
    std::error_code set_up_encryption(open_file& file);
    std::error_code set_up_with_strategy(open_file& file);
    std::error_code prepare_extents(open_file& file);
    std::error_code zero_tail(open_file& file, std::uint64_t size_bytes);
    void close(open_file& file) noexcept;

    const crypto_door door_;
    bool commits_for_room_ = true;
    std::unique_ptr<volume> volume_;
    keyring keys_;
    std::unique_ptr<derived_keys> derived_keys_; // null: none are kept
    std::unique_ptr<extent_keys> extent_keys_;
    std::unique_ptr<fs_queue> queue_;
    std::map<inode_number, std::unique_ptr<open_file>> open_;
    std::unique_ptr<fs_modules> modules_; // null: the strategy has no use for them
};

} // namespace blkcrypto::fsdemo
