// SPDX-License-Identifier: Apache-2.0
// fsdemo df: how much of the image is used.

#include "blkcrypto/tools/cli/hex.hpp"
#include "blkcrypto/tools/cli/json_output.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "fsdemo/tools/mounted_image.hpp"
#include "fsdemo/tools/verbs.hpp"

#include <fmt/format.h>

namespace blkcrypto::fsdemo::tools {
namespace {

class df_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override {
        CLI::App* app = cli::add_verb(program, "df", "Show how full the image is", "fsdemo df disk.img");
        options_.add_to(*app);
        json_.add_to(*app);
        return app;
    }

    int run() override {
        options_.check_output(json_);
        const auto image = mounted_image::open(options_, image_use::read);
        const auto space = image->fs().space();
        const superblock& super = image->fs().super();
        const std::uint64_t used = space.blocks - space.free_blocks;
        if (json_.wants_text())
            fmt::print("{:>16} {:>16} {:>16} {:>5}  {}\n{:>16} {:>16} {:>16} {:>4.0f}%  {}\n", "bytes",
                       "used", "free", "use", "filesystem", space.blocks << block_bits, used << block_bits,
                       space.free_blocks << block_bits,
                       100 * static_cast<double>(used) / static_cast<double>(space.blocks),
                       cli::to_hex(super.uuid));
        auto document = cli::make_document("fsdemo.df", 1);
        document["fs_uuid"] = cli::to_hex(super.uuid);
        document["generation"] = super.generation;
        document["block_size"] = block_bytes;
        document["size"] = space.blocks << block_bits;
        document["used"] = used << block_bits;
        document["free"] = space.free_blocks << block_bits;
        json_.write(document);
        return cli::exit_success;
    }

  private:
    mount_options options_;
    cli::json_output json_;
};

} // namespace

std::unique_ptr<cli::verb> make_df_verb() {
    return std::make_unique<df_verb>();
}

} // namespace blkcrypto::fsdemo::tools
