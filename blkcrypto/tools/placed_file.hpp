// SPDX-License-Identifier: Apache-2.0
#pragma once
// A file that is made under a name of its own, beside the one it is meant for, and takes its place when it is
// complete. What was there before comes back unless all went well: until keep(), everything is undone.

#include <string>
#include <system_error>

namespace blkcrypto::tools {

class placed_file {
  public:
    /// Changes nothing yet. A `target` that is a link stands for what it leads to.
    explicit placed_file(const std::string& target);
    placed_file(const placed_file&) = delete;
    placed_file& operator=(const placed_file&) = delete;
    ~placed_file();

    /// Something has the name; a link that leads nowhere is something too.
    bool is_target_there() const;

    /// Where it is to be made; to be followed by is_made().
    const std::string& path() const noexcept { return path_; }
    void is_made() noexcept { state_ = state::made; }

    /// Gives it its name, for good on the medium. Without `replace` EEXIST where something has that. EISDIR;
    /// EOPNOTSUPP: the filesystem has no way to do it that loses nothing, see fail_to_place().
    std::error_code put_in_place(bool replace);
    /// It stays, and what it has replaced is gone. From any working directory.
    void keep() noexcept;

  private:
    enum class state { planned, made, placed, kept };

    int take_name() const noexcept;
    int take_place() const noexcept;
    std::error_code sync_directory() const;

    std::string target_;   // absolute
    std::string path_;     // of the new file
    std::string old_path_; // of the one it replaces, until it is kept
    bool has_old_ = false;
    state state_ = state::planned;
};

/// As cli::fail_to_make(), of put_in_place().
[[noreturn]] void fail_to_place(const std::string& path, std::error_code error);

} // namespace blkcrypto::tools
