// SPDX-License-Identifier: Apache-2.0
// fsdemo ls: names, without any key.

#include "blkcrypto/tools/cli/hex.hpp"
#include "blkcrypto/tools/cli/json_output.hpp"
#include "blkcrypto/tools/cli/printable.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "fsdemo/tools/mounted_image.hpp"
#include "fsdemo/tools/verbs.hpp"

#include <fmt/format.h>

namespace blkcrypto::fsdemo::tools {
namespace {

struct row {
    std::string name;
    inode_status status;

    bool is_directory() const { return status.item.kind == inode_kind::directory; }
    std::string_view mode() const {
        if (status.item.policy() == nullptr)
            return "-";
        const std::string_view known = name_of(status.item.policy()->contents_mode);
        return known.empty() ? "unknown" : known;
    }
};

std::vector<row> rows_of(mounted_image& image, const mounted_image::place& where) {
    if (!where.is_directory())
        return {{where.path.name, *where.found}};
    std::vector<row> rows;
    for (const dir_entry& entry : image.take(where.path, image.fs().list(where.found->inode))) {
        const auto status = image.fs().status_of(entry.inode);
        const image_path path = where.path.below(entry.name);
        if (!status && status.error() == make_error(ENOENT))
            image.fail_as_damaged(fmt::format("{} leads to no inode", path.text), make_error(EUCLEAN));
        rows.push_back({entry.name, image.take(path, status)});
    }
    return rows;
}

nlohmann::ordered_json to_json(const row& r) {
    const encryption_policy* policy = r.status.item.policy();
    nlohmann::ordered_json object{
        {"name", r.name},           {"kind", r.is_directory() ? "directory" : "file"},
        {"inode", r.status.inode},  {"size", r.status.item.size_bytes},
        {"contents_mode", nullptr}, {"master_key_identifier", nullptr}};
    if (policy != nullptr) {
        object["contents_mode"] = r.mode();
        object["master_key_identifier"] = cli::to_hex(policy->master_key_identifier);
    }
    return object;
}

class ls_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override {
        CLI::App* app =
            cli::add_verb(program, "ls", "List a directory: kind, size, encryption, name. Needs no key",
                          "fsdemo ls disk.img /secret");
        options_.add_to(*app);
        app->add_option("PATH", path_, "default /")->type_name("");
        json_.add_to(*app);
        return app;
    }

    int run() override {
        options_.check_output(json_);
        const image_path path = image_path::parse(path_);
        const auto image = mounted_image::open(options_, image_use::read);
        const auto rows = rows_of(*image, image->locate_existing(path));
        if (json_.wants_text())
            for (const row& r : rows)
                fmt::print("{} {:>12} {:<17} {}{}\n", r.is_directory() ? 'd' : '-', r.status.item.size_bytes,
                           r.mode(), cli::printable(r.name), r.is_directory() ? "/" : "");
        auto document = cli::make_document("fsdemo.ls", 1);
        document["entries"] = nlohmann::ordered_json::array();
        for (const row& r : rows)
            document["entries"].push_back(to_json(r));
        json_.write(document);
        return cli::exit_success;
    }

  private:
    mount_options options_;
    std::string path_ = "/";
    cli::json_output json_;
};

} // namespace

std::unique_ptr<cli::verb> make_ls_verb() {
    return std::make_unique<ls_verb>();
}

} // namespace blkcrypto::fsdemo::tools
