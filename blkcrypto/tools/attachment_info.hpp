// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `info` tells of an attachment, as JSON.

#include "blkcrypto/nbd/server_thread.hpp"
#include "blkcrypto/tools/attach_options.hpp"

namespace blkcrypto::tools {

/// What does not change while this process serves. Relative names are made absolute: not to be called from
/// another working directory.
nlohmann::ordered_json make_facts(const attach_options& options, const std::string& uri,
                                  const attached_disk& disk);

/// What does.
void add_statistics(nlohmann::ordered_json& document, const nbd::server_thread_statistics& now);

} // namespace blkcrypto::tools
