// SPDX-License-Identifier: Apache-2.0
// demo_fs: open files, their sizes and shared extents.
#include "fsdemo/demo_fs.hpp"

#include "fsdemo/fs_modules.hpp"
#include "fsdemo/key_strategy.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

/// What a key declares of its DUNs: as many bytes as the last data unit of the longest extent needs. Those of
/// a whole file's would be more (the proposed series): fewer engines could do it, and no DUN is that great.
std::uint8_t dun_bytes_in_extent(data_unit_size unit_size) noexcept {
    const std::uint64_t units = (std::uint64_t{extent_blocks_max} << block_bits) >> unit_size.bits();
    return static_cast<std::uint8_t>((std::bit_width(units - 1) + 7) / 8);
}

/// One that is started for all keys of its configuration: it stands for keys that have not been derived yet.
class any_key final : public key_request {
  public:
    explicit any_key(const crypto_config& config) noexcept : key_request(config) {}
    std::error_code derive(secret&) const noexcept override { return make_error(ENOKEY); }
};

struct io_flag final : file_io_end {
    void end_io(file_io&) noexcept override { is_done = true; }
    bool is_done = false;
};

/// Whether extents of the one may be read through the other (the rule of the proposed series: same master key
/// and mode; the unit size is not in the extent's context, so it has to be the same as well).
bool can_share_extents(const inode_item& a, const std::optional<encryption_context>& b) noexcept {
    if (!a.context || !b)
        return !a.context && !b;
    const encryption_policy& one = a.context->policy;
    const encryption_policy& other = b->policy;
    return one.contents_mode == other.contents_mode &&
           one.master_key_identifier == other.master_key_identifier &&
           one.log2_data_unit_size == other.log2_data_unit_size;
}

} // namespace

result<file_handle> demo_fs::open(inode_number inode) {
    return or_no_memory([&]() -> result<file_handle> {
        const auto known = open_.find(inode);
        if (known != open_.end()) {
            // New handles need the key to be there (4.9), those that exist do not.
            const auto& crypt = known->second->crypt_;
            if (crypt && !crypt->master->is_present())
                return make_error(ENOKEY);
            ++known->second->opens_;
            return file_handle(*this, *known->second);
        }
        const auto item = load(inode);
        if (!item)
            return item.error();
        if (item->kind != inode_kind::file)
            return make_error(EISDIR);
        open_file& opened = *open_.emplace(inode, std::make_unique<open_file>(inode, *item)).first->second;
        if (const std::error_code error = or_no_memory([&] { return set_up_encryption(opened); })) {
            open_.erase(inode);
            return error;
        }
        opened.opens_ = 1;
        return file_handle(*this, opened);
    });
}

// fscrypt_get_encryption_info(), and the claims S7 and S8: the modes and keys of all its extents are those of
// its policy, one pair, and what they need is there before any I/O.
std::error_code demo_fs::set_up_encryption(open_file& file) {
    if (!file.item_.context)
        return {};
    std::string_view why;
    const auto policy = check_policy(encode(file.item_.context->policy), traits(), why);
    if (!policy)
        return policy.error();
    const crypto_mode mode = block_mode(policy->contents_mode);
    auto master = keys_.get(policy->master_key_identifier, find_mode(mode)->security_strength_bytes);
    if (!master)
        return master.error();
    const data_unit_size unit_size = unit_size_of(*policy, traits());
    file.crypt_.emplace(std::move(*master), crypto_config{mode, unit_size, dun_bytes_in_extent(unit_size)});
    const std::error_code error = set_up_with_strategy(file);
    if (error)
        file.crypt_.reset();
    return error;
}

std::error_code demo_fs::set_up_with_strategy(open_file& file) {
    file_crypt_info& crypt = *file.crypt_;
    key_strategy* const strategy = door_.strategy;
    if (strategy != nullptr && strategy->traits().modules == module_use::at_open)
        if (const std::error_code error = modules_->load(crypt.config.mode))
            return error;
    if (const std::error_code error =
            start_using_key(door_.environment, door_.device, door_.fallback, any_key(crypt.config)))
        return error;
    if (strategy == nullptr)
        return {};
    if (const std::error_code error = extent_keys_->reserve_memory(crypt.config.mode))
        return error;
    if (const std::error_code error =
            or_no_memory([&] { return strategy->file_opened(door_.environment, crypt); }))
        return error;
    if (!strategy->traits().prepares_at_open)
        return {};
    const std::error_code error = or_no_memory([&] { return prepare_extents(file); });
    if (error) {
        extent_keys_->forget(crypt);
        strategy->file_closed(door_.environment, crypt);
    }
    return error;
}

// An extent that two parts share is prepared once.
std::error_code demo_fs::prepare_extents(open_file& file) {
    const auto parts = all_parts(*volume_, file.number_);
    if (!parts)
        return parts.error();
    for (const file_part& part : *parts) {
        if (part.is_hole())
            continue;
        std::string_view why;
        if (!part.item.context)
            return make_error(EINVAL);
        const auto context = decode_extent_context(*part.item.context, *file.item_.policy(), why);
        if (!context)
            return context.error();
        const auto info = extent_keys_->pin(context->nonce, *file.crypt_);
        if (!info)
            return info.error();
        if (const std::error_code error = door_.strategy->prepare(door_.environment, **info))
            return error;
    }
    return {};
}

void demo_fs::close(open_file& file) noexcept {
    if (--file.opens_ != 0)
        return;
    if (file.crypt_ && door_.strategy != nullptr) {
        extent_keys_->forget(*file.crypt_);
        door_.strategy->file_closed(door_.environment, *file.crypt_);
    }
    open_.erase(file.number_);
}

std::error_code demo_fs::truncate(open_file& file, std::uint64_t size_bytes) {
    return or_no_memory([&]() -> std::error_code {
        wait_for_all();
        if (size_bytes > file_bytes_max)
            return make_error(EFBIG);
        if (const std::error_code error =
                may_change(size_bytes < file.size_bytes() ? volume::room_for::less : volume::room_for::more))
            return error;
        if (size_bytes < file.size_bytes()) {
            if (const std::error_code error = zero_tail(file, size_bytes))
                return error;
            file.parts_.clear();
            if (const std::error_code error = shorten(file.number_, round_up_to_block(size_bytes))) {
                if (const auto left = load(file.number_)) // it may be shorter than it was
                    file.item_ = *left;
                return error;
            }
        }
        file.item_.size_bytes = size_bytes;
        return volume_->change([&] { return store_inode(*volume_, file.number_, file.item_); });
    });
}

// What is behind the end of a file, in its last block, is zeros: of a file that becomes shorter it is made
// so.
std::error_code demo_fs::zero_tail(open_file& file, std::uint64_t size_bytes) {
    const std::uint64_t block_end = std::min(round_up_to_block(size_bytes), file.size_bytes());
    if (block_end <= size_bytes)
        return {};
    const auto part = find_part(*volume_, file.number_, size_bytes);
    if (!part)
        return part.error();
    if (part->is_hole())
        return {};
    io_flag flag;
    file_io io;
    io.op = file_op::zero;
    io.file = &file;
    io.offset_bytes = size_bytes;
    io.length_bytes = block_end - size_bytes;
    io.observer = &flag;
    submit(io);
    while (!flag.is_done)
        wait();
    return io.status;
}

result<inode_number> demo_fs::reflink(open_file& from, inode_number parent, std::string_view name) {
    return or_no_memory([&]() -> result<inode_number> {
        wait_for_all();
        const auto directory = load_directory(parent);
        if (!directory)
            return directory.error();
        if (!can_share_extents(from.item_, directory->context))
            return make_error(EXDEV);
        const auto parts = all_parts(*volume_, from.number_);
        if (!parts)
            return parts.error();
        if (const std::error_code error = check_sharable(*parts))
            return error;
        if (const std::error_code error =
                may_change(volume::room_for::more, volume_->nodes_of_parts(parts->size())))
            return error;
        const auto inode = make(parent, name, inode_kind::file);
        if (!inode)
            return inode.error();
        from.parts_.clear(); // it knows how many references extents have
        const std::error_code error = volume_->change([&] {
            auto item = load(*inode);
            if (!item)
                return item.error();
            item->size_bytes = from.size_bytes();
            const std::error_code shared = share_parts(*volume_, *parts, *inode);
            return shared ? shared : store_inode(*volume_, *inode, *item);
        });
        if (error)
            return error;
        return *inode;
    });
}

} // namespace blkcrypto::fsdemo
