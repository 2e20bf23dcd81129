// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is served: the disk that clients see (export_info), and the device with the key that it is kept under
// (served_disk). Both stay as they are while anybody is connected.

#include "blkcrypto/block/block_device.hpp"
#include "blkcrypto/nbd/wire.hpp"

#include <atomic>
#include <string>

namespace blkcrypto::nbd {

/// The only export of a server, as the handshake tells of it.
struct export_info {
    std::string name;        // what a client asks for: of up to 255 bytes, usually empty
    std::string description; // for people
    std::uint64_t size_bytes = 0;
    std::uint32_t block_bytes_min = sector_size_bytes; // requests are multiples of it
    std::uint32_t block_bytes_preferred = 4096;
    std::uint32_t block_bytes_max = 32 << 20; // of data: what is read, or written, by one request
    bool read_only = false;

    /// transmission_flag::*. A fragment is not asked for (DF) without structured replies.
    std::uint16_t flags(bool structured_replies) const noexcept;
};

/// What a handshake has come to.
struct negotiated {
    bool structured_replies = false;
    bool base_allocation = false; // the metadata context: block_status may be asked
};

/// A range of the image file, and whether it has space behind it.
struct allocation_extent {
    std::uint64_t length_bytes = 0;
    bool is_hole = false;
};

/// Tells the holes of an image. Any thread.
class allocation_map {
  public:
    virtual ~allocation_map() = default;
    /// The extent that `offset_bytes`, which lies in the image, is in; its length from there on, not 0.
    virtual allocation_extent extent_at(std::uint64_t offset_bytes) const noexcept = 0;
};

struct served_disk {
    export_info info;
    block_device& device;             // takes bios that cut data units: range_lock_device; or has no key
    const key_request* key = nullptr; // null: the disk is the device
    uint256 dun_offset{};             // DUN of the first data unit
    /// Of a plain disk. Where there is a key a hole is no zeros, but what deciphering zeros gives: clients
    /// take a hole for something nobody has to read, so there are none.
    const allocation_map* holes = nullptr;
    /// What a connection reads before it has sent what was read: more is only of use where reads are waited
    /// for together. One larger read is always allowed.
    std::uint64_t read_ahead_bytes = UINT64_MAX;
    /// A flush failed. The kernel says so once, to whoever flushes next, and forgets what it could not write;
    /// all who flush later, through whichever connection, are to know too.
    mutable std::atomic<bool> has_lost_writes{false};

    std::uint32_t unit_bytes() const noexcept {
        return key == nullptr ? sector_size_bytes : key->config().unit_size.bytes();
    }
};

/// The metadata context that we know, and the number it goes by.
inline constexpr std::string_view base_allocation_name = "base:allocation";
inline constexpr std::uint32_t base_allocation_id = 1;

} // namespace blkcrypto::nbd
