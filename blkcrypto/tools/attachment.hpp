// SPDX-License-Identifier: Apache-2.0
#pragma once
// An image that is served: everything that `attach` opens, in the order in which it is opened, and the other
// way round at the end. A failure on the way leaves nothing behind.

#include "blkcrypto/nbd/server.hpp"
#include "blkcrypto/tools/attach_options.hpp"
#include "blkcrypto/tools/control_server.hpp"
#include "blkcrypto/tools/held_signals.hpp"
#include "blkcrypto/tools/image_key_check.hpp"
#include "blkcrypto/tools/pid_file.hpp"
#include "blkcrypto/tools/placed_file.hpp"

#include <boost/asio/signal_set.hpp>

namespace blkcrypto::tools {

class attachment final : private control_subject {
  public:
    /// Reads the key, makes the image where that is asked for, opens the disk, and listens. program_error.
    explicit attachment(const attach_options& options);

    /// What clients connect to.
    const std::string& uri() const noexcept { return uri_; }
    /// Whoever attaches has been told: the image that was made stays.
    void keep() noexcept;
    /// Serves until a signal or a control client asks for the end, then takes everything down. program_error,
    /// exit code 1: data may be missing in the image.
    void serve();

  private:
    cli::image_lock lock_image();
    cli::image_lock make_image();
    void put_in_place();
    void open_disk();
    void start_server();
    void listen();
    void catch_signals();
    void ignore_signals();
    void take_down(blk_status status);
    void gather_info(std::function<void(const nlohmann::ordered_json&)> tell) override;
    const nlohmann::ordered_json& facts() const noexcept override { return facts_; }
    void begin_detach() override { server_->stop(); }

    const attach_options& options_;
    secret key_;                       // until the disk has it
    std::optional<held_signals> held_; // until signals_ takes them
    // Until keep(), and longer than what has to be undone: nobody gets at an image that is to go again.
    std::optional<cli::image_lock> lock_;
    std::optional<cli::image_lock> old_lock_; // of the image that is replaced
    std::optional<placed_file> new_image_;    // --create
    std::optional<image_key_check> key_check_;
    std::unique_ptr<attached_disk> disk_;
    std::unique_ptr<nbd::server> server_;
    std::optional<boost::asio::signal_set> signals_;
    std::string uri_;
    nlohmann::ordered_json facts_; // what info tells that stays the same
    std::optional<control_socket> control_socket_;
    std::optional<control_server> control_;
    std::optional<pid_file> pid_file_;
};

} // namespace blkcrypto::tools
