// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/memory_device.hpp"
#include "blkcrypto/dev/null_device.hpp"
#include "tests/dev/conformance.hpp"

namespace blkcrypto::test {

subject_list subjects() {
    return {{{"null", false, [](sector capacity) { return make_null_device(capacity); }},
             {"memory", true, [](sector capacity) { return *make_memory_device(capacity); }}}};
}

} // namespace blkcrypto::test
