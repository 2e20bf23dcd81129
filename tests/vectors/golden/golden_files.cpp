// SPDX-License-Identifier: Apache-2.0
#include "tests/vectors/golden/golden_files.hpp"

#include <array>

// What is between two labels is the file. C++20 has no #embed.
#define EMBED(label, file)                                                                                   \
    asm(".pushsection .rodata\n"                                                                             \
        ".hidden " label "\n.hidden " label "_end\n"                                                         \
        ".global " label "\n.global " label "_end\n"                                                         \
        ".balign 64\n" label ":\n.incbin \"" BLKCRYPTO_GOLDEN_DIR "/" file "\"\n" label "_end:\n"            \
        ".popsection\n")

EMBED("golden_adiantum_json", "adiantum_perfile.json");
EMBED("golden_adiantum_bin", "adiantum_perfile.bin");
EMBED("golden_essiv_json", "essiv_perfile.json");
EMBED("golden_essiv_bin", "essiv_perfile.bin");
EMBED("golden_xts_json", "xts_lblk64.json");
EMBED("golden_xts_bin", "xts_lblk64.bin");

extern "C" {
extern const char golden_adiantum_json[], golden_adiantum_json_end[];
extern const std::byte golden_adiantum_bin[], golden_adiantum_bin_end[];
extern const char golden_essiv_json[], golden_essiv_json_end[];
extern const std::byte golden_essiv_bin[], golden_essiv_bin_end[];
extern const char golden_xts_json[], golden_xts_json_end[];
extern const std::byte golden_xts_bin[], golden_xts_bin_end[];
}

namespace blkcrypto::vectors {

std::span<const golden_file_pair> golden_files() noexcept {
    static const std::array files{
        golden_file_pair{"adiantum_perfile",
                         {golden_adiantum_json, golden_adiantum_json_end},
                         {golden_adiantum_bin, golden_adiantum_bin_end}},
        golden_file_pair{"essiv_perfile",
                         {golden_essiv_json, golden_essiv_json_end},
                         {golden_essiv_bin, golden_essiv_bin_end}},
        golden_file_pair{
            "xts_lblk64", {golden_xts_json, golden_xts_json_end}, {golden_xts_bin, golden_xts_bin_end}},
    };
    return files;
}

} // namespace blkcrypto::vectors
