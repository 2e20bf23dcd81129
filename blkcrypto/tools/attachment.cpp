// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/attachment.hpp"

#include "blkcrypto/tools/attachment_info.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <cerrno>
#include <csignal>
#include <fmt/format.h>
#include <sys/stat.h>

namespace blkcrypto::tools {
namespace {

using cli::exit_failed;
using cli::exit_unusable;
using cli::image_lock;
using cli::image_use;

secret read_key(const attach_options& options) {
    return options.disk.crypto ? options.key_file.read(*options.disk.crypto->mode) : secret();
}

// Never a device: what is made takes the place of what was there.
void check_regular(const std::string& path) {
    struct stat found {};
    if (stat(path.c_str(), &found) != 0 || S_ISREG(found.st_mode))
        return;
    if (S_ISDIR(found.st_mode))
        throw cli::file_error(exit_unusable, path, EISDIR);
    throw cli::unusable(path, "not a regular file, and --create makes no others", ENOTBLK);
}

// By whoever has started this: nohup, a shell.
bool is_ignored(int signal) {
    struct sigaction now {};
    return sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

std::string why_not_listening(std::error_code error) {
    switch (error.value()) {
    case EADDRINUSE:
        return "somebody serves there already";
    case EEXIST:
        return "there is something else, which is no socket";
    case ENAMETOOLONG:
        return "longer than the path of a socket can be";
    default:
        return error.message();
    }
}

} // namespace

// The key comes first, from a terminal maybe: what ends the program before that finds nothing to undo.
attachment::attachment(const attach_options& options) : options_(options), key_(read_key(options)) {
    held_.emplace();
    open_disk();
    start_server();
    listen();
    facts_ = make_facts(options, uri_, *disk_);
    facts_["keycheck"] = key_check_->outcome();
    control_socket_.emplace(control_socket::make());
    control_subject& subject = *this;
    control_.emplace(server_->context(), *control_socket_, subject);
    if (!options.pid_file.empty())
        pid_file_.emplace(options.pid_file);
    held_.reset();
    key_check_->tell();
}

// Locked before it has its name: nobody else gets at it in between.
image_lock attachment::make_image() {
    const std::string& image = options_.disk.image;
    check_regular(image);
    new_image_.emplace(image);
    const bool is_there = new_image_->is_target_there();
    if (is_there && !options_.overwrite)
        cli::fail_to_make(image, make_error(EEXIST));
    if (is_there)
        old_lock_.emplace(image_lock::take(image, image_use::write));
    if (const std::error_code error = create_image(new_image_->path(), *options_.new_size, false))
        cli::fail_to_make(image, error);
    new_image_->is_made();
    return image_lock::take(new_image_->path(), image_use::write);
}

// A crash between the two must not leave data beside a check that passes a key that is not theirs, nor a new
// image that any key would do for. So the check comes first; what remains of a crash is a check without an
// image, and the next --create names it. Where an image is replaced the image comes first; what remains is
// the new one, of zeros, with the check of the old one, or without any if that had none, and beside it the
// old one
// (.old-). The next --overwrite puts that right.
void attachment::put_in_place() {
    const std::string& image = options_.disk.image;
    if (!old_lock_)
        key_check_->put_in_place();
    else
        old_lock_->check_still_at(image);
    if (const std::error_code error = new_image_->put_in_place(options_.overwrite))
        fail_to_place(image, error);
    if (old_lock_)
        key_check_->put_in_place();
}

image_lock attachment::lock_image() {
    return image_lock::take(options_.disk.image,
                            options_.disk.read_only ? image_use::read : image_use::write);
}

void attachment::open_disk() {
    lock_.emplace(options_.new_size ? make_image() : lock_image());
    key_check_.emplace(options_, key_.bytes());
    if (new_image_)
        put_in_place();
    disk_ = attached_disk::open(options_.disk, lock_->share(), std::move(key_));
}

void attachment::start_server() {
    auto made = nbd::server::make(disk_->served(), {.threads = options_.disk.threads});
    if (made.has_error() && made.error() == make_error(ENOMEM))
        throw cli::program_error(exit_failed, "server",
                                 "not enough memory, or not enough may be locked for rings (ulimit -l)",
                                 ENOMEM);
    if (!made)
        throw cli::file_error(exit_failed, "server", made.error().value());
    server_ = std::move(*made);
    catch_signals();
}

void attachment::catch_signals() {
    signals_.emplace(server_->context(), SIGINT, SIGTERM);
    if (!is_ignored(SIGHUP))
        signals_->add(SIGHUP);
    signals_->async_wait([this](const boost::system::error_code& error, int) {
        if (!error)
            server_->stop();
    });
}

void attachment::listen() {
    const bool is_unix = !options_.socket.empty();
    const tcp_address& address = options_.address;
    auto at = is_unix ? nbd::listener::at_path(server_->context(), options_.socket)
                      : nbd::listener::at_loopback(server_->context(), address.host, address.port);
    if (!at)
        throw cli::unusable(is_unix ? options_.socket : fmt::format("{}:{}", address.host, address.port),
                            why_not_listening(at.error()), at.error().value());
    uri_ = at->uri();
    server_->listen(std::move(*at));
}

void attachment::keep() noexcept {
    key_check_->keep();
    if (new_image_)
        new_image_->keep();
    lock_.reset(); // the disk has it
    old_lock_.reset();
}

void attachment::gather_info(std::function<void(const nlohmann::ordered_json&)> tell) {
    server_->gather_statistics([this, tell = std::move(tell)](const nbd::server_thread_statistics& now) {
        auto document = facts_;
        add_statistics(document, now);
        tell(document);
    });
}

void attachment::serve() {
    const blk_status status = server_->run();
    take_down(status);
    if (status != blk_status::ok)
        throw cli::program_error(exit_failed, options_.disk.image, "data may be missing", to_errno(status));
}

// What asks for the end now comes too late, and must not be in the way of it.
void attachment::ignore_signals() {
    held_.emplace();
    signals_.reset();
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
        std::signal(signal, SIG_IGN);
    held_.reset();
}

// Who waits for the end is told when there is nothing left that could be in the way of whoever comes next.
void attachment::take_down(blk_status status) {
    control_.reset();
    ignore_signals();
    server_.reset();
    disk_.reset();
    pid_file_.reset();
    control_socket_->end(detached_answer(facts_, status != blk_status::ok));
}

} // namespace blkcrypto::tools
