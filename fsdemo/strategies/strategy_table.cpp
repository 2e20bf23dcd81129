// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/strategies/strategy_table.hpp"

#include <algorithm>
#include <array>

namespace blkcrypto::fsdemo {
namespace {

constexpr std::array table{
    strategy_info{.name = "full-in-io",
                  .at_open = "nothing",
                  .in_io = "allocate a transform with GFP_KERNEL, derive, setkey",
                  .make = &make_full_in_io},
    strategy_info{.name = "nofs-in-io",
                  .at_open = "nothing",
                  .in_io = "the same in a memalloc_nofs scope",
                  .make = &make_nofs_in_io},
    strategy_info{.name = "all-at-open",
                  .at_open = "a transform for every extent",
                  .in_io = "nothing",
                  .make = &make_all_at_open},
    strategy_info{.name = "pool-per-file",
                  .at_open = "a pool of transforms for the file",
                  .in_io = "take one of the file's, derive, setkey",
                  .make = &make_pool_per_file,
                  .has_pool = true},
    strategy_info{.name = "pool-global",
                  .at_open = "a pool for the mode, once",
                  .in_io = "take one of the mode's, derive, setkey",
                  .make = &make_pool_global,
                  .has_pool = true},
    strategy_info{.name = "pool-per-master-key",
                  .at_open = "a pool for the master key and mode, once",
                  .in_io = "take one of the master key's, derive, setkey",
                  .make = &make_pool_per_master_key,
                  .has_pool = true},
    strategy_info{.name = "prepared-map",
                  .at_open = "a pool for the mode, once",
                  .in_io = "look the transform up; steal the oldest, derive, setkey",
                  .make = &make_prepared_map,
                  .has_pool = true},
    strategy_info{.name = "fallback-keyslots",
                  .at_open = "start the mode: a transform for every keyslot",
                  .in_io = "look the keyslot up; evict the oldest, derive, setkey",
                  .make = &make_fallback_keyslots,
                  .has_keyslots = true},
    strategy_info{.name = "clone-transform",
                  .at_open = "a base transform for the mode, once",
                  .in_io = "clone it, which allocates, derive, setkey",
                  .make = &make_clone_transform},
    strategy_info{.name = "library-key",
                  .at_open = "nothing",
                  .in_io = "derive, expand the key in the extent's own memory",
                  .make = &make_library_key},
    strategy_info{.name = "inline-hardware",
                  .at_open = "check that the engine can do it",
                  .in_io = "look the engine's keyslot up; derive, program",
                  .has_keyslots = true},
};
static_assert(table.size() == 11);

} // namespace

std::span<const strategy_info> strategies() noexcept {
    return table;
}

const strategy_info* find_strategy(std::string_view name) noexcept {
    const auto found = std::ranges::find(table, name, &strategy_info::name);
    return found == table.end() ? nullptr : &*found;
}

} // namespace blkcrypto::fsdemo
