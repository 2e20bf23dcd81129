// SPDX-License-Identifier: Apache-2.0
// all-at-open: when a file is opened, every extent it has gets its transform, and keeps it until the file is
// closed. An extent that is written new has none, and nothing better than full-in-io is left for it.
#include "fsdemo/strategies/in_io.hpp"

namespace blkcrypto::fsdemo {
namespace {

class all_at_open final : public in_io {
  public:
    explicit all_at_open(const strategy_options& options) : in_io(io_context::kernel, options) {}

    strategy_traits traits() const noexcept override {
        return {.modules = module_use::at_open, .prepares_at_open = true};
    }

    std::error_code prepare(env& e, const extent_crypt_info& extent) override {
        if (transform_of(extent) != nullptr)
            return {};
        auto transform = api().allocate(e, extent.config().mode);
        if (!transform)
            return transform.error();
        return give(extent, *transform->release(), e);
    }

    // Pinned while the files are open.
    strategy_figures figures(env& e) const noexcept override { return software_strategy::figures(e); }
};

} // namespace

result<std::unique_ptr<key_strategy>> make_all_at_open(env&, const strategy_options& options) {
    return or_no_memory(
        [&]() -> result<std::unique_ptr<key_strategy>> { return std::make_unique<all_at_open>(options); });
}

} // namespace blkcrypto::fsdemo
