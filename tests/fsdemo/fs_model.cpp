// SPDX-License-Identifier: Apache-2.0
#include "tests/fsdemo/fs_model.hpp"

#include "tests/fsdemo/medium_crypto.hpp"
#include "tests/support/fscrypt_hkdf.hpp"
#include "tests/support/simulated_device.hpp"

#include <algorithm>
#include <cerrno>
#include <deque>

namespace blkcrypto::test {

using namespace fsdemo;

namespace {

struct policy_kind {
    unsigned key;
    fscrypt_mode mode;
    std::uint8_t log2_unit;
};
constexpr std::array<policy_kind, fs_pair::policy_count> policy_kinds{
    policy_kind{0, fscrypt_mode::aes_256_xts, 0}, policy_kind{0, fscrypt_mode::aes_256_xts, 9},
    policy_kind{0, fscrypt_mode::adiantum, 12}, policy_kind{1, fscrypt_mode::aes_128_cbc, 10},
    policy_kind{1, fscrypt_mode::sm4_xts, 0}};

constexpr std::array<const char*, fs_op_kinds> kind_names{
    "make_directory", "make_encrypted", "create",     "write",  "write_in_place", "zero",
    "read",           "truncate",       "reflink",    "rename", "remove",         "batch",
    "sync",           "remount",        "remove_key", "add_key"};
// How often each comes up.
constexpr std::array<unsigned, fs_op_kinds> kind_weights{4, 3, 12, 30, 15, 6, 15, 10,
                                                         8, 8, 6,  15, 6,  3, 1,  2};

std::string name_of_number(std::uint64_t number) {
    static const std::string long_name(255, 'n');
    number %= 9;
    return number == 8 ? long_name : std::string(1, static_cast<char>('a' + number));
}

/// The range that numbers stand for: most are short, some begin or end on a block.
struct byte_range {
    std::uint64_t offset;
    std::uint64_t length;
};
byte_range range_of(std::uint64_t b, std::uint64_t c) {
    std::uint64_t offset = b % 200'000;
    std::uint64_t length = (c % 4 == 0 ? c / 4 % 90'000 : c / 4 % 9000) + (c % 16 == 1 ? 0 : 1);
    if (b % 3 == 0)
        offset &= ~std::uint64_t{4095};
    if (c % 3 == 0)
        length = round_up_to_block(length);
    return {offset, length};
}

void put(std::vector<std::byte>& data, std::uint64_t offset, bytes_view what) {
    if (data.size() < offset + what.size())
        data.resize(offset + what.size());
    std::ranges::copy(what, data.begin() + static_cast<std::ptrdiff_t>(offset));
}

/// A read that is under way while the file grows elsewhere may find the old end: what is missing is a hole
/// then.
bool is_read_of(const std::vector<std::byte>& expected, const std::vector<std::byte>& got, std::size_t done) {
    return done <= expected.size() &&
           std::equal(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(done), got.begin()) &&
           std::all_of(expected.begin() + static_cast<std::ptrdiff_t>(done), expected.end(),
                       [](std::byte b) { return b == std::byte{0}; });
}

std::string words(std::error_code error) {
    return error ? error.message() : "success";
}

} // namespace

std::shared_ptr<model_inode> copy_of(const model_inode& root) {
    auto copy = std::make_shared<model_inode>(root);
    for (auto& [name, child] : copy->entries)
        child = copy_of(*child);
    return copy;
}

std::vector<fs_op> random_ops(std::size_t count, std::uint64_t seed) {
    random_source random(seed);
    std::uint64_t all = 0;
    for (const unsigned weight : kind_weights)
        all += weight;
    std::vector<fs_op> ops;
    for (std::size_t i = 0; i < count; ++i) {
        std::uint64_t pick = random.below(all);
        unsigned kind = 0;
        for (; pick >= kind_weights[kind]; ++kind)
            pick -= kind_weights[kind];
        ops.push_back(
            {static_cast<fs_op_kind>(kind), random.next(), random.next(), random.next(), random.next()});
    }
    return ops;
}

void never_in_place(std::vector<fs_op>& ops) {
    for (fs_op& op : ops)
        switch (op.kind) {
        case fs_op_kind::write_in_place:
            op.kind = fs_op_kind::write;
            break;
        case fs_op_kind::zero:
            op.d |= 1;
            break;
        case fs_op_kind::batch:
            op.c = 0;
            break;
        default:
            break;
        }
}

std::string describe(const fs_op& op) {
    return std::string(kind_names[static_cast<std::size_t>(op.kind)]) + "{" + std::to_string(op.a) + "," +
           std::to_string(op.b) + "," + std::to_string(op.c) + "," + std::to_string(op.d) + "}";
}

fs_pair::fs_pair(fs_stack& stack, simulated_device* medium, const fs_options& options)
    : stack_(stack), medium_(medium), options_(options), root_(std::make_shared<model_inode>()) {
    root_->is_directory = true;
    synced_.push_back(copy_of(*root_));
    syncs_done_ = 1;
    (void)mount();
}

std::string fs_pair::mount() {
    fs_.reset();
    std::string why;
    auto mounted = demo_fs::mount(stack_.door(), options_, why);
    if (!mounted) {
        failure_ = mounted.error();
        return "mount: " + why + ": " + mounted.error().message();
    }
    fs_ = std::move(*mounted);
    for (unsigned i = 0; i < keys_.size(); ++i)
        keys_[i] = *fs_->keys().add(master_key_bytes(i));
    has_key_ = {true, true};
    return {};
}

std::string fs_pair::mount_as(const model_inode& state) {
    root_ = copy_of(state);
    failure_ = {};
    return mount();
}

encryption_policy fs_pair::policy(unsigned number) const {
    const policy_kind& kind = policy_kinds[number];
    return policy_under(keys_[kind.key], kind.mode, kind.log2_unit);
}

bool fs_pair::has_key(const model_inode& node) const {
    return !node.policy || has_key_[policy_kinds[*node.policy].key];
}

std::string fs_pair::differs(const fs_op& op, std::error_code got, int expected) {
    if (got.value() == expected)
        return {};
    if (!failure_)
        failure_ = got;
    return describe(op) + ": " + words(got) + ", not " + words(make_error(expected));
}

std::vector<fs_pair::model_place> fs_pair::places(bool directories) const {
    std::vector<model_place> found;
    std::deque<model_place> to_do{{nullptr, "", "", root_}};
    for (; !to_do.empty(); to_do.pop_front()) {
        const model_place here = to_do.front();
        if (here.what->is_directory == directories)
            found.push_back(here);
        for (const auto& [name, child] : here.what->entries)
            to_do.push_back({here.what, name, here.path + "/" + name, child});
    }
    return found;
}

// --- operations ---

std::string fs_pair::apply(const fs_op& op) {
    switch (op.kind) {
    case fs_op_kind::make_directory:
        return make(op, true);
    case fs_op_kind::create:
        return make(op, false);
    case fs_op_kind::make_encrypted:
        return make_encrypted(op);
    case fs_op_kind::write:
    case fs_op_kind::write_in_place:
    case fs_op_kind::zero:
    case fs_op_kind::read:
        return move_data(op);
    case fs_op_kind::truncate:
        return truncate(op);
    case fs_op_kind::reflink:
        return reflink(op);
    case fs_op_kind::rename:
        return rename(op);
    case fs_op_kind::remove:
        return remove(op);
    case fs_op_kind::batch:
        return batch(op);
    case fs_op_kind::sync:
        return sync(op);
    case fs_op_kind::remount:
        // What was written in place is not undone by it.
        if (has_written_in_place_)
            if (const std::string why = sync(op); !why.empty())
                return why;
        return mount_as(*synced_[syncs_done_ - 1]);
    case fs_op_kind::remove_key: {
        const auto key = static_cast<unsigned>(op.a % keys_.size());
        if (!has_key_[key])
            return {};
        has_key_[key] = false;
        const auto removed = fs_->keys().remove(keys_[key]);
        return differs(op, removed ? make_error(removed->files_busy ? EBUSY : 0) : removed.error(), 0);
    }
    case fs_op_kind::add_key: {
        const auto key = static_cast<unsigned>(op.a % keys_.size());
        has_key_[key] = true;
        const auto added = fs_->keys().add(master_key_bytes(key));
        return differs(op, added ? std::error_code() : added.error(), 0);
    }
    }
    return {};
}

std::string fs_pair::sync(const fs_op& op) {
    synced_.push_back(copy_of(*root_));
    const std::error_code error = fs_->sync();
    if (!error) {
        syncs_done_ = synced_.size();
        has_written_in_place_ = false;
    }
    return differs(op, error, 0);
}

std::string fs_pair::make(const fs_op& op, bool is_directory) {
    const auto directories = places(true);
    const model_place& parent = directories[op.a % directories.size()];
    const std::string name = name_of_number(op.b);
    const int expected = parent.what->entries.contains(name) ? EEXIST : has_key(*parent.what) ? 0 : ENOKEY;
    const inode_number inode = *fs_->lookup(parent.path);
    const auto made = is_directory ? fs_->make_directory(inode, name) : fs_->create_file(inode, name);
    if (expected == 0) {
        auto node = std::make_shared<model_inode>();
        node->is_directory = is_directory;
        node->policy = parent.what->policy;
        parent.what->entries.emplace(name, node);
    }
    return differs(op, made ? std::error_code() : made.error(), expected);
}

std::string fs_pair::make_encrypted(const fs_op& op) {
    const auto directories = places(true);
    const model_place& place = directories[op.a % directories.size()];
    const auto number = static_cast<unsigned>(op.b % policy_count);
    model_inode& node = *place.what;
    const int expected = node.policy                          ? (*node.policy == number ? 0 : EEXIST)
                         : !node.entries.empty()              ? ENOTEMPTY
                         : has_key_[policy_kinds[number].key] ? 0
                                                              : ENOKEY;
    std::string_view why;
    const std::error_code got = fs_->set_policy(*fs_->lookup(place.path), encode(policy(number)), why);
    if (expected == 0)
        node.policy = number;
    return differs(op, got, expected);
}

std::string fs_pair::move_data(const fs_op& op) {
    const auto files = places(false);
    if (files.empty())
        return {};
    const model_place& place = files[op.a % files.size()];
    const byte_range range = range_of(op.b, op.c);
    const auto file = fs_->open(*fs_->lookup(place.path));
    if (!file || !has_key(*place.what))
        return differs(op, file ? std::error_code() : file.error(), has_key(*place.what) ? 0 : ENOKEY);
    auto& data = place.what->data;
    if (op.kind == fs_op_kind::read) {
        const auto got = read_at(*fs_, **file, range.offset, range.length);
        if (!got)
            return differs(op, got.error(), 0);
        const std::uint64_t begin = std::min<std::uint64_t>(range.offset, data.size());
        const std::uint64_t end = std::min<std::uint64_t>(range.offset + range.length, data.size());
        const bool is_same = std::ranges::equal(*got, bytes_view(data).subspan(begin, end - begin));
        return is_same ? std::string() : describe(op) + ": read other bytes of " + place.path;
    }
    std::error_code error;
    std::vector<std::byte> written(range.length);
    const bool in_place = op.kind == fs_op_kind::zero ? op.d % 2 == 0 : op.kind == fs_op_kind::write_in_place;
    has_written_in_place_ = has_written_in_place_ || in_place;
    if (op.kind == fs_op_kind::zero) {
        error = zero_at(*fs_, **file, range.offset, range.length, in_place);
    } else {
        written = random_bytes(range.length, op.d);
        error = write_at(*fs_, **file, range.offset, written, in_place);
    }
    if (!error && range.length != 0)
        put(data, range.offset, written);
    return differs(op, error, 0);
}

// Several at once, which may overlap: as if one had been done after the other.
std::string fs_pair::batch(const fs_op& op) {
    struct batched final : waited_io {
        std::vector<std::byte> memory;
        std::vector<std::byte> expected;
        file_handle file;
    };
    const auto files = places(false);
    if (files.empty())
        return {};
    random_source random(op.d);
    std::deque<batched> ios;
    for (std::uint64_t n = 2 + op.b % 12; n != 0; --n) {
        const model_place& place = files[(op.a + random.below(2)) % files.size()];
        auto file = fs_->open(*fs_->lookup(place.path));
        if (!file)
            continue;
        auto& data = place.what->data;
        const byte_range range = range_of(random.next(), random.next());
        batched& b = ios.emplace_back();
        b.file = std::move(*file);
        const std::uint64_t kind = random.below(4);
        if (kind == 0) {
            b.memory.resize(range.length);
            const std::uint64_t begin = std::min<std::uint64_t>(range.offset, data.size());
            const std::uint64_t end = std::min<std::uint64_t>(range.offset + range.length, data.size());
            b.expected.assign(data.begin() + static_cast<std::ptrdiff_t>(begin),
                              data.begin() + static_cast<std::ptrdiff_t>(end));
            b.memory.resize(b.expected.size());
        } else {
            b.memory =
                kind == 1 ? std::vector<std::byte>(range.length) : random_bytes(range.length, random.next());
            if (range.length != 0)
                put(data, range.offset, b.memory);
        }
        b.io.prepare(kind == 0   ? file_op::read
                     : kind == 1 ? file_op::zero
                                 : file_op::write,
                     *b.file, range.offset, b.memory, b);
        b.io.in_place = kind == 3 && op.c % 8 != 0;
        has_written_in_place_ = has_written_in_place_ || b.io.in_place;
        fs_->submit(b.io);
    }
    while (fs_->in_flight() != 0)
        fs_->wait();
    for (batched& b : ios) {
        if (b.ends != 1)
            return describe(op) + ": ended " + std::to_string(b.ends) + " times";
        if (b.io.status)
            return differs(op, b.io.status, 0);
        if (b.io.op == file_op::read && !is_read_of(b.expected, b.memory, b.io.done_bytes))
            return describe(op) + ": read other bytes";
    }
    return {};
}

std::string fs_pair::truncate(const fs_op& op) {
    const auto files = places(false);
    if (files.empty())
        return {};
    const model_place& place = files[op.a % files.size()];
    const auto file = fs_->open(*fs_->lookup(place.path));
    if (!file)
        return differs(op, file.error(), has_key(*place.what) ? 0 : ENOKEY);
    const std::uint64_t size = range_of(op.b, op.c).offset;
    const std::error_code error = fs_->truncate(**file, size);
    if (!error)
        place.what->data.resize(size);
    return differs(op, error, 0);
}

std::string fs_pair::reflink(const fs_op& op) {
    const auto files = places(false);
    const auto directories = places(true);
    if (files.empty())
        return {};
    const model_place& from = files[op.a % files.size()];
    const model_place& to = directories[op.b % directories.size()];
    const std::string name = name_of_number(op.c);
    const auto file = fs_->open(*fs_->lookup(from.path));
    if (!file)
        return differs(op, file.error(), has_key(*from.what) ? 0 : ENOKEY);
    const int expected = from.what->policy != to.what->policy ? EXDEV
                         : to.what->entries.contains(name)    ? EEXIST
                                                              : 0;
    const auto made = fs_->reflink(**file, *fs_->lookup(to.path), name);
    if (expected == 0)
        to.what->entries.emplace(name, std::make_shared<model_inode>(*from.what));
    return differs(op, made ? std::error_code() : made.error(), expected);
}

std::string fs_pair::rename(const fs_op& op) {
    auto all = places(false);
    const auto directories = places(true);
    std::ranges::copy_if(directories, std::back_inserter(all),
                         [](const auto& p) { return p.parent != nullptr; });
    if (all.empty())
        return {};
    const model_place& from = all[op.a % all.size()];
    const model_place& to = directories[op.b % directories.size()];
    const std::string name = name_of_number(op.c);
    const auto target = to.what->entries.find(name);
    const bool replaces = target != to.what->entries.end() && target->second != from.what;
    int expected = 0;
    if (to.what->policy && to.what->policy != from.what->policy)
        expected = EXDEV;
    else if (from.what->is_directory && (to.path + "/").starts_with(from.path + "/"))
        expected = EINVAL;
    else if (replaces && target->second->is_directory != from.what->is_directory)
        expected = target->second->is_directory ? EISDIR : ENOTDIR;
    else if (replaces && !target->second->entries.empty())
        expected = ENOTEMPTY;
    const std::error_code error = fs_->rename(*fs_->lookup(from.path.substr(0, from.path.rfind('/'))),
                                              from.name, *fs_->lookup(to.path), name);
    if (expected == 0) {
        const auto moved = from.what;
        from.parent->entries.erase(from.name);
        to.what->entries[name] = moved;
    }
    return differs(op, error, expected);
}

std::string fs_pair::remove(const fs_op& op) {
    auto all = places(op.b % 4 == 0);
    std::erase_if(all, [](const auto& p) { return p.parent == nullptr; });
    if (all.empty())
        return {};
    const model_place& place = all[op.a % all.size()];
    const int expected = place.what->entries.empty() ? 0 : ENOTEMPTY;
    const std::error_code error =
        fs_->remove(*fs_->lookup(place.path.substr(0, place.path.rfind('/'))), place.name);
    if (expected == 0)
        place.parent->entries.erase(place.name);
    return differs(op, error, expected);
}

// --- comparing ---

std::string fs_pair::compare() {
    for (unsigned i = 0; i < keys_.size(); ++i)
        (void)fs_->keys().add(master_key_bytes(i));
    has_key_ = {true, true};
    return compare_node(*root_, "");
}

std::string fs_pair::compare_node(const model_inode& node, const std::string& path) {
    const auto inode = fs_->lookup(path);
    if (!inode)
        return path + ": " + inode.error().message();
    const auto status = fs_->status_of(*inode);
    if (!status || (status->item.kind == inode_kind::directory) != node.is_directory)
        return path + ": of another kind";
    if (status->item.context.has_value() != node.policy.has_value() ||
        (node.policy && status->item.context->policy != policy(*node.policy)))
        return path + ": another policy";
    if (node.is_directory) {
        const auto entries = fs_->list(*inode);
        if (!entries || entries->size() != node.entries.size())
            return path + ": other entries";
        for (const auto& [name, child] : node.entries)
            if (const std::string why = compare_node(*child, path + "/" + name); !why.empty())
                return why;
        return {};
    }
    const auto data = read_all(*fs_, *inode);
    if (!data)
        return path + ": " + data.error().message();
    if (*data != node.data)
        return path + ": other bytes";
    return medium_ == nullptr ? std::string() : compare_ciphertext(node, path, *inode);
}

// What is on the medium, decrypted by code that shares nothing with ours, with keys it derives itself.
std::string fs_pair::compare_ciphertext(const model_inode& node, const std::string& path,
                                        inode_number inode) {
    const auto rows = fs_->extents_of(inode);
    if (!rows)
        return path + ": " + rows.error().message();
    for (const extent_row& row : *rows) {
        const auto stored = medium_->medium(to_sectors_exact({row.physical_offset_bytes}), row.length_bytes);
        std::vector<std::byte> plain(stored.begin(), stored.end());
        if (node.policy) {
            const policy_kind& kind = policy_kinds[*node.policy];
            const std::uint32_t unit_bytes = kind.log2_unit == 0 ? 4096 : 1U << kind.log2_unit;
            const crypto_mode mode = block_mode(kind.mode);
            const auto key = fscrypt_derive(master_key_bytes(kind.key), fscrypt_context::per_extent_key,
                                            row.context->nonce, find_mode(mode)->key_size_bytes);
            if (!decrypt_units(mode, key, row.extent_offset_bytes / unit_bytes, unit_bytes, plain))
                return path + ": a mode that the reference does not know";
        }
        const std::uint64_t end =
            std::min<std::uint64_t>(row.file_offset_bytes + row.length_bytes, node.data.size());
        const std::uint64_t length = end - std::min(row.file_offset_bytes, end);
        if (!std::ranges::equal(
                bytes_view(plain).first(length),
                bytes_view(node.data).subspan(std::min<std::uint64_t>(row.file_offset_bytes, end), length)))
            return path + ": other ciphertext";
        if (std::ranges::any_of(bytes_view(plain).subspan(length),
                                [](std::byte b) { return b != std::byte{0}; }))
            return path + ": not zero behind its end";
    }
    return {};
}

} // namespace blkcrypto::test
