// SPDX-License-Identifier: Apache-2.0
#pragma once
// Lists of names in environment variables: name,name,name.

#include <algorithm>
#include <string_view>

namespace blkcrypto {

/// Calls `use(name)` for each that is not empty.
template <typename Use>
void for_each_name(std::string_view list, Use use) {
    while (!list.empty()) {
        const std::string_view name = list.substr(0, list.find(','));
        if (!name.empty())
            use(name);
        list.remove_prefix(std::min(name.size() + 1, list.size()));
    }
}

} // namespace blkcrypto
