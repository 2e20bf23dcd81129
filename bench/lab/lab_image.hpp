// SPDX-License-Identifier: Apache-2.0
#pragma once
// The image that all strategies work on, and the control's copy of it: laid out before anything is timed.
//
// Its files are spread over as many encrypted directories as there are pairs of master key and mode. Each
// extent was a write of its own and has a nonce of its own. /modules has a file for every mode in use.

#include "bench/lab/lab_layout.hpp"
#include "bench/lab/scratch_file.hpp"
#include "fsdemo/demo_fs.hpp"

namespace blkcrypto::bench {

/// Those of the files, in turn.
struct policy_pair {
    unsigned master_key;
    const crypto_mode_info* mode;
};
inline policy_pair pair_of_file(const lab_image_options& image, std::uint64_t file) noexcept {
    const auto modes = image.modes.size();
    return {static_cast<unsigned>(file / modes % image.master_keys), image.modes[file % modes]};
}

/// The master keys of a seed.
class lab_master_keys {
  public:
    /// program_error: no memory.
    lab_master_keys(std::uint64_t seed, unsigned count);

    /// All of them; their identifiers are in the same order. program_error.
    std::vector<fsdemo::key_identifier> add_to(fsdemo::keyring& ring) const;

  private:
    std::vector<secret> keys_;
};

class lab_image {
  public:
    /// Makes and fills both files. `e`: of this thread. program_error.
    lab_image(const lab_options& options, env& e);

    const std::string& path() const noexcept { return image_->path(); }
    const std::string& control_path() const noexcept { return copy_->path(); }
    std::uint64_t size_bytes() const noexcept { return size_bytes_; }
    /// By number of the file.
    std::span<const fsdemo::inode_number> files() const noexcept { return files_.inodes; }
    /// Where the extent with that key id is on the image.
    std::uint64_t place_bytes(std::uint64_t key) const noexcept { return files_.places_bytes[key]; }
    const lab_master_keys& master_keys() const noexcept { return keys_; }
    /// How many nodes its tree has, about.
    std::size_t nodes() const noexcept;

  private:
    const lab_image_options& options_;
    const lab_master_keys keys_;
    const std::uint64_t size_bytes_;
    std::optional<scratch_file> image_;
    laid_out_files files_;
    std::optional<scratch_file> copy_;
};

} // namespace blkcrypto::bench
