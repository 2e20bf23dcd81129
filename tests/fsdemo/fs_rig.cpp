// SPDX-License-Identifier: Apache-2.0
#include "tests/fsdemo/fs_rig.hpp"

#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "fsdemo/fsck.hpp"
#include "tests/support/test_seed.hpp"

namespace blkcrypto::test {

using namespace fsdemo;

namespace {

constexpr unsigned keyslots = 4; // few, so that they change hands

std::error_code do_io(demo_fs& fs, waited_io& w) {
    w.io.observer = &w;
    fs.submit(w.io);
    while (w.ends == 0)
        fs.wait();
    return w.io.status;
}

} // namespace

fs_stack::fs_stack(simulated_env& e, block_device& medium, crypt_path path, const tfm_wrapper& wrap)
    : env_(e), metadata_env_(test_seed()), medium_(medium), worker_(e, test_seed(), 5000) {
    if (path == crypt_path::inline_engine) {
        put_engine(keyslots);
    } else {
        auto tfms = *make_keyslot_tfms(e, keyslots, 1);
        fallback_ = *crypto_fallback::make(e, wrap ? wrap(std::move(tfms)) : std::move(tfms), {});
    }
}

fs_stack::fs_stack(simulated_env& e, block_device& medium, const strategy_info& strategy,
                   const strategy_options& options)
    : env_(e), metadata_env_(test_seed()), medium_(medium), worker_(e, test_seed(), 5000) {
    if (strategy.make == nullptr) {
        put_engine(options.keyslots);
        return;
    }
    auto made = *strategy.make(e, options);
    strategy_ = made.get();
    fallback_ = *crypto_fallback::make(e, std::move(made), {});
}

void fs_stack::put_engine(unsigned slots) {
    engine_profile profile = *find_engine_profile("generic");
    profile.keyslots = slots;
    engine_ = *make_inline_crypto_device(medium_, profile, env_, {worker_, 1});
}

std::vector<std::byte> master_key_bytes(std::uint64_t number) {
    return random_bytes(64, number);
}

encryption_policy policy_under(const key_identifier& key, fscrypt_mode contents,
                               std::uint8_t log2_data_unit_size) {
    encryption_policy policy;
    policy.contents_mode = contents;
    policy.filenames_mode = default_filenames_mode(contents);
    policy.log2_data_unit_size = log2_data_unit_size;
    policy.master_key_identifier = key;
    return policy;
}

std::error_code write_at(demo_fs& fs, open_file& file, std::uint64_t offset, bytes_view data, bool in_place) {
    std::vector<std::byte> copy(data.begin(), data.end());
    waited_io w;
    w.io.prepare(file_op::write, file, offset, copy, w);
    w.io.in_place = in_place;
    return do_io(fs, w);
}

std::error_code zero_at(demo_fs& fs, open_file& file, std::uint64_t offset, std::uint64_t length,
                        bool in_place) {
    waited_io w;
    w.io.prepare(file_op::zero, file, offset, {}, w);
    w.io.length_bytes = length;
    w.io.in_place = in_place;
    return do_io(fs, w);
}

result<std::vector<std::byte>> read_at(demo_fs& fs, open_file& file, std::uint64_t offset,
                                       std::size_t length) {
    std::vector<std::byte> data(length, std::byte{0xee});
    waited_io w;
    w.io.prepare(file_op::read, file, offset, data, w);
    if (const std::error_code error = do_io(fs, w))
        return error;
    data.resize(w.io.done_bytes);
    return data;
}

result<std::vector<std::byte>> read_all(demo_fs& fs, inode_number inode) {
    auto file = fs.open(inode);
    if (!file)
        return file.error();
    return read_at(fs, **file, 0, (**file).size_bytes());
}

std::string findings_on(block_device& device, env& e) {
    std::string text;
    const auto report = check(device, e, {}, text);
    if (!report)
        return report.error().message() + " " + text;
    for (const fsck_finding& found : report->findings)
        text += std::string(name_of(found.kind)) + ": " + found.path + ": " + found.what + '\n';
    return text;
}

} // namespace blkcrypto::test
