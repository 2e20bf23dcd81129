// SPDX-License-Identifier: Apache-2.0
// nofs-in-io: full-in-io inside memalloc_nofs_save(): reclaim for these allocations stays out of the
// filesystem. Whoever else holds the crypto API's lock need not be so careful.
#include "fsdemo/strategies/in_io.hpp"

namespace blkcrypto::fsdemo {

result<std::unique_ptr<key_strategy>> make_nofs_in_io(env&, const strategy_options& options) {
    return make_in_io(io_context::nofs, options);
}

} // namespace blkcrypto::fsdemo
