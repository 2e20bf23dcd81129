// SPDX-License-Identifier: Apache-2.0
#pragma once
// Marks the one test case that shows a property of blk-crypto: TEST_CASE("..." * PROPERTY(22)). The numbers
// are those of docs/fidelity.md; `-ts="property 22"` runs the case.

#include <doctest/doctest.h>

#define PROPERTY(n) doctest::test_suite("property " #n)
