// SPDX-License-Identifier: Apache-2.0
#pragma once
// What setup functions return: a value, or an error code in errno terms whose meaning each function
// documents. Only what boost::system::result shares with std::expected is used, so that the alias can change
// one day.

#include <boost/system/result.hpp>
#include <system_error>

namespace blkcrypto {

template <typename T>
using result = boost::system::result<T, std::error_code>;

/// The error code of an errno value.
inline std::error_code make_error(int errno_value) {
    return {errno_value, std::generic_category()};
}

} // namespace blkcrypto
