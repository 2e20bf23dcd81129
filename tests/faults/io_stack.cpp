// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/io_stack.hpp"

#include "blkcrypto/dev/inline_crypto_device.hpp"
#include "blkcrypto/dev/linear_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "tests/support/test_seed.hpp"

#include <cerrno>

namespace blkcrypto::test {
namespace {

constexpr std::uint64_t worker_delay_max_ns = 20'000;
constexpr std::size_t filters_max = 4;
constexpr unsigned keyslots = 2; // one less than there are keys
constexpr queue_options roomy{.depth = 4, .io_size_bytes = 65536};
constexpr queue_options cramped{.depth = 4, .io_size_bytes = 4096, .bounce_bytes = 4096};

/// Keyslots whose tfms cannot always be had.
class stepping_tfms final : public tfm_source {
  public:
    stepping_tfms(std::unique_ptr<tfm_source> tfms, fault_steps& steps)
        : tfms_(std::move(tfms)), steps_(steps) {}

    const crypto_capabilities& capabilities() const noexcept override { return tfms_->capabilities(); }
    std::error_code start_using(env& e, const crypto_config& config) override {
        return tfms_->start_using(e, config);
    }
    bool is_started(const crypto_config& config) const noexcept override { return tfms_->is_started(config); }
    tfm_grant acquire(const key_request& key, acquire_context& asker) noexcept override {
        if (steps_.fails(fault_kind::tfm))
            return {acquire_outcome::failed, {}, status_of(fault_kind::tfm)};
        return tfms_->acquire(key, asker);
    }
    void release(env& e, const tfm_lease& lease) noexcept override { tfms_->release(e, lease); }
    std::error_code evict(env& e, const key_request& key) noexcept override { return tfms_->evict(e, key); }

  private:
    std::unique_ptr<tfm_source> tfms_;
    fault_steps& steps_;
};

std::error_code open_queue(io_stack& s, const queue_options& options) {
    auto queue = submit_queue::make(*s.top, s.fallback.get(), s.env, options);
    if (queue.has_error())
        return queue.error();
    s.queue = std::move(*queue);
    return {};
}

std::error_code with_fallback(io_stack& s, const fallback_options& options, const queue_options& queue) {
    auto tfms = make_keyslot_tfms(s.env, keyslots, 1);
    if (tfms.has_error())
        return tfms.error();
    auto stepping = or_no_memory([&]() -> result<std::unique_ptr<tfm_source>> {
        return std::make_unique<stepping_tfms>(std::move(*tfms), s.steps);
    });
    if (stepping.has_error())
        return stepping.error();
    auto made = crypto_fallback::make(s.env, std::move(*stepping), options);
    if (made.has_error())
        return made.error();
    s.fallback = std::move(*made);
    return open_queue(s, queue);
}

void lay_out_on_timed(io_stack& s) {
    s.layout = {{sector{0}, io_stack::capacity, &s.medium_that(completion_order::timed), sector{0}}};
}

void lay_out_on_shuffled(io_stack& s) {
    s.layout = {{sector{0}, io_stack::capacity, &s.medium_that(completion_order::shuffled), sector{0}}};
}

std::error_code make_fallback(io_stack& s) {
    s.top = &s.medium_that(completion_order::timed);
    return with_fallback(s, {}, roomy);
}

std::error_code make_cramped_fallback(io_stack& s) {
    s.top = &s.medium_that(completion_order::shuffled);
    return with_fallback(s, {.kernel = {.bounce_reserve_pages = 4}}, cramped);
}

std::error_code make_fallback_with_workers(io_stack& s) {
    s.top = &s.medium_that(completion_order::timed);
    return with_fallback(s, {.decrypt_executor = &s.worker, .decrypt_workers = 1}, roomy);
}

std::error_code add_engine(io_stack& s, block_device& lower, unsigned slots) {
    engine_profile profile = *find_engine_profile("generic");
    profile.keyslots = slots;
    auto engine = make_inline_crypto_device(lower, profile, s.env, {s.worker, 1});
    if (engine.has_error())
        return engine.error();
    s.filters.push_back(std::move(*engine));
    s.top = s.filters.back().get();
    return {};
}

std::error_code with_engine(io_stack& s, unsigned slots, const queue_options& options) {
    const std::error_code error = add_engine(s, s.medium_that(completion_order::timed), slots);
    return error ? error : open_queue(s, options);
}

// Three stretches on two media, cut where some of the scenarios' bios go over it.
std::error_code add_linear(io_stack& s, block_device& timed, block_device& shuffled) {
    auto made = or_no_memory([&] {
        return make_linear_device({{&shuffled, sector{2000}, sector{16}},
                                   {&timed, sector{0}, sector{80}},
                                   {&shuffled, sector{0}, sector{1952}}},
                                  s.env);
    });
    if (made.has_error())
        return made.error();
    s.filters.push_back(std::move(*made));
    s.top = s.filters.back().get();
    return {};
}

void lay_out_linear(io_stack& s) {
    simulated_device* const timed = &s.medium_that(completion_order::timed);
    simulated_device* const shuffled = &s.medium_that(completion_order::shuffled);
    s.layout = {{sector{0}, sector{16}, shuffled, sector{2000}},
                {sector{16}, sector{80}, timed, sector{0}},
                {sector{96}, sector{1952}, shuffled, sector{0}}};
}

std::error_code make_linear_over_engines(io_stack& s) {
    for (const completion_order order : {completion_order::timed, completion_order::shuffled})
        if (const std::error_code error = add_engine(s, s.medium_that(order), keyslots))
            return error;
    const std::error_code error = add_linear(s, *s.filters[0], *s.filters[1]);
    return error ? error : open_queue(s, roomy);
}

std::error_code make_fallback_over_linear(io_stack& s) {
    const std::error_code error =
        add_linear(s, s.medium_that(completion_order::timed), s.medium_that(completion_order::shuffled));
    return error ? error : with_fallback(s, {}, roomy);
}

std::error_code make_engine(io_stack& s) {
    return with_engine(s, keyslots, roomy);
}

std::error_code make_cramped_engine(io_stack& s) {
    return with_engine(s, 1, cramped);
}

std::error_code make_engine_without_slots(io_stack& s) {
    return with_engine(s, 0, roomy);
}

} // namespace

std::error_code stepping_key::derive(secret& into) const noexcept {
    return steps_.fails(fault_kind::program) ? make_error(to_errno(status_of(fault_kind::program)))
                                             : key_.derive(into);
}

io_stack::io_stack(fault_steps& s, std::uint32_t unit_bytes)
    : steps(s), env(test_seed(), &s), random(test_seed()), worker(env, test_seed() + 9, worker_delay_max_ns) {
    filters.reserve(filters_max);
    for (const completion_order order : {completion_order::timed, completion_order::shuffled})
        media.emplace_back(capacity, order, test_seed() + media.size()).set_faults(&s);
    for (unsigned i = 0; i < key_count; ++i)
        requests.emplace_back(keys.emplace_back(random, unit_bytes), s);
}

io_stack::~io_stack() {
    queue.reset();
    while (!filters.empty())
        filters.pop_back();
}

unsigned io_stack::drain() {
    test::drain(*queue, env);
    return queue->in_flight();
}

std::vector<std::byte> io_stack::stored(sector at, std::size_t size_bytes) {
    std::vector<std::byte> bytes;
    for (std::uint64_t i = at.value; i < at.value + (size_bytes >> sector_bits); ++i)
        for (const medium_stretch& s : layout)
            if (i >= s.begin.value && i < s.begin.value + s.length.value) {
                const bytes_span one =
                    s.medium->medium(sector{s.first.value + i - s.begin.value}, sector_size_bytes);
                bytes.insert(bytes.end(), one.begin(), one.end());
            }
    return bytes;
}

std::span<const io_stack_kind> io_stack_kinds() {
    static constexpr std::array kinds{
        io_stack_kind{"fallback", &make_fallback, &lay_out_on_timed},
        io_stack_kind{"fallback with little bounce memory", &make_cramped_fallback, &lay_out_on_shuffled},
        io_stack_kind{"fallback with a decrypt worker", &make_fallback_with_workers, &lay_out_on_timed},
        io_stack_kind{"engine", &make_engine, &lay_out_on_timed},
        io_stack_kind{"engine with one slot and little memory", &make_cramped_engine, &lay_out_on_timed},
        io_stack_kind{"engine without slots", &make_engine_without_slots, &lay_out_on_timed},
        io_stack_kind{"linear device over two engines", &make_linear_over_engines, &lay_out_linear},
        io_stack_kind{"fallback over a linear device", &make_fallback_over_linear, &lay_out_linear},
    };
    return kinds;
}

std::error_code set_up(const io_stack_kind& kind, io_stack& stack) {
    if (const std::error_code error = kind.make(stack))
        return error;
    for (const auto& key : stack.requests)
        if (const std::error_code error = start_using_key(stack.env, *stack.top, stack.fallback.get(), key))
            return error;
    return {};
}

} // namespace blkcrypto::test
