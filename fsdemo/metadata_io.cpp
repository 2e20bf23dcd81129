// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/metadata_io.hpp"

namespace blkcrypto::fsdemo {

result<std::unique_ptr<metadata_io>> metadata_io::make(block_device& device, env& e) {
    auto queue = device.make_queue(e, {.depth = writes_at_once, .io_size_bytes = block_bytes});
    if (queue.has_error())
        return queue.error();
    return or_no_memory([&]() -> result<std::unique_ptr<metadata_io>> {
        return std::unique_ptr<metadata_io>(new metadata_io(std::move(*queue)));
    });
}

void metadata_io::start(request& r, bio_op op, block_number block, std::byte* memory) noexcept {
    r.segment = {memory, block_bytes};
    r.io.prepare(op, sector_of(block), {&r.segment, 1}, r);
    r.is_done = false;
}

std::error_code metadata_io::finish(request& r) noexcept {
    while (!r.is_done)
        queue_->wait();
    const int error = to_errno(r.io.status);
    return make_error(error == EAGAIN ? EIO : error); // EAGAIN is node_store's word
}

std::error_code metadata_io::read(block_number block, block_bytes_span into) noexcept {
    request& r = requests_.front();
    start(r, bio_op::read, block, into.data());
    queue_->submit(r.io);
    return finish(r);
}

// A bio that writes does not change its memory: the const of the blocks ends here.
std::error_code metadata_io::write(std::span<const block_write> writes) noexcept {
    std::error_code first_error;
    const auto note = [&first_error](std::error_code error) {
        if (!first_error)
            first_error = error;
    };
    for (std::size_t i = 0; i < writes.size(); ++i) {
        request& r = requests_[i % writes_at_once];
        if (i >= writes_at_once)
            note(finish(r));
        start(r, bio_op::write, writes[i].block, const_cast<std::byte*>(writes[i].from.data()));
        queue_->submit(r.io);
    }
    for (std::size_t i = 0; i < std::min<std::size_t>(writes.size(), writes_at_once); ++i)
        note(finish(requests_[i]));
    return first_error;
}

std::error_code metadata_io::flush() noexcept {
    request& r = requests_.front();
    r.io.prepare(bio_op::flush, {0}, {}, r);
    r.is_done = false;
    queue_->submit(r.io);
    return finish(r);
}

std::error_code metadata_io::write_fua(const block_write& write) noexcept {
    request& r = requests_.front();
    start(r, bio_op::write, write.block, const_cast<std::byte*>(write.from.data()));
    r.io.fua = true;
    queue_->submit(r.io);
    return finish(r);
}

} // namespace blkcrypto::fsdemo
