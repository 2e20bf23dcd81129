// SPDX-License-Identifier: Apache-2.0
// pool-per-file, pool-global, pool-per-master-key: transforms are preallocated at open, each use of one in
// the I/O path derives the extent's key and sets it. The three differ in who shares a pool.
#include "fsdemo/strategies/software_strategy.hpp"
#include "fsdemo/strategies/transform_pool.hpp"

#include <algorithm>
#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

constexpr lock_class pools_lock{"pooled.pools"};

enum class pool_scope : std::uint8_t { file, global, master_key };

class pooled final : public software_strategy {
  public:
    pooled(pool_scope scope, const strategy_options& options)
        : software_strategy(options), scope_(scope), size_(options.pool_size), api_(memory()),
          lock_(pools_lock) {}

    // Files name their pool.
    strategy_traits traits() const noexcept override {
        return {.modules = module_use::at_open, .infos_are_of_files = true};
    }

    // Its pool is made when the file is known.
    std::error_code start_using(env& e, const crypto_config& config) override {
        return start_without_transforms(e, config);
    }

    std::error_code file_opened(env& e, file_crypt_info& file) override {
        return or_no_memory([&]() -> std::error_code {
            if (scope_ == pool_scope::file)
                return open_own(e, file);
            const env_lock lock(e, lock_);
            return open_shared(e, file);
        });
    }

    void file_closed(env& e, file_crypt_info& file) noexcept override {
        auto* const pool = static_cast<transform_pool*>(file.of_strategy);
        if (scope_ == pool_scope::file) {
            delete pool;
            return;
        }
        const env_lock lock(e, lock_);
        --std::ranges::find(pools_, pool, [](const shared_pool& p) { return p.pool.get(); })->files;
    }

    // Another filesystem may have the same key, and files under it open.
    void key_removed(env& e, const key_identifier& key) noexcept override {
        if (scope_ != pool_scope::master_key)
            return;
        const env_lock lock(e, lock_);
        std::erase_if(pools_, [&](const shared_pool& p) { return p.master == key && p.files == 0; });
    }

    tfm_grant acquire(const key_request& key, acquire_context& asker) noexcept override {
        const extent_crypt_info& extent = extent_of(key);
        return pool_of(extent).acquire(extent, asker);
    }
    void release(env& e, const tfm_lease& lease) noexcept override { transform_pool::release(e, lease); }
    std::error_code evict(env& e, const key_request& key) noexcept override {
        const extent_crypt_info& extent = extent_of(key);
        return pool_of(extent).evict(e, extent);
    }

  private:
    struct shared_pool {
        key_identifier master; // of the file it was made for
        crypto_mode mode;
        std::unique_ptr<transform_pool> pool;
        unsigned files = 0; // that are open
    };

    result<std::unique_ptr<transform_pool>> make_pool(env& e, crypto_mode mode) {
        return transform_pool::make(e, api_, memory(), mode, size_, transform_pool::reuse::never);
    }

    std::error_code open_own(env& e, file_crypt_info& file) {
        auto made = make_pool(e, file.config.mode);
        if (!made)
            return made.error();
        file.of_strategy = made->release();
        return {};
    }

    std::error_code open_shared(env& e, file_crypt_info& file) BLKCRYPTO_REQUIRES(lock_) {
        shared_pool* known = find(file);
        if (known == nullptr) {
            auto made = make_pool(e, file.config.mode);
            if (!made)
                return made.error();
            known = &pools_.emplace_back(
                shared_pool{file.master->identifier(), file.config.mode, std::move(*made)});
        }
        ++known->files;
        file.of_strategy = known->pool.get();
        return {};
    }

    static transform_pool& pool_of(const extent_crypt_info& extent) noexcept {
        return *static_cast<transform_pool*>(extent.file()->of_strategy);
    }

    shared_pool* find(const file_crypt_info& file) noexcept BLKCRYPTO_REQUIRES(lock_) {
        const auto found = std::ranges::find_if(pools_, [&](const shared_pool& p) {
            return p.mode == file.config.mode &&
                   (scope_ == pool_scope::global || p.master == file.master->identifier());
        });
        return found == pools_.end() ? nullptr : &*found;
    }

    const pool_scope scope_;
    const unsigned size_;
    crypto_api api_;
    mutex lock_;
    std::vector<shared_pool> pools_ BLKCRYPTO_GUARDED_BY(lock_);
};

result<std::unique_ptr<key_strategy>> make_pooled(pool_scope scope, const strategy_options& options) {
    if (!is_pool_size(options.pool_size))
        return make_error(EINVAL);
    return or_no_memory(
        [&]() -> result<std::unique_ptr<key_strategy>> { return std::make_unique<pooled>(scope, options); });
}

} // namespace

result<std::unique_ptr<key_strategy>> make_pool_per_file(env&, const strategy_options& options) {
    return make_pooled(pool_scope::file, options);
}

result<std::unique_ptr<key_strategy>> make_pool_global(env&, const strategy_options& options) {
    return make_pooled(pool_scope::global, options);
}

result<std::unique_ptr<key_strategy>> make_pool_per_master_key(env&, const strategy_options& options) {
    return make_pooled(pool_scope::master_key, options);
}

} // namespace blkcrypto::fsdemo
