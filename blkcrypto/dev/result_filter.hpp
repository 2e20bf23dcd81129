// SPDX-License-Identifier: Apache-2.0
#pragma once
// Faults of an image file, for tests.

namespace blkcrypto {

/// Hears of every result of the kernel before the queue does and says what it shall be: how tests make a
/// transfer short or fail. Called on the thread of the queue.
class result_filter {
  public:
    /// `res` as in a CQE: a number of bytes, or a negative errno.
    virtual int filter_result(int res) noexcept = 0;

  protected:
    ~result_filter() = default;
};

} // namespace blkcrypto
