// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/attachment_info.hpp"

#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/control_protocol.hpp"

#include <filesystem>
#include <unistd.h>

namespace blkcrypto::tools {
namespace {

using nlohmann::ordered_json;

std::string_view path_name(const disk_options& disk) {
    if (!disk.crypto)
        return "plain";
    return disk.crypto->engine == nullptr ? "fallback" : "inline";
}

void add_crypto(ordered_json& document, const std::optional<disk_crypto>& crypto) {
    const bool is_inline = crypto && crypto->engine != nullptr;
    document["mode"] = crypto ? ordered_json(crypto->mode->name) : ordered_json();
    document["data_unit_size"] = crypto ? ordered_json(crypto->unit_size.bytes()) : ordered_json();
    document["dun_offset"] = crypto ? cli::to_json(crypto->dun_offset) : ordered_json();
    document["engine"] = is_inline ? ordered_json(crypto->engine->name) : ordered_json();
    document["decrypt_workers"] = crypto ? crypto->decrypt_workers : 0;
}

ordered_json to_json(const nbd::command_counter& counter) {
    return {{"requests", counter.requests},
            {"bytes", counter.bytes},
            {"errors", counter.errors},
            {"p50_ns", counter.latency.quantile_ns(0.5)},
            {"p99_ns", counter.latency.quantile_ns(0.99)}};
}

} // namespace

ordered_json make_facts(const attach_options& options, const std::string& uri, const attached_disk& disk) {
    auto document = make_attachment_document();
    document["uri"] = uri;
    document["pid"] = getpid();
    document["image"] = std::filesystem::absolute(options.disk.image).lexically_normal().string();
    document["image_id"] = image_identity(options.disk.image);
    document["size_bytes"] = disk.served().info.size_bytes;
    document["read_only"] = options.disk.read_only;
    document["path"] = path_name(options.disk);
    add_crypto(document, options.disk.crypto);
    document["stack"] = disk.describe();
    document["threads"] = options.disk.threads;
    return document;
}

void add_statistics(ordered_json& document, const nbd::server_thread_statistics& now) {
    document["connections"] = now.connections;
    document["keyslots"] = {{"hits", now.keyslots.hits},
                            {"misses", now.keyslots.misses},
                            {"evictions", now.keyslots.evictions},
                            {"waits", now.keyslots.waits}};
    auto& commands = document["commands"] = ordered_json::object();
    for (std::size_t i = 0; i < now.commands.of.size(); ++i)
        commands[std::string(now.commands.names[i])] = to_json(now.commands.of[i]);
}

} // namespace blkcrypto::tools
