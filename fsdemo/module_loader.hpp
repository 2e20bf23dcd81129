// SPDX-License-Identifier: Apache-2.0
#pragma once
// request_module(): a cipher that the kernel was not built with is a file to be read first. Who sets up keys
// asks for the mode's before it makes a transform, and may find itself waiting for I/O.

#include "blkcrypto/cipher/crypto_mode.hpp"
#include "blkcrypto/inline_crypt/acquisition.hpp"

namespace blkcrypto::fsdemo {

class module_loader {
  public:
    /// `ready`: it is loaded, or the mode needs none. `parked`: it is being read; the waiter is posted when
    /// that has ended, and asks again. `failed`: it could not be read, `status` says why.
    virtual acquire_outcome request(crypto_mode mode, waiter& parked, blk_status& status) noexcept = 0;

    /// The same for who may sleep. Files' I/O may end meanwhile.
    virtual std::error_code load(crypto_mode mode) = 0;

  protected:
    ~module_loader() = default;
};

} // namespace blkcrypto::fsdemo
