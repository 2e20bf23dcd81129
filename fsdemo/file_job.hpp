// SPDX-License-Identifier: Apache-2.0
#pragma once
// One file_io on its way through fs_queue, the only user of this.

#include "fsdemo/bio_crypt.hpp"
#include "fsdemo/fs_queue.hpp"

#include <array>

namespace blkcrypto::fsdemo {

class file_job final : public range_hold {
  public:
    explicit file_job(fs_queue& queue);

    /// Takes the io over and gets in line for its range.
    void begin(file_io& io) noexcept;
    /// Goes on until it has to wait, or ends.
    void go_on() noexcept;
    file_io& io() noexcept { return *io_; }

    // Which of the queue's lists it is in.
    enum class line : std::uint8_t { none, ready, key, room };
    line in_line = line::none;

  private:
    static constexpr unsigned bios_max = 8;
    static constexpr std::uint64_t bio_bytes_max = std::uint64_t{extent_blocks_max} << block_bits;

    enum class step : std::uint8_t { look, fill_edges, move, done };
    /// What a step that did not fail did.
    enum class progress : std::uint8_t { made, waits };

    /// What is read or written through memory of the job's own: a part of a unit, at the beginning or end.
    struct edge {
        block_buffer memory;
        std::uint64_t begin_bytes = 0; // in the file
        bool is_used = false;
        bool is_filled = false; // or being filled
    };
    /// Where the data of a place in the file is in memory. No memory: zeros.
    struct memory_part {
        std::byte* data;
        std::uint64_t length_bytes;
        buffer_id buffer = unregistered_buffer;

        bio_vec segment() const noexcept { return {data, static_cast<std::uint32_t>(length_bytes), buffer}; }
    };
    struct job_bio final : bio_end_io {
        void end_io(bio&) noexcept override { job->bio_ended(*this); }

        file_job* job = nullptr;
        bio io;
        std::array<bio_vec, 3> segments; // an edge, the caller's, an edge
        unsigned segment_count = 0;
        extent_crypt_info* key = nullptr;
        bool is_busy = false;
    };
    struct node_read final : bio_end_io {
        void end_io(bio&) noexcept override { job->node_arrived(); }

        file_job* job = nullptr;
        bio io;
        bio_vec segment;
        node_store::missing_node which;
        bool is_under_way = false;
        std::unique_ptr<node> what;
    };

    void run(unsigned) noexcept override; // the range is held
    std::error_code advance();
    void end() noexcept;

    // look
    std::error_code look();
    std::error_code look_at_write();
    std::error_code check_in_place(bool& is_possible);
    void set_region(std::uint64_t granule_bytes) noexcept;
    std::error_code find_part_at(std::uint64_t at_bytes, const file_part*& part);

    // edges
    result<progress> fill_edges();
    std::error_code fill(edge& e);
    void overlay(edge& e) noexcept;
    void copy_out(const edge& e) noexcept;

    // move
    result<progress> move_in_parts();
    result<progress> move_to_new_blocks();
    std::error_code take_run();
    std::error_code settle_run();
    std::error_code grow(std::uint64_t end_bytes);
    memory_part memory_at(std::uint64_t at_bytes) noexcept;

    // bios
    job_bio* free_bio() noexcept;
    result<progress> add(bio_op op, const file_part& part, std::uint64_t at_bytes, const memory_part& memory);
    std::error_code get_key(const file_part& part, extent_crypt_info*& key, bool& is_busy) noexcept;
    bool extend(bio_op op, std::uint64_t physical_bytes, const extent_crypt_info* key,
                std::uint64_t extent_offset_bytes, const memory_part& memory) noexcept;
    void submit_built() noexcept;
    void bio_ended(job_bio& ended) noexcept;
    void read_node() noexcept;
    void node_arrived() noexcept;

    bool is_read() const noexcept { return io_->op == file_op::read; }
    std::uint64_t io_end_bytes() const noexcept { return io_->offset_bytes + length_bytes_; }

    fs_queue& queue_;
    file_io* io_ = nullptr;
    open_file* file_ = nullptr;
    step step_ = step::look;
    std::error_code status_;
    std::uint64_t length_bytes_ = 0; // of a read, cut at the end of the file
    bool is_in_place_ = false;
    std::uint64_t granule_bytes_ = 0;
    std::uint64_t begin_bytes_ = 0; // of the granules it touches
    std::uint64_t end_bytes_ = 0;
    std::uint64_t at_bytes_ = 0; // where looking, then moving, has got to
    edge head_;
    edge tail_;
    // A write that is not in place: the blocks of the part that is being written.
    block_run run_; // none: count 0
    std::uint64_t run_begin_bytes_ = 0;
    extent_context run_context_;
    std::array<job_bio, bios_max> bios_;
    unsigned bios_in_flight_ = 0;
    job_bio* built_ = nullptr; // being put together
    node_read node_;
};

} // namespace blkcrypto::fsdemo
