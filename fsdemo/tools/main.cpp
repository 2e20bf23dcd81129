// SPDX-License-Identifier: Apache-2.0
// The program `fsdemo`: files on an image whose extents each have a key.

#include "fsdemo/tools/verbs.hpp"

int main(int argc, char** argv) {
    using namespace blkcrypto;
    namespace tools = fsdemo::tools;
    cli::verb_list verbs;
    verbs.push_back(tools::make_mkfs_verb());
    verbs.push_back(tools::make_mkdir_verb());
    verbs.push_back(tools::make_put_verb());
    verbs.push_back(tools::make_get_verb());
    verbs.push_back(tools::make_ls_verb());
    verbs.push_back(tools::make_stat_verb());
    verbs.push_back(tools::make_cp_verb());
    verbs.push_back(tools::make_mv_verb());
    verbs.push_back(tools::make_rm_verb());
    verbs.push_back(tools::make_truncate_verb());
    verbs.push_back(tools::make_df_verb());
    verbs.push_back(tools::make_fsck_verb());
    verbs.push_back(tools::make_derive_verb());
    return cli::run_program("fsdemo", "A filesystem on an image whose extents each have a key", verbs, argc,
                            argv);
}
