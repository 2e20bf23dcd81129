// SPDX-License-Identifier: Apache-2.0
// The program `blkcrypto`: blk-crypto's modes, ciphertext and devices from the command line.

#include "blkcrypto/tools/verbs.hpp"

int main(int argc, char** argv) {
    using namespace blkcrypto;
    cli::verb_list verbs;
    verbs.push_back(tools::make_modes_verb());
    verbs.push_back(tools::make_speed_verb());
    verbs.push_back(tools::make_crypt_verb());
    verbs.push_back(tools::make_attach_verb());
    verbs.push_back(tools::make_list_verb());
    verbs.push_back(tools::make_info_verb());
    verbs.push_back(tools::make_detach_verb());
    return cli::run_program("blkcrypto", "The Linux blk-crypto stack in userspace", verbs, argc, argv);
}
