// SPDX-License-Identifier: Apache-2.0
// full-in-io: the naive answer. An extent's transform is made when its first bio needs it, as a file's is at
// open: with GFP_KERNEL, after loading the module if the mode has one.
#include "fsdemo/strategies/in_io.hpp"

namespace blkcrypto::fsdemo {

result<std::unique_ptr<key_strategy>> make_full_in_io(env&, const strategy_options& options) {
    return make_in_io(io_context::kernel, options);
}

} // namespace blkcrypto::fsdemo
