// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/walked_run.hpp"

#include <algorithm>
#include <cerrno>

namespace blkcrypto::test {
namespace {

constexpr std::uint32_t page_bytes = 4096;

std::uint32_t granule_of(const scenario_io& io, const io_stack& stack) {
    const std::uint32_t unit = stack.requests.front().config().unit_size.bytes();
    return io.key == plain ? static_cast<std::uint32_t>(sector_size_bytes) : std::min(unit, page_bytes);
}

// The sector is not the DUN.
dun first_dun_of(const scenario_io& io) {
    return dun(io.start * 1000 + 77);
}

std::size_t memory_of(const scenario_io& io) {
    return io.op == bio_op::read || io.op == bio_op::write ? io.size_bytes : 0;
}

bool is_change(const scenario_io& io) {
    return io.size_bytes != 0 && io.op != bio_op::read;
}

std::string describe(const scenario_io& io) {
    return "op " + std::to_string(static_cast<int>(io.op)) + " at " + std::to_string(io.start) + " of " +
           std::to_string(io.size_bytes) + " under key " + std::to_string(io.key);
}

} // namespace

walked_io::walked_io(const scenario_io& io, io_stack& on)
    : what(io), stack(on), memory(memory_of(io), granule_of(io, on), on.random) {
    memory.write(random_bytes(memory.size_bytes(), on.random.next()));
    before = memory.read();
    if (memory_of(io) != 0 || io.size_bytes == 0)
        request.prepare(io.op, sector{io.start}, memory.segments(), *this);
    else
        request.prepare_range(io.op, sector{io.start}, io.size_bytes, *this);
    request.fua = io.fua;
    request.preflush = io.preflush;
    if (io.key != plain)
        request.set_crypt_ctx(on.requests[static_cast<std::size_t>(io.key)], first_dun_of(io));
}

void walked_io::end_io(bio&) noexcept {
    if (++ends == 1 && next != nullptr)
        stack.queue->submit(next->request);
}

walked_run::walked_run(const io_stack_kind& kind, const io_scenario& scenario, std::size_t failing)
    : kind_(kind), scenario_(scenario), steps_(failing) {
    if (!set_up())
        return;
    run_rounds();
    check_statuses();
    steps_of_scenario_ = steps_.count();
    evict_keys();
    check_whole();
    check_next_io();
}

// A set-up that fails says why and can be tried again.
bool walked_run::set_up() {
    stack_ = std::make_unique<io_stack>(steps_, scenario_.unit_bytes);
    std::error_code error = blkcrypto::test::set_up(kind_, *stack_);
    if (error) {
        check_refusal(error);
        steps_.select_ciphers_anew();
        stack_ = std::make_unique<io_stack>(steps_, scenario_.unit_bytes);
        error = blkcrypto::test::set_up(kind_, *stack_);
    }
    kind_.lay_out(*stack_);
    if (error)
        wrong("set-up failed again with " + error.message());
    return !error;
}

void walked_run::check_refusal(std::error_code error) {
    const auto failed = steps_.failed();
    const bool is_right = (failed == fault_kind::allocation && error == make_error(ENOMEM)) ||
                          (failed == fault_kind::self_test && error == make_error(ENOPKG));
    if (!is_right)
        wrong("set-up failed with " + error.message());
}

void walked_run::run_rounds() {
    for (const auto& round : scenario_.rounds) {
        if (scenario_.between == between_rounds::evict_keys)
            evict_keys();
        run_round(round);
    }
}

void walked_run::run_round(const std::vector<scenario_io>& round) {
    const std::size_t first = all_.size();
    for (const scenario_io& io : round)
        all_.push_back(std::make_unique<walked_io>(io, *stack_));
    const std::span<const std::unique_ptr<walked_io>> ios = std::span(all_).subspan(first);
    for (std::size_t i = 0; i < ios.size(); ++i) {
        const bool is_last = i + 1 == ios.size();
        if (scenario_.one_after_the_other)
            ios[i]->next = is_last ? nullptr : ios[i + 1].get();
        if (i == 0 || !scenario_.one_after_the_other)
            stack_->queue->submit(ios[i]->request);
    }
    if (stack_->drain() != 0)
        wrong("bios are left in flight");
    check_round(ios);
}

// --- what must hold ---

void walked_run::check_round(std::span<const std::unique_ptr<walked_io>> ios) {
    for (const auto& io : ios)
        check_io(*io);
}

void walked_run::check_io(const walked_io& io) {
    if (io.ends != 1)
        wrong("ended " + std::to_string(io.ends) + " times: " + describe(io.what));
    if (io.what.op == bio_op::write && io.memory.read() != io.before)
        wrong("the source was changed: " + describe(io.what));
    if (!io.ended_well())
        return;
    if (is_change(io.what))
        check_stored(io);
    else if (io.what.op == bio_op::read)
        check_read(io);
}

void walked_run::check_stored(const walked_io& io) {
    std::vector<std::byte> expected(io.what.size_bytes);
    if (io.what.op == bio_op::write)
        expected = io.before;
    if (io.what.key != plain) {
        const test_key& key = stack_->keys[static_cast<std::size_t>(io.what.key)];
        expected =
            reference_ciphertext(key.bytes, first_dun_of(io.what), key.key->config().unit_size, expected);
    }
    if (stack_->stored(sector{io.what.start}, expected.size()) != expected)
        wrong("other bytes on the medium: " + describe(io.what));
}

void walked_run::check_read(const walked_io& io) {
    const walked_io* change = last_change_of(io);
    if (change == nullptr)
        return wrong("a read of what nobody wrote");
    if (!change->ended_well())
        return; // old, new or torn
    const auto expected =
        change->what.op == bio_op::write ? change->before : std::vector<std::byte>(io.what.size_bytes);
    if (io.memory.read() != expected)
        wrong("read something else: " + describe(io.what));
}

const walked_io* walked_run::last_change_of(const walked_io& read) const {
    const auto found = std::ranges::find_if(all_.rbegin(), all_.rend(), [&](const auto& io) {
        return is_change(io->what) && io->what.start == read.what.start;
    });
    return found == all_.rend() ? nullptr : found->get();
}

// One fault, one bio: exactly one has its status, unless set-up had it.
void walked_run::check_statuses() {
    const blk_status expected = steps_.failed() ? status_of(*steps_.failed()) : blk_status::ok;
    std::size_t failed = 0;
    for (const auto& io : all_) {
        if (io->request.status == blk_status::ok)
            continue;
        ++failed;
        if (io->request.status != expected)
            wrong("ended with " + std::string(to_string(io->request.status)) + ": " + describe(io->what));
    }
    if (failed != (expected == blk_status::ok ? 0 : 1))
        wrong(std::to_string(failed) + " bios failed");
}

// EBUSY would be a slot that nobody put.
void walked_run::evict_keys() {
    for (const auto& key : stack_->requests)
        if (const std::error_code error = evict_key(stack_->env, *stack_->top, stack_->fallback.get(), key))
            wrong("evicting a key: " + error.message());
}

void walked_run::check_whole() {
    if (!stack_->queue->pools_are_whole())
        wrong("something of a pool is missing");
    if (stack_->fallback != nullptr && !stack_->fallback->reserve_is_whole(stack_->env))
        wrong("something of the reserve is missing");
}

void walked_run::check_next_io() {
    const std::size_t first = all_.size();
    std::vector<scenario_io> writes, reads;
    for (unsigned i = 0; i < 2 * io_stack::key_count; ++i) {
        const scenario_io io{bio_op::write, 1024 + i * 64, 2 * std::max(scenario_.unit_bytes, page_bytes),
                             static_cast<int>(i % io_stack::key_count)};
        writes.push_back(io);
        reads.push_back(io);
        reads.back().op = bio_op::read;
    }
    run_round(writes);
    run_round(reads);
    for (std::size_t i = first; i < all_.size(); ++i)
        if (!all_[i]->ended_well())
            wrong("the next I/O failed: " + describe(all_[i]->what));
    check_whole();
}

void walked_run::wrong(const std::string& what) {
    wrongs_ += "\n  " + what;
}

} // namespace blkcrypto::test
