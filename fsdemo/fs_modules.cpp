// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/fs_modules.hpp"

#include <cassert>
#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

constexpr lock_class module_waiting{"fs_modules.waiting"};
constexpr allocation_class piece_memory{"fs_modules.piece"};

} // namespace

fs_modules::module::module() : waiting(module_waiting) {}

fs_modules::fs_modules(demo_fs& fs, env& e, module_use when) noexcept : fs_(fs), env_(e), when_(when) {
    for (module& m : modules_)
        m.owner = this;
}

fs_modules::~fs_modules() {
    for ([[maybe_unused]] const module& m : modules_)
        assert(m.is != state::being_read);
}

std::error_code fs_modules::find() {
    const auto directory = fs_.lookup(modules_directory);
    if (!directory)
        return directory.error() == make_error(ENOENT) ? std::error_code{} : directory.error();
    for (const auto& mode : crypto_modes())
        if (const std::error_code error = find(mode.mode, *directory))
            return error;
    return {};
}

// What is encrypted, or is no file, is no module.
std::error_code fs_modules::find(crypto_mode mode, inode_number directory) {
    const auto inode = fs_.lookup_in(directory, find_mode(mode)->name);
    if (!inode)
        return inode.error() == make_error(ENOENT) || inode.error() == make_error(ENOTDIR) ? std::error_code{}
                                                                                           : inode.error();
    const auto known = fs_.status_of(*inode);
    if (!known)
        return known.error();
    if (known->item.kind != inode_kind::file || known->item.context || known->item.size_bytes == 0)
        return {};
    module& m = modules_[mode_index(mode)];
    m.inode = *inode;
    m.is = state::on_disk;
    return when_ == module_use::in_io ? open(m) : std::error_code{};
}

std::error_code fs_modules::open(module& m) {
    auto file = fs_.open(m.inode);
    if (!file)
        return file.error();
    if (!env_.allow_allocation(piece_memory, piece_bytes))
        return make_error(ENOMEM);
    m.piece.resize(piece_bytes);
    m.file = std::move(*file);
    return {};
}

// --- reading one ---

void fs_modules::module::start() noexcept {
    is = state::being_read;
    read_at(0);
}

void fs_modules::module::read_at(std::uint64_t offset_bytes) noexcept {
    io_.prepare(file_op::read, **file, offset_bytes, piece, *this);
    owner->fs_.submit(io_);
}

void fs_modules::module::end_io(file_io& ended) noexcept {
    const std::uint64_t next_bytes = ended.offset_bytes + ended.done_bytes;
    if (ended.status || ended.done_bytes == 0 || next_bytes >= (*file)->size_bytes())
        return finish(ended.status);
    read_at(next_bytes);
}

void fs_modules::module::finish(const std::error_code& error) noexcept {
    is = error ? state::on_disk : state::loaded;
    if (!error || owner->when_ != module_use::in_io) // there nothing can be allocated anew
        piece = std::vector<std::byte>();
    owner->loaded_ += error ? 0U : 1U;
    failure = error;
    failures_to_tell = error ? waiters : 0;
    for (; waiters != 0; --waiters)
        waiting.wake_one(owner->env_);
}

// --- asking for one ---

acquire_outcome fs_modules::request(crypto_mode mode, waiter& parked, blk_status& status) noexcept {
    module& m = modules_[mode_index(mode)];
    if (m.is == state::built_in || m.is == state::loaded)
        return acquire_outcome::ready;
    if (m.failures_to_tell != 0) {
        --m.failures_to_tell;
        status = to_blk_status(m.failure);
        return acquire_outcome::failed;
    }
    if (m.is == state::on_disk)
        m.start();
    ++m.waiters;
    m.waiting.add(parked);
    return acquire_outcome::parked;
}

// Closed again: nobody but its reader keeps others from removing it.
std::error_code fs_modules::load(crypto_mode mode) {
    module& m = modules_[mode_index(mode)];
    if (m.is != state::on_disk)
        return {};
    if (const std::error_code error = or_no_memory([&] { return open(m); }))
        return error;
    m.start();
    while (m.is == state::being_read)
        fs_.wait();
    m.file.reset();
    return m.is == state::on_disk ? m.failure : std::error_code{};
}

} // namespace blkcrypto::fsdemo
