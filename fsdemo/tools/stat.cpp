// SPDX-License-Identifier: Apache-2.0
// fsdemo stat: what is known of a file or directory without any key. The JSON is enough to decrypt a file
// with another program: where each extent is, which key it has, which data unit number comes first.

#include "blkcrypto/tools/cli/hex.hpp"
#include "blkcrypto/tools/cli/json_output.hpp"
#include "blkcrypto/tools/cli/printable.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "fsdemo/tools/mounted_image.hpp"
#include "fsdemo/tools/verbs.hpp"

#include <fmt/format.h>

namespace blkcrypto::fsdemo::tools {
namespace {

struct facts {
    image_path path;
    filesystem_uuid uuid{};
    inode_status status;
    data_unit_size unit_size; // of one that is not encrypted: a block
    std::vector<extent_row> extents;

    bool is_directory() const { return status.item.kind == inode_kind::directory; }
    std::uint64_t first_dun(const extent_row& row) const {
        return unit_size.units_in(row.extent_offset_bytes);
    }
};

facts look_at(mounted_image& image, const image_path& path) {
    const auto where = image.locate_existing(path);
    const encryption_policy* policy = where.found->item.policy();
    std::string_view why;
    if (policy != nullptr && !check_policy(encode(*policy), image.fs().traits(), why))
        throw cli::unusable(path.text, fmt::format("its encryption policy is not allowed: {}", why), EINVAL);
    facts found{path,
                image.fs().super().uuid,
                *where.found,
                policy != nullptr ? unit_size_of(*policy, image.fs().traits())
                                  : data_unit_size::make(block_bytes).value(),
                {}};
    if (found.is_directory())
        return found;
    auto extents = image.fs().extents_of(where.found->inode);
    if (!extents && extents.error() == make_error(EINVAL))
        throw cli::unusable(path.text, "the context of an extent does not fit the file", EINVAL);
    found.extents = image.take(path, std::move(extents));
    return found;
}

nlohmann::ordered_json policy_json(const encryption_policy* policy) {
    if (policy == nullptr)
        return nullptr;
    return {{"version", 2},
            {"contents_mode", name_of(policy->contents_mode)},
            {"filenames_mode", name_of(policy->filenames_mode)},
            {"flags", policy->flags},
            {"log2_data_unit_size", policy->log2_data_unit_size},
            {"master_key_identifier", cli::to_hex(policy->master_key_identifier)}};
}

nlohmann::ordered_json extent_json(const facts& of, const extent_row& row) {
    nlohmann::ordered_json object{{"file_offset", row.file_offset_bytes},
                                  {"physical_offset", row.physical_offset_bytes},
                                  {"length", row.length_bytes},
                                  {"nonce", nullptr},
                                  {"mode", nullptr},
                                  {"data_unit_size", of.unit_size.bytes()},
                                  {"first_dun", of.first_dun(row)},
                                  {"master_key_identifier", nullptr},
                                  {"references", row.references}};
    if (row.context) {
        object["nonce"] = cli::to_hex(row.context->nonce);
        object["mode"] = name_of(row.context->mode);
        object["master_key_identifier"] = cli::to_hex(row.context->master_key_identifier);
    }
    return object;
}

nlohmann::ordered_json to_json(const facts& of) {
    auto document = cli::make_document("fsdemo.stat", 1);
    document["inode"] = of.status.inode;
    document["kind"] = of.is_directory() ? "directory" : "file";
    document["size"] = of.status.item.size_bytes;
    document["fs_uuid"] = cli::to_hex(of.uuid);
    document["policy"] = policy_json(of.status.item.policy());
    document["extents"] = nlohmann::ordered_json::array();
    for (const extent_row& row : of.extents)
        document["extents"].push_back(extent_json(of, row));
    return document;
}

void print(const facts& of) {
    fmt::print("{}: {}, inode {}", cli::printable(of.path.text), of.is_directory() ? "directory" : "file",
               of.status.inode);
    if (!of.is_directory())
        fmt::print(", {} bytes in {} extents", of.status.item.size_bytes, of.extents.size());
    fmt::print("\n");
    const encryption_policy* policy = of.status.item.policy();
    if (policy == nullptr)
        fmt::print("not encrypted\n");
    else
        fmt::print("contents {} in units of {} bytes (names: {}, not encrypted here)\nmaster key {}\n",
                   name_of(policy->contents_mode), of.unit_size.bytes(), name_of(policy->filenames_mode),
                   cli::to_hex(policy->master_key_identifier));
    if (of.extents.empty())
        return;
    fmt::print("{:>14} {:>14} {:>12} {:>5} {:>10}  {}\n", "in the file", "on the image", "length", "refs",
               "first DUN", "nonce");
    for (const extent_row& row : of.extents)
        fmt::print("{:>14} {:>14} {:>12} {:>5} {:>10}  {}\n", row.file_offset_bytes,
                   row.physical_offset_bytes, row.length_bytes, row.references, of.first_dun(row),
                   row.context ? cli::to_hex(row.context->nonce) : "-");
}

class stat_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override {
        CLI::App* app = cli::add_verb(program, "stat", "Show a file's policy and extents. Needs no key",
                                      "fsdemo stat disk.img /secret/letter --json");
        options_.add_to(*app);
        app->add_option("PATH", path_, "a file or directory")->required()->type_name("");
        json_.add_to(*app);
        return app;
    }

    int run() override {
        options_.check_output(json_);
        const image_path path = image_path::parse(path_);
        const auto image = mounted_image::open(options_, image_use::read);
        const facts found = look_at(*image, path);
        if (json_.wants_text())
            print(found);
        json_.write(to_json(found));
        return cli::exit_success;
    }

  private:
    mount_options options_;
    std::string path_;
    cli::json_output json_;
};

} // namespace

std::unique_ptr<cli::verb> make_stat_verb() {
    return std::make_unique<stat_verb>();
}

} // namespace blkcrypto::fsdemo::tools
