// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_image.hpp"

#include "bench/io_buffers.hpp"
#include "blkcrypto/tools/cli/file.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

namespace blkcrypto::bench {
namespace {

constexpr std::uint64_t master_key_part = 0x6d6173746572; // of the seed
constexpr std::size_t master_key_bytes = 64;

// What an extent and a file take in the tree, whose nodes may be half full.
constexpr std::uint64_t extent_in_tree_bytes = 512;
constexpr std::uint64_t file_in_tree_bytes = 1024;
// Nodes that change are written to new places: those of this much of the tree, and what the filesystem keeps
// back for a commit.
constexpr std::uint64_t changed_tree_bytes_max = 32 << 20;
constexpr std::uint64_t spare_bytes = 8 << 20;

std::uint64_t tree_bytes(const lab_image_options& image) {
    return image.extents() * extent_in_tree_bytes + image.files * file_in_tree_bytes;
}

std::uint64_t size_of_image(const lab_image_options& image) {
    const std::uint64_t tree = tree_bytes(image);
    const std::uint64_t data = image.extents() * image.extent_bytes + image.modes.size() * module_bytes;
    return fsdemo::round_up_to_block(data + tree + 3 * std::min(tree, changed_tree_bytes_max) + spare_bytes);
}

std::string directory_of(const std::string& path) {
    const auto directory = std::filesystem::path(path).parent_path();
    return directory.empty() ? "." : directory.string();
}

scratch_file make_image(const lab_image_options& image, const std::string& directory,
                        std::uint64_t size_bytes) {
    if (image.path.empty())
        return scratch_file::temporary(directory, size_bytes);
    scratch_file made = scratch_file::named(image.path, size_bytes, image.overwrite);
    check_room(directory, size_bytes); // for the copy, before hours may go into the image
    return made;
}

// Byte by byte: a filesystem that lets two files share blocks would part them while I/O is timed.
void copy_contents(const std::string& from, const std::string& to) {
    constexpr std::size_t piece_bytes = 1 << 20;
    const io_buffers buffer(1, piece_bytes);
    auto source = cli::file::open_input(from);
    auto target = cli::file::open_output(to);
    for (std::size_t done = piece_bytes; done == piece_bytes;) {
        done = source.read(buffer[0]);
        target.write(bytes_view(buffer[0].first(done)));
    }
    target.close();
}

// Nothing of it is left to be written back, or to be found in the page cache, when I/O is timed.
void settle(const std::string& path) {
    const file_descriptor file(open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!file || fsync(file.get()) != 0)
        throw cli::file_error(cli::exit_failed, path, errno);
    (void)posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED); // only speed differs
}

} // namespace

lab_master_keys::lab_master_keys(std::uint64_t seed, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
        keys_.push_back(cli::take(secret::make(master_key_bytes), "master keys", cli::exit_failed));
        fill_content(sub_seed(seed, master_key_part), i * master_key_bytes, keys_.back().writable());
    }
}

std::vector<fsdemo::key_identifier> lab_master_keys::add_to(fsdemo::keyring& ring) const {
    std::vector<fsdemo::key_identifier> identifiers;
    for (const secret& key : keys_)
        identifiers.push_back(cli::take(ring.add(key.bytes()), "master keys", cli::exit_failed));
    return identifiers;
}

lab_image::lab_image(const lab_options& options, env& e)
    : options_(options.image), keys_(options.workload.seed, options.image.master_keys),
      size_bytes_(size_of_image(options.image)) {
    // The copy is beside the image: on the same medium.
    const std::string directory =
        options_.path.empty() ? temporary_directory(2 * size_bytes_) : directory_of(options_.path);
    image_.emplace(make_image(options_, directory, size_bytes_));
    files_ = lay_out(image_->path(), options, keys_, e);
    copy_.emplace(scratch_file::temporary(directory, size_bytes_));
    copy_contents(image_->path(), copy_->path());
    settle(image_->path());
    settle(copy_->path());
    if (!options_.path.empty())
        image_->keep();
}

std::size_t lab_image::nodes() const noexcept {
    return tree_bytes(options_) / fsdemo::block_bytes;
}

} // namespace blkcrypto::bench
