// SPDX-License-Identifier: Apache-2.0
#pragma once
// The key check of the image that is being attached: where its file is, and whether that is made, verified,
// or not there.

#include "blkcrypto/tools/attach_options.hpp"
#include "blkcrypto/tools/placed_file.hpp"

namespace blkcrypto::tools {

class image_key_check {
  public:
    /// Makes the file for an image that is new, under a name of its own, verifies the key for another;
    /// nothing where there is no key, or no check is wanted. program_error: exit code 1 if the key does not
    /// fit, or if there is a file already that a new image would be taken for the image of, and no overwrite;
    /// what is made is gone again unless keep().
    image_key_check(const attach_options& options, bytes_view key);

    /// Gives the file that was made, if one was, its name. program_error, as the constructor.
    void put_in_place();

    /// Says on stderr that the key was not checked, where that is so.
    void tell() const;

    /// The file that was made stays; the one of the image that was replaced does not.
    void keep() noexcept;

    /// "verified" - or made, "absent", "skipped", or "none" for a disk without a key.
    std::string_view outcome() const noexcept { return outcome_; }

  private:
    void make(bytes_view key);
    void leave_out();
    void refuse_plain() const;
    void verify(bytes_view key);
    void check_may_replace() const;

    const attach_options& options_;
    std::string path_; // empty: none
    std::string_view outcome_ = "none";
    std::optional<placed_file> new_file_;
    std::string stale_path_; // absolute, of one that is not to stay; empty: none
};

/// Where it is unless the command line says: beside the image, or what its name leads to. Empty for a block
/// device.
std::string default_key_check_path(const std::string& image);

} // namespace blkcrypto::tools
