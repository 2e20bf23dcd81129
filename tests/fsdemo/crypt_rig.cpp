// SPDX-License-Identifier: Apache-2.0
#include "tests/fsdemo/crypt_rig.hpp"

#include "tests/fsdemo/medium_crypto.hpp"
#include "tests/support/fscrypt_hkdf.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <set>

namespace blkcrypto::test {

using namespace fsdemo;

namespace {

// FNV-1a: what a key is told by, without a copy of it.
std::uint64_t fingerprint_of(const key_request& key) {
    secret bytes = *secret::make(0);
    if (key.derive(bytes))
        return 0;
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const std::byte b : bytes.bytes())
        hash = (hash ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3;
    return hash;
}

class logging_tfms final : public tfm_source {
  public:
    logging_tfms(std::unique_ptr<tfm_source> inner, std::vector<tfm_call>& log)
        : inner_(std::move(inner)), log_(log) {}

    const crypto_capabilities& capabilities() const noexcept override { return inner_->capabilities(); }
    bool is_started(const crypto_config& config) const noexcept override {
        return inner_->is_started(config);
    }
    std::error_code start_using(env& e, const crypto_config& config) override {
        tfm_call call{.what = tfm_call::kind::start, .was_started = inner_->is_started(config)};
        call.error = inner_->start_using(e, config);
        log_.push_back(call);
        return call.error;
    }
    tfm_grant acquire(const key_request& key, acquire_context& asker) noexcept override {
        log_.push_back({.what = tfm_call::kind::acquire, .key = &key, .fingerprint = fingerprint_of(key)});
        return inner_->acquire(key, asker);
    }
    void release(env& e, const tfm_lease& lease) noexcept override { inner_->release(e, lease); }
    std::error_code evict(env& e, const key_request& key) noexcept override {
        tfm_call call{.what = tfm_call::kind::evict, .key = &key, .fingerprint = fingerprint_of(key)};
        call.error = inner_->evict(e, key);
        log_.push_back(call);
        return call.error;
    }

  private:
    std::unique_ptr<tfm_source> inner_;
    std::vector<tfm_call>& log_;
};

} // namespace

std::unique_ptr<tfm_source> make_logging_tfms(std::unique_ptr<tfm_source> inner, std::vector<tfm_call>& log) {
    return std::make_unique<logging_tfms>(std::move(inner), log);
}

bool tfm_counter::allow_allocation(const allocation_class& kind, std::size_t, io_context context) noexcept {
    if (allocations++ == failing)
        return false;
    if (std::string_view(kind.name) == "tfm") {
        ++tfms;
        last_context = context;
    }
    return true;
}

crypt_rig::crypt_rig(crypt_path path, const fs_options& options, std::uint64_t blocks)
    : e(test_seed(), &hooks), medium(sector{blocks * 8}, completion_order::timed, test_seed()),
      stack(std::in_place, e, medium, path,
            [this](std::unique_ptr<tfm_source> tfms) { return make_logging_tfms(std::move(tfms), log); }) {
    REQUIRE_FALSE(demo_fs::format(medium, e, test_uuid));
    mount(options);
}

crypt_rig::crypt_rig(const strategy_info& strategy, const strategy_options& sizes, const fs_options& options,
                     std::uint64_t blocks)
    : e(test_seed(), &hooks), medium(sector{blocks * 8}, completion_order::timed, test_seed()) {
    REQUIRE_FALSE(demo_fs::format(medium, e, test_uuid));
    change_strategy(strategy, sizes, options);
}

void crypt_rig::change_strategy(const strategy_info& strategy, const strategy_options& sizes,
                                const fs_options& options) {
    fs.reset();
    stack.emplace(e, medium, strategy, sizes);
    mount(options);
}

void crypt_rig::mount(const fs_options& options) {
    fs.reset();
    std::string why;
    auto mounted = demo_fs::mount(stack->door(), options, why);
    REQUIRE_MESSAGE(mounted.has_value(), why);
    fs = std::move(*mounted);
}

key_identifier crypt_rig::add_key(std::uint64_t number) {
    auto bytes = master_key_bytes(number);
    const key_identifier identifier = *fs->keys().add(bytes);
    zeroize(bytes);
    return identifier;
}

inode_number crypt_rig::encrypted_directory(const char* name, const encryption_policy& policy) {
    const inode_number inode = *fs->make_directory(root_inode, name);
    std::string_view why;
    REQUIRE_FALSE(fs->set_policy(inode, encode(policy), why));
    return inode;
}

file_handle crypt_rig::new_file(inode_number directory, const char* name) {
    return *fs->open(*fs->create_file(directory, name));
}

file_handle crypt_rig::new_encrypted_file(const char* name, fscrypt_mode mode,
                                          std::uint8_t log2_data_unit_size, std::uint64_t key_number) {
    const auto policy = policy_under(add_key(key_number), mode, log2_data_unit_size);
    return new_file(encrypted_directory((std::string(name) + ".d").c_str(), policy), name);
}

std::vector<extent_row> crypt_rig::extents(const open_file& file) {
    return *fs->extents_of(file.number());
}

std::vector<std::byte> crypt_rig::stored(const extent_row& row) {
    const auto bytes = medium.medium(to_sectors_exact({row.physical_offset_bytes}), row.length_bytes);
    return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> crypt_rig::decrypted(const open_file& file, const extent_row& row,
                                            std::uint64_t key_number) {
    const encryption_policy& policy = *file.item().policy();
    const std::uint32_t unit_bytes = unit_size_of(policy, fs->traits()).bytes();
    const crypto_mode mode = block_mode(policy.contents_mode);
    const auto key = fscrypt_derive(master_key_bytes(key_number), fscrypt_context::per_extent_key,
                                    row.context->nonce, find_mode(mode)->key_size_bytes);
    auto bytes = stored(row);
    REQUIRE(decrypt_units(mode, key, row.extent_offset_bytes / unit_bytes, unit_bytes, bytes));
    return bytes;
}

bool are_different(bytes_view bytes, std::size_t size) {
    std::set<std::vector<std::byte>> pieces;
    for (std::size_t at = 0; at < bytes.size(); at += size) {
        const auto piece = bytes.subspan(at, size);
        pieces.emplace(piece.begin(), piece.end());
    }
    return pieces.size() == bytes.size() / size;
}

std::vector<masked_pattern> hidden_extent_key(std::uint64_t key_number, const crypto_nonce& nonce,
                                              fscrypt_mode mode) {
    auto material = master_key_bytes(key_number);
    const auto hkdf = hkdf_sha512::make(material);
    zeroize(material);
    std::vector<std::byte> key(find_mode(block_mode(mode))->key_size_bytes);
    derive(*hkdf, hkdf_context::per_extent_enc_key, nonce, key);
    auto pieces = masked_pieces(key);
    zeroize(key);
    return pieces;
}

} // namespace blkcrypto::test
