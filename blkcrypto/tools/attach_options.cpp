// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/attach_options.hpp"

#include "blkcrypto/tools/cli/choice.hpp"
#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <filesystem>
#include <fmt/format.h>
#include <sched.h>

namespace blkcrypto::tools {
namespace {

constexpr std::uint64_t threads_max = 64;
constexpr std::uint64_t decrypt_workers_max = 64;
constexpr unsigned default_threads_max = 4;

constexpr std::array<std::string_view, 3> paths{"fallback", "inline", "plain"};
constexpr std::size_t fallback_path = 0;
constexpr std::size_t inline_path = 1;
constexpr std::size_t plain_path = 2;

// The CPUs this process may use, up to a few.
unsigned default_threads() {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return 1;
    return std::clamp(static_cast<unsigned>(CPU_COUNT(&allowed)), 1U, default_threads_max);
}

bool is_loopback(const std::string& host) {
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
    return !error && address.is_loopback();
}

// Of files that need not be there yet.
bool is_same_file(const std::string& one, const std::string& other) {
    const auto normal = [](const std::string& path) {
        std::error_code ignored;
        return std::filesystem::weakly_canonical(std::filesystem::absolute(path, ignored), ignored);
    };
    return cli::file::are_same_input(one, other) || normal(one) == normal(other);
}

} // namespace

tcp_address parse_loopback_address(std::string_view option, std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == text.npos)
        throw cli::unusable(option, fmt::format("'{}' is not HOST:PORT", text));
    std::string host(text.substr(0, colon));
    if (host.size() > 2 && host.front() == '[' && host.back() == ']')
        host = host.substr(1, host.size() - 2);
    if (!is_loopback(host))
        throw cli::unusable(option,
                            fmt::format("'{}' is no loopback address, and TLS, without which no other "
                                        "is served, does not exist yet",
                                        host));
    const std::uint64_t port = cli::parse_count(option, text.substr(colon + 1), 0, UINT16_MAX);
    return {std::move(host), static_cast<std::uint16_t>(port)};
}

void attach_arguments::add_to(CLI::App& verb) {
    verb_ = &verb;
    verb.add_option("IMAGE", image_, "a file or block device")->required()->type_name("");
    verb.add_option("--socket", socket_, "serve on a unix socket, for its owner only")->type_name("PATH");
    verb.add_option("--listen", listen_, "serve on TCP, on a loopback address; port 0: any that is free")
        ->type_name("HOST:PORT");
    verb.add_flag("--insecure", insecure_, "serve on TCP although every local user can connect");
    verb.add_flag("--create", create_, "make the image first");
    verb.add_option("--size", size_, "of the image that is made")->type_name("SIZE");
    verb.add_flag("--overwrite", overwrite_, "make it in place of one that is there");
    verb.add_option("--key-file", key_file_.path, "the key; - is stdin")->type_name("FILE");
    verb.add_option("--key-format", key_file_.format, "raw (default) or hex")->type_name("FORMAT");
    verb.add_option("--keycheck", key_check_,
                    "tells whether the key fits (default IMAGE.keycheck);\n--create makes it")
        ->type_name("FILE");
    verb.add_flag("--no-keycheck", no_key_check_, "do not check the key, or make a key check");
    verb.add_option("--mode", mode_, "see blkcrypto modes")->type_name("MODE");
    verb.add_option("--data-unit-size", unit_size_, "512 to 64k")->type_name("SIZE");
    verb.add_option("--dun-offset", dun_offset_, "the number of the first data unit (default 0)")
        ->type_name("NUMBER");
    verb.add_option("--path", path_,
                    "where encryption is done: fallback (default), inline,\nor plain: nowhere")
        ->type_name("PATH");
    verb.add_option("--engine", engine_, "of the inline path, built in (default generic)")->type_name("NAME");
    verb.add_flag("--read-only", read_only_, "clients can only read; the image is shared with others who do");
    verb.add_option("--decrypt-workers", decrypt_workers_,
                    "of the fallback: threads for decryption (default 0: those that\nserve)")
        ->type_name("N");
    verb.add_option("--threads", threads_, "that serve (default: one a CPU, at most 4)")->type_name("N");
    verb.add_flag("--foreground", foreground_, "do not go to the background");
    verb.add_option("--pid-file", pid_file_, "holds the server's process id while it serves")
        ->type_name("FILE");
    json_.add_to(verb);
}

attach_options attach_arguments::parse() const {
    attach_options options;
    options.disk.image = image_;
    options.disk.read_only = read_only_;
    options.disk.crypto = parse_crypto();
    options.disk.threads =
        threads_.empty() ? default_threads()
                         : static_cast<unsigned>(cli::parse_count("--threads", threads_, 1, threads_max));
    parse_place(options);
    options.new_size = parse_new_size(options.disk);
    options.overwrite = overwrite_;
    options.key_file = key_file_;
    options.key_check = key_check_;
    options.no_key_check = no_key_check_;
    options.pid_file = pid_file_;
    check_distinct_files();
    return options;
}

std::optional<disk_crypto> attach_arguments::parse_crypto() const {
    const std::size_t path = cli::parse_choice("--path", path_, paths);
    const engine_profile& engine = cli::parse_engine("--engine", engine_);
    const auto workers = cli::parse_count("--decrypt-workers", decrypt_workers_, 0, decrypt_workers_max);
    if (path != inline_path && has("--engine"))
        throw cli::unusable("--engine", "has no use without --path inline");
    if (path != fallback_path && has("--decrypt-workers"))
        throw cli::unusable("--decrypt-workers", "are the fallback's: no use with another --path");
    if (path == plain_path) {
        refuse_crypto_options();
        return std::nullopt;
    }
    for (const char* const option : {"--mode", "--data-unit-size", "--key-file"})
        if (!has(option))
            throw cli::unusable(option, "missing; only --path plain needs none");
    if (has("--keycheck") && (no_key_check_ || key_check_.empty()))
        throw cli::unusable("--keycheck", "needs a file, and no --no-keycheck");
    (void)cli::parse_key_format("--key-format", key_file_.format);
    return disk_crypto{&cli::parse_mode("--mode", mode_),
                       cli::parse_data_unit_size("--data-unit-size", unit_size_),
                       cli::parse_uint256("--dun-offset", dun_offset_),
                       path == inline_path ? &engine : nullptr, static_cast<unsigned>(workers)};
}

void attach_arguments::refuse_crypto_options() const {
    for (const char* const option :
         {"--key-file", "--key-format", "--mode", "--data-unit-size", "--dun-offset", "--keycheck"})
        if (has(option))
            throw cli::unusable(option, "has no use with --path plain, which encrypts nothing");
}

void attach_arguments::parse_place(attach_options& into) const {
    if (has("--socket") == has("--listen"))
        throw cli::unusable("--socket", "either that or --listen says where to serve");
    if (has("--socket")) {
        if (socket_.empty())
            throw cli::unusable("--socket", "the path is empty");
        if (insecure_)
            throw cli::unusable("--insecure", "has no use without --listen");
        into.socket = socket_;
        return;
    }
    into.address = parse_loopback_address("--listen", listen_);
    if (!insecure_)
        throw cli::unusable("--listen", "every local user could connect, as TLS does not exist yet; "
                                        "--insecure allows that");
}

std::optional<byte_count> attach_arguments::parse_new_size(const disk_options& disk) const {
    if (!create_) {
        for (const char* const option : {"--size", "--overwrite"})
            if (has(option))
                throw cli::unusable(option, "has no use without --create");
        return std::nullopt;
    }
    if (size_.empty())
        throw cli::unusable("--size", "missing; --create needs it");
    if (read_only_)
        throw cli::unusable("--read-only", "nobody could write to the image that --create makes");
    const std::uint64_t bytes = cli::parse_size("--size", size_);
    const std::uint32_t unit_bytes = disk.crypto ? disk.crypto->unit_size.bytes() : sector_size_bytes;
    if (bytes == 0 || bytes % unit_bytes != 0)
        throw cli::unusable("--size",
                            fmt::format("{} bytes are not one or more data units of {}", bytes, unit_bytes));
    return byte_count{bytes};
}

// One of them would overwrite the other, or be taken for it.
void attach_arguments::check_distinct_files() const {
    const std::string json_file = json_.wants_text() ? json_.target() : "";
    const std::string beside_image = no_key_check_ || has("--keycheck") ? "" : image_ + ".keycheck";
    const std::array<std::pair<const char*, const std::string*>, 7> files{{{"IMAGE", &image_},
                                                                           {"--key-file", &key_file_.path},
                                                                           {"the key check", &beside_image},
                                                                           {"--keycheck", &key_check_},
                                                                           {"--socket", &socket_},
                                                                           {"--pid-file", &pid_file_},
                                                                           {"--json", &json_file}}};
    for (std::size_t i = 1; i < files.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (!files[i].second->empty() && !files[j].second->empty() &&
                is_same_file(*files[i].second, *files[j].second))
                throw cli::unusable(files[i].first, fmt::format("{} is also what {} names", *files[i].second,
                                                                files[j].first));
}

} // namespace blkcrypto::tools
