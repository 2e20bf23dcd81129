// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/demo_fs.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
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

/// Something that fscrypt_ioctl_set_policy() looks at any further: a version it knows, and as long as that
/// is.
bool is_policy(bytes_view policy) noexcept {
    const bool is_v1 = policy.size() == policy_v1_size_bytes && policy[0] == std::byte{0};
    return is_v1 || (policy.size() == policy_size_bytes && policy[0] == std::byte{2});
}

bool have_same_policy(const inode_item& a, const inode_item& b) noexcept {
    return a.context && b.context && a.context->policy == b.context->policy;
}

/// Whether extents of the one may be read through the other (the rule of 5.5: same master key and mode; the
/// unit size is not in the extent's context, so it has to be the same as well).
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

file_handle::~file_handle() {
    if (file_ != nullptr)
        fs_->close(*file_);
}

// --- mounting ---

demo_fs::demo_fs(const crypto_door& door, std::unique_ptr<volume> metadata)
    : door_(door), volume_(std::move(metadata)) {}

result<std::unique_ptr<demo_fs>> demo_fs::mount(const crypto_door& door, const fs_options& options,
                                                std::string& why) {
    return or_no_memory([&]() -> result<std::unique_ptr<demo_fs>> {
        auto metadata = volume::open(door.device, door.metadata_environment,
                                     {.read_only = options.read_only, .nodes_max = options.nodes_max}, why);
        if (!metadata)
            return metadata.error();
        std::unique_ptr<demo_fs> fs(new demo_fs(door, std::move(*metadata)));
        if (const std::error_code error = fs->set_up(options))
            return error;
        return fs;
    });
}

std::error_code demo_fs::set_up(const fs_options& options) {
    commits_for_room_ = options.commits_for_room;
    auto keys = extent_keys::make(door_, options.keys_max);
    if (!keys)
        return keys.error();
    extent_keys_ = std::move(*keys);
    keys_.set_observer(extent_keys_.get());
    auto queue = fs_queue::make(door_, *volume_, *extent_keys_, {options.depth, options.commits_for_room});
    if (!queue)
        return queue.error();
    queue_ = std::move(*queue);
    return {};
}

demo_fs::~demo_fs() {
    assert(open_.empty());
    keys_.set_observer(nullptr);
}

demo_fs::space_use demo_fs::space() const noexcept {
    const fsdemo::space& room = volume_->room();
    return {super().blocks, room.free_blocks() + room.retired_blocks()};
}

void demo_fs::wait_for_all() noexcept {
    while (in_flight() != 0)
        wait();
}

std::error_code demo_fs::sync() {
    wait_for_all();
    return volume_->commit();
}

// Blocks that the last state uses and this one does not are there once this one is durable.
std::error_code demo_fs::may_change(volume::room_for what, std::uint64_t blocks) {
    const std::error_code error = volume_->may_change(what, blocks);
    if (error != make_error(ENOSPC) || !commits_for_room_ || !volume_->has_changed())
        return error;
    if (const std::error_code failed = sync())
        return failed;
    return volume_->may_change(what, blocks);
}

// --- looking names up ---

result<inode_item> demo_fs::load(inode_number inode) {
    if (const std::error_code error = volume_->may_read())
        return error;
    return load_inode(*volume_, inode);
}

result<inode_item> demo_fs::load_directory(inode_number inode) {
    auto item = load(inode);
    if (item && item->kind != inode_kind::directory)
        return make_error(ENOTDIR);
    return item;
}

// fscrypt_has_permitted_context(): what is in an encrypted directory has its policy.
std::error_code demo_fs::check_permitted(const inode_item& directory,
                                         const inode_item& child) const noexcept {
    return make_error(directory.context && !have_same_policy(directory, child) ? EPERM : 0);
}

result<inode_number> demo_fs::lookup_in(inode_number directory, std::string_view name) {
    return or_no_memory([&]() -> result<inode_number> {
        const auto parent = load_directory(directory);
        if (!parent)
            return parent.error();
        const auto entry = find_entry(*volume_, directory, name);
        if (!entry)
            return entry.error();
        const auto child = load(entry->inode);
        if (!child)
            return child.error() == make_error(ENOENT) ? volume_->bad_item(inode_key(entry->inode))
                                                       : child.error();
        if (const std::error_code error = check_permitted(*parent, *child))
            return error;
        return entry->inode;
    });
}

result<inode_number> demo_fs::lookup(std::string_view path) {
    inode_number at = root_inode;
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('/'), path.size());
        const std::string_view name = path.substr(0, end);
        path.remove_prefix(std::min(end + 1, path.size()));
        if (name.empty())
            continue;
        const auto next = lookup_in(at, name);
        if (!next)
            return next.error();
        at = *next;
    }
    return at;
}

result<inode_status> demo_fs::status_of(inode_number inode) {
    return or_no_memory([&]() -> result<inode_status> {
        const auto item = load(inode);
        if (!item)
            return item.error();
        return inode_status{inode, *item};
    });
}

result<std::vector<dir_entry>> demo_fs::list(inode_number directory) {
    return or_no_memory([&]() -> result<std::vector<dir_entry>> {
        if (const auto parent = load_directory(directory); !parent)
            return parent.error();
        auto entries = all_entries(*volume_, directory);
        if (entries)
            std::ranges::sort(*entries, {}, &dir_entry::name);
        return entries;
    });
}

result<std::vector<extent_row>> demo_fs::extents_of(inode_number inode) {
    return or_no_memory([&]() -> result<std::vector<extent_row>> {
        wait_for_all();
        const auto item = load(inode);
        if (!item)
            return item.error();
        const auto parts = all_parts(*volume_, inode);
        if (!parts)
            return parts.error();
        std::vector<extent_row> rows;
        rows.reserve(parts->size());
        for (const file_part& part : *parts) {
            extent_row row{part.begin_bytes,
                           part.physical_bytes(part.begin_bytes),
                           part.end_bytes - part.begin_bytes,
                           part.offset_bytes,
                           part.item.references,
                           {}};
            if (part.item.context.has_value() != item->context.has_value())
                return make_error(EINVAL);
            if (part.item.context) {
                std::string_view why;
                const auto context = decode_extent_context(*part.item.context, item->context->policy, why);
                if (!context)
                    return context.error();
                row.context = *context;
            }
            rows.push_back(row);
        }
        return rows;
    });
}

// --- making names ---

// Of something new in a directory: its policy, and a nonce. Who makes it has to have the key.
result<std::optional<encryption_context>> demo_fs::context_for_new(const inode_item& parent) {
    std::optional<encryption_context> context;
    if (!parent.context)
        return context;
    if (keys_.status(parent.context->policy.master_key_identifier) != key_status::present)
        return make_error(ENOKEY);
    context.emplace(encryption_context{parent.context->policy, {}});
    door_.environment.fill_random(context->nonce);
    return context;
}

result<inode_number> demo_fs::make(inode_number parent, std::string_view name, inode_kind kind) {
    const auto directory = load_directory(parent);
    if (!directory)
        return directory.error();
    if (const std::error_code error = check_name(name))
        return error;
    const auto existing = find_entry(*volume_, parent, name);
    if (existing || existing.error() != make_error(ENOENT))
        return existing ? make_error(EEXIST) : existing.error();
    const auto context = context_for_new(*directory);
    if (!context)
        return context.error();
    if (const std::error_code error = may_change(volume::room_for::more))
        return error;
    if (super().next_inode >= inode_numbers_max)
        return make_error(ENOSPC);
    const inode_number inode = volume_->take_inode_number();
    // One that is there already is a damaged image's.
    if (const std::error_code error = volume_->change([&] {
            return volume_->tree().insert(inode_key(inode), encode(inode_item{kind, 0, parent, *context}));
        }))
        return error == make_error(EEXIST) ? volume_->bad_item(inode_key(inode)) : error;
    if (const std::error_code error = volume_->change([&] {
            return add_entry(*volume_, parent, {std::string(name), inode, kind});
        }))
        return error;
    return inode;
}

result<inode_number> demo_fs::make_directory(inode_number parent, std::string_view name) {
    return or_no_memory([&] { return make(parent, name, inode_kind::directory); });
}

result<inode_number> demo_fs::create_file(inode_number parent, std::string_view name) {
    return or_no_memory([&] { return make(parent, name, inode_kind::file); });
}

std::error_code demo_fs::set_policy(inode_number directory, bytes_view policy, std::string_view& why) {
    return or_no_memory([&]() -> std::error_code {
        auto item = load(directory);
        if (!item)
            return item.error();
        if (!is_policy(policy)) {
            why = "no policy of a known version";
            return make_error(EINVAL);
        }
        if (item->context)
            return make_error(std::ranges::equal(encode(item->context->policy), policy) ? 0 : EEXIST);
        if (item->kind != inode_kind::directory)
            return make_error(ENOTDIR);
        if (const std::error_code error = check_empty(*volume_, directory))
            return error;
        const auto checked = check_policy(policy, traits(), why);
        if (!checked)
            return checked.error();
        if (keys_.status(checked->master_key_identifier) != key_status::present)
            return make_error(ENOKEY);
        if (const std::error_code error = may_change(volume::room_for::more))
            return error;
        item->context.emplace(encryption_context{*checked, {}});
        door_.environment.fill_random(item->context->nonce);
        return volume_->change([&] { return store_inode(*volume_, directory, *item); });
    });
}

// --- removing and moving names ---

std::error_code demo_fs::cut_size(inode_number inode, std::uint64_t size_bytes_max) {
    auto item = load(inode);
    if (!item)
        return item.error();
    item->size_bytes = std::min(item->size_bytes, size_bytes_max);
    return store_inode(*volume_, inode, *item);
}

// From its end, so that it is a shorter file whenever a commit has to make room for the next one.
std::error_code demo_fs::shorten(inode_number inode, std::uint64_t kept_bytes) {
    for (;;) {
        const auto last = last_part(*volume_, inode);
        if (!last)
            return last.error();
        if (!*last || (*last)->end_bytes() <= kept_bytes)
            return {};
        if (volume_->may_change(volume::room_for::less) == make_error(ENOSPC)) {
            if (const std::error_code error =
                    volume_->change([&] { return cut_size(inode, (*last)->end_bytes()); }))
                return error;
            if (const std::error_code error = volume_->commit())
                return error;
            if (const std::error_code error = volume_->may_change(volume::room_for::less))
                return error;
        }
        const std::uint64_t begin_bytes = std::max((*last)->begin_bytes, kept_bytes);
        if (const std::error_code error = volume_->change(
                [&] { return remove_parts(*volume_, inode, begin_bytes, (*last)->end_bytes()); }))
            return error;
    }
}

std::error_code demo_fs::remove_with_data(inode_number parent, std::string_view name, inode_number inode) {
    if (const std::error_code error = shorten(inode, 0))
        return error;
    return volume_->change([&] {
        const std::error_code error = erase_entry(*volume_, parent, name);
        return error ? error : erase_inode(*volume_, inode);
    });
}

std::error_code demo_fs::remove(inode_number parent, std::string_view name) {
    return or_no_memory([&]() -> std::error_code {
        wait_for_all();
        if (const auto directory = load_directory(parent); !directory)
            return directory.error();
        const auto entry = find_entry(*volume_, parent, name);
        if (!entry)
            return entry.error();
        const auto item = load(entry->inode);
        if (!item)
            return item.error();
        if (item->kind == inode_kind::directory)
            if (const std::error_code error = check_empty(*volume_, entry->inode))
                return error;
        if (open_.contains(entry->inode))
            return make_error(EBUSY);
        if (const std::error_code error = may_change(volume::room_for::less))
            return error;
        return remove_with_data(parent, name, entry->inode);
    });
}

// A directory that is moved must not be above the one it is moved to.
std::error_code demo_fs::check_not_below(inode_number directory, inode_number other) {
    constexpr int depth_max = 100000; // a damaged image may have a circle
    for (int depth = 0; depth < depth_max; ++depth) {
        if (other == directory)
            return make_error(EINVAL);
        if (other == root_inode)
            return {};
        const auto item = load_directory(other);
        if (!item)
            return item.error();
        other = item->parent;
    }
    return make_error(EUCLEAN);
}

std::error_code demo_fs::check_replaceable(const inode_item& from, inode_number inode,
                                           const inode_item& target) {
    if (from.kind != target.kind)
        return make_error(target.kind == inode_kind::directory ? EISDIR : ENOTDIR);
    if (open_.contains(inode))
        return make_error(EBUSY);
    return target.kind == inode_kind::directory ? check_empty(*volume_, inode) : std::error_code{};
}

// What rename() is about, and that it may be.
result<demo_fs::renaming> demo_fs::look_at_rename(inode_number from_parent, std::string_view from,
                                                  inode_number to_parent, std::string_view to) {
    if (const auto directory = load_directory(from_parent); !directory)
        return directory.error();
    const auto new_parent = load_directory(to_parent);
    if (!new_parent)
        return new_parent.error();
    if (const std::error_code error = check_name(to))
        return error;
    const auto entry = find_entry(*volume_, from_parent, from);
    if (!entry)
        return entry.error();
    const auto item = load(entry->inode);
    if (!item)
        return item.error();
    if (check_permitted(*new_parent, *item))
        return make_error(EXDEV);
    if (item->kind == inode_kind::directory)
        if (const std::error_code error = check_not_below(entry->inode, to_parent))
            return error;
    renaming what{*entry, *item, {}};
    const auto target = find_entry(*volume_, to_parent, to);
    if (!target)
        return target.error() == make_error(ENOENT) ? result<renaming>(what) : target.error();
    what.replaced = target->inode;
    if (target->inode == entry->inode)
        return what;
    const auto replaced = load(target->inode);
    if (!replaced)
        return replaced.error();
    if (const std::error_code error = check_replaceable(*item, target->inode, *replaced))
        return error;
    return what;
}

std::error_code demo_fs::rename(inode_number from_parent, std::string_view from, inode_number to_parent,
                                std::string_view to) {
    return or_no_memory([&]() -> std::error_code {
        wait_for_all();
        auto what = look_at_rename(from_parent, from, to_parent, to);
        if (!what)
            return what.error();
        const inode_number inode = what->entry.inode;
        if (what->replaced == inode)
            return {};
        if (const std::error_code error = may_change(volume::room_for::more))
            return error;
        if (what->replaced)
            if (const std::error_code error = remove_with_data(to_parent, to, *what->replaced))
                return error;
        what->item.parent = to_parent;
        const std::error_code error = volume_->change([&] {
            if (const std::error_code failed = erase_entry(*volume_, from_parent, from))
                return failed;
            if (const std::error_code failed = store_inode(*volume_, inode, what->item))
                return failed;
            return add_entry(*volume_, to_parent, {std::string(to), inode, what->entry.kind});
        });
        if (const auto opened = open_.find(inode); !error && opened != open_.end())
            opened->second->item_.parent = to_parent;
        return error;
    });
}

// --- files ---

result<file_handle> demo_fs::open(inode_number inode) {
    return or_no_memory([&]() -> result<file_handle> {
        const auto known = open_.find(inode);
        if (known != open_.end()) {
            // New handles need the key to be there (4.9), those that exist do not.
            if (known->second->master_ && !known->second->master_->is_present())
                return make_error(ENOKEY);
            ++known->second->opens_;
            return file_handle(*this, *known->second);
        }
        const auto item = load(inode);
        if (!item)
            return item.error();
        if (item->kind != inode_kind::file)
            return make_error(EISDIR);
        auto file = std::make_unique<open_file>(inode, *item);
        if (const std::error_code error = set_up_encryption(*file))
            return error;
        file->opens_ = 1;
        open_file& opened = *file;
        open_.emplace(inode, std::move(file));
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
    file.master_ = std::move(*master);
    file.config_.emplace(crypto_config{mode, unit_size, dun_bytes_in_extent(unit_size)});
    return start_using_key(door_.environment, door_.device, door_.fallback, any_key(*file.config_));
}

void demo_fs::close(open_file& file) noexcept {
    if (--file.opens_ == 0)
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
            if (const std::error_code error = shorten(file.number_, round_up_to_block(size_bytes)))
                return error;
        }
        file.item_.size_bytes = size_bytes;
        return volume_->change([&] { return store_inode(*volume_, file.number_, file.item_); });
    });
}

namespace {

struct io_flag final : file_io_end {
    void end_io(file_io&) noexcept override { is_done = true; }
    bool is_done = false;
};

} // namespace

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
