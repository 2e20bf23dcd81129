// SPDX-License-Identifier: Apache-2.0
#pragma once
// What every device has to do, whatever it is: the conformance_*.cpp try it on all the subjects of a program.
// A program that brings devices of its own compiles them and defines subjects().

#include "blkcrypto/block/block_device.hpp"
#include "tests/dev/test_io.hpp"

#include <memory>
#include <string>
#include <vector>

namespace blkcrypto::test {

/// The env that a device is used in where nothing else is asked for: the machine's.
std::unique_ptr<env> make_thread_env();

struct subject {
    std::string name;
    bool keeps_data; // what was written can be read back
    std::unique_ptr<block_device> (*make)(sector capacity);
    std::unique_ptr<env> (*make_env)() = make_thread_env; // for each thread that uses it
};

struct subject_list {
    std::vector<subject> devices;
    const char* none_because = nullptr; // why this machine cannot have any. Null: there must be some
};

subject_list subjects();

// --- for the cases ---

inline constexpr sector subject_capacity{8192};
inline constexpr unsigned subject_depth = 16;

/// The subjects of this program. Not none without anybody noticing.
std::vector<subject> to_try();

/// A subject with a queue on this thread.
struct opened_subject {
    explicit opened_subject(const subject& what);

    std::unique_ptr<env> environment;
    std::unique_ptr<block_device> device;
    std::unique_ptr<block_queue> queue;
};

/// Bytes that are the same for the same salt and seed of the test.
void fill(bytes_span memory, std::uint64_t salt);

bool equal(bytes_view a, bytes_view b);

/// What is read there is `data`, as far as the subject keeps any.
bool holds(const subject& what, block_queue& queue, sector at, bytes_view data);

/// Writes `data`; then it is there.
bool survives(const subject& what, block_queue& queue, sector at, bytes_span data);

/// The ops on ranges without memory that the device takes.
std::vector<bio_op> range_ops(const block_device& device);

/// Submits such an op, waits for the end, and gives the status it had.
blk_status run_range(block_queue& queue, bio_op op, sector at, std::uint32_t size_bytes);

/// Cuts memory into segments of whole sectors, all but the last of the same length.
std::vector<bio_vec> cut(bytes_span memory, std::size_t count);

} // namespace blkcrypto::test
