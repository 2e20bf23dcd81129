// SPDX-License-Identifier: Apache-2.0
#pragma once
// The verbs of the program `blkcrypto`, one file each.

#include "blkcrypto/tools/cli/program.hpp"

namespace blkcrypto::tools {

/// modes: what can be encrypted with, and by which implementation.
std::unique_ptr<cli::verb> make_modes_verb();

/// speed: how fast each implementation is on this machine.
std::unique_ptr<cli::verb> make_speed_verb();

/// crypt: a file or stream through the cipher, no device involved.
std::unique_ptr<cli::verb> make_crypt_verb();

/// attach: an image as a disk for NBD clients.
std::unique_ptr<cli::verb> make_attach_verb();

/// list: what is attached.
std::unique_ptr<cli::verb> make_list_verb();

/// info: one attachment, and what it has done.
std::unique_ptr<cli::verb> make_info_verb();

/// detach: the end of one.
std::unique_ptr<cli::verb> make_detach_verb();

} // namespace blkcrypto::tools
