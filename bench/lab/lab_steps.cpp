// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_steps.hpp"

#include "bench/io_buffers.hpp"
#include "blkcrypto/cipher/skcipher.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>

namespace blkcrypto::bench {
namespace {

using namespace fsdemo;

constexpr unsigned slices = 9;
constexpr std::uint64_t slice_ns = 6'000'000;
constexpr unsigned steps_per_look = 16; // between two looks at the clock, so that these do not count

void check(std::error_code error) {
    if (error)
        throw cli::file_error(cli::exit_failed, "key setup", error.value());
}

/// Of one step.
template <typename Step>
double median_ns(env& e, Step step) {
    std::vector<double> costs;
    step(); // first touch of memory and code
    for (unsigned i = 0; i < slices; ++i) {
        const std::uint64_t start_ns = e.now_ns();
        std::uint64_t elapsed_ns = 0;
        std::uint64_t done = 0;
        for (; elapsed_ns < slice_ns; elapsed_ns = e.now_ns() - start_ns)
            for (unsigned k = 0; k < steps_per_look; ++k, ++done)
                step();
        costs.push_back(static_cast<double>(elapsed_ns) / static_cast<double>(done));
    }
    return spread_of(std::move(costs)).median;
}

class step_lab {
  public:
    step_lab(const lab_options& options, const lab_master_keys& keys, env& e)
        : mode_(*options.image.modes.front()), lanes_(options.strategy.lanes), env_(e),
          identifier_(keys.add_to(ring_).front()),
          master_(cli::take(ring_.get(identifier_, mode_.security_strength_bytes), "master key",
                            cli::exit_failed)),
          key_(cli::take(secret::make(mode_.key_size_bytes), "key", cli::exit_failed)), tfm_(make_tfm()) {}

    double derive_ns() {
        crypto_nonce nonce{};
        std::uint64_t count = 0;
        return median_ns(env_, [&] {
            store_little(nonce.data(), count++);
            master_->derive(hkdf_context::per_extent_enc_key, nonce, key_.writable());
        });
    }
    double setkey_ns() {
        return median_ns(env_, [&] { check(tfm_->setkey(key_.bytes())); });
    }
    double allocate_ns() {
        return median_ns(env_, [&] { (void)make_tfm(); });
    }
    double cipher_ns(std::uint32_t io_bytes) {
        const io_buffers memory(2, io_bytes);
        std::ranges::fill(memory.all(), std::byte{0x5a});
        const data_unit_size unit_size = *data_unit_size::make(fsdemo::block_bytes);
        const cipher_segment segment{memory[0].data(), memory[1].data(), io_bytes};
        cipher_lane lane(0);
        return median_ns(env_, [&] {
            tfm_->crypt(cipher_direction::encrypt, std::uint64_t{0}, unit_size, {&segment, 1}, lane);
        });
    }

  private:
    std::unique_ptr<skcipher> make_tfm() const {
        return cli::take(make_skcipher(mode_.mode, lanes_), mode_.name, cli::exit_failed);
    }

    const crypto_mode_info& mode_;
    const unsigned lanes_;
    env& env_;
    keyring ring_;
    const key_identifier identifier_;
    const master_key_ref master_;
    secret key_;
    const std::unique_ptr<skcipher> tfm_;
};

} // namespace

lab_step_costs measure_steps(const lab_options& options, const lab_master_keys& keys, env& e) {
    step_lab lab(options, keys, e);
    lab_step_costs costs;
    costs.derive_ns = lab.derive_ns(); // leaves a key for the next
    costs.setkey_ns = lab.setkey_ns();
    costs.allocate_ns = lab.allocate_ns();
    costs.cipher_ns = lab.cipher_ns(options.image.extent_bytes);
    return costs;
}

} // namespace blkcrypto::bench
