// SPDX-License-Identifier: Apache-2.0
#pragma once
// A filesystem as it should be: names, policies and bytes in ordinary containers. And random operations,
// which are done on it and on a real one side by side. An operation is numbers; what they mean depends on
// what is there when it is done, so that any sequence of operations can be done, also one with some left out.

#include "tests/fsdemo/fs_rig.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/simulated_device.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace blkcrypto::test {

struct model_inode {
    bool is_directory = false;
    std::optional<unsigned> policy; // which of the model's
    std::vector<std::byte> data;
    std::map<std::string, std::shared_ptr<model_inode>> entries;
};

/// All of it, as it was at some moment.
std::shared_ptr<model_inode> copy_of(const model_inode& root);

enum class fs_op_kind : std::uint8_t {
    make_directory,
    make_encrypted,
    create,
    write,
    write_in_place,
    zero,
    read,
    truncate,
    reflink,
    rename,
    remove,
    batch,
    sync,
    remount,
    remove_key,
    add_key
};
inline constexpr unsigned fs_op_kinds = 16;

struct fs_op {
    fs_op_kind kind{};
    std::uint64_t a = 0, b = 0, c = 0, d = 0;
};
std::vector<fs_op> random_ops(std::size_t count, std::uint64_t seed);
/// The same without what writes in place.
void never_in_place(std::vector<fs_op>& ops);
std::string describe(const fs_op& op);

/// A model and a real filesystem, kept in step.
class fs_pair {
  public:
    static constexpr unsigned policy_count = 5; // of two keys, all modes, several unit sizes
    static constexpr std::uint64_t file_bytes_max = 300'000;

    /// The stack outlives it; the medium has been formatted. `medium` is what the stack lies on: where
    /// ciphertext is looked at. Null: nobody looks.
    fs_pair(fs_stack& stack, simulated_device* medium, const fsdemo::fs_options& options);

    /// Empty: both did the same. Else what was different.
    std::string apply(const fs_op& op);
    /// The same for all there is: names, sizes, bytes, and the ciphertext on the medium.
    std::string compare();

    /// What the model was at each sync that began, and the number of those that ended well.
    const std::vector<std::shared_ptr<model_inode>>& synced() const noexcept { return synced_; }
    std::size_t syncs_done() const noexcept { return syncs_done_; }
    /// The error of the first operation that failed unlike the model.
    std::error_code failure() const noexcept { return failure_; }

    /// Makes the model that state, and mounts again.
    std::string mount_as(const model_inode& state);

  private:
    struct model_place {
        std::shared_ptr<model_inode> parent;
        std::string name;
        std::string path;
        std::shared_ptr<model_inode> what;
    };
    std::vector<model_place> places(bool directories) const;
    std::string mount();
    std::string differs(const fs_op& op, std::error_code got, int expected);
    bool has_key(const model_inode& node) const;
    fsdemo::encryption_policy policy(unsigned number) const;

    std::string sync(const fs_op& op);
    std::string make(const fs_op& op, bool is_directory);
    std::string make_encrypted(const fs_op& op);
    std::string move_data(const fs_op& op);
    std::string batch(const fs_op& op);
    std::string truncate(const fs_op& op);
    std::string reflink(const fs_op& op);
    std::string rename(const fs_op& op);
    std::string remove(const fs_op& op);
    std::string compare_node(const model_inode& node, const std::string& path);
    std::string compare_ciphertext(const model_inode& node, const std::string& path,
                                   fsdemo::inode_number inode);

    fs_stack& stack_;
    simulated_device* const medium_;
    const fsdemo::fs_options options_;
    std::unique_ptr<fsdemo::demo_fs> fs_;
    std::shared_ptr<model_inode> root_;
    std::array<fsdemo::key_identifier, 2> keys_{};
    std::array<bool, 2> has_key_{true, true};
    std::vector<std::shared_ptr<model_inode>> synced_;
    std::size_t syncs_done_ = 0;
    bool has_written_in_place_ = false; // since the last sync
    std::error_code failure_;
};

} // namespace blkcrypto::test
