// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/export_info.hpp"

namespace blkcrypto::nbd {

// Any client may come more than once: a flush makes stable what was written through all connections, since
// all write to one file.
std::uint16_t export_info::flags(bool structured_replies) const noexcept {
    namespace flag = transmission_flag;
    unsigned flags = flag::has_flags | flag::send_flush | flag::send_fua | flag::can_multi_conn;
    flags |= read_only ? flag::read_only : flag::send_trim | flag::send_write_zeroes;
    flags |= structured_replies ? flag::send_df : 0;
    return static_cast<std::uint16_t>(flags);
}

} // namespace blkcrypto::nbd
