// SPDX-License-Identifier: Apache-2.0
#pragma once
// What setup functions return: a value, or an error code in errno terms whose meaning each function
// documents. Only what boost::system::result shares with std::expected is used, so that the alias can change
// one day.

#include <boost/system/result.hpp>
#include <cerrno>
#include <new>
#include <system_error>

namespace blkcrypto {

template <typename T>
using result = boost::system::result<T, std::error_code>;

/// The error code of an errno value.
inline std::error_code make_error(int errno_value) {
    return {errno_value, std::generic_category()};
}

/// What `make` returns, a result or an error code; ENOMEM instead of std::bad_alloc. No exception crosses a
/// layer.
template <typename Maker>
auto or_no_memory(Maker&& make) -> decltype(make()) {
    try {
        return make();
    } catch (const std::bad_alloc&) {
        return make_error(ENOMEM);
    }
}

} // namespace blkcrypto
