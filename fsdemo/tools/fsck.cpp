// SPDX-License-Identifier: Apache-2.0
// fsdemo fsck: whether an image is as its format says. Reads it without mounting it, and without any key.

#include "fsdemo/fsck.hpp"

#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/dev/image_device.hpp"
#include "blkcrypto/tools/cli/hex.hpp"
#include "blkcrypto/tools/cli/json_output.hpp"
#include "blkcrypto/tools/cli/printable.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "fsdemo/tools/image_stack.hpp"
#include "fsdemo/tools/verbs.hpp"

#include <fmt/format.h>

namespace blkcrypto::fsdemo::tools {
namespace {

using json = nlohmann::ordered_json;

int exit_code_of(std::error_code error) {
    return error == make_error(EIO) ? cli::exit_failed : cli::exit_unusable;
}

fsck_report check_image(const std::string& image) {
    const auto fail = [&image](std::error_code error) {
        return cli::file_error(exit_code_of(error), image, error.value());
    };
    const image_lock lock = image_lock::take(image, image_use::read);
    const auto e = thread_env::make();
    if (!e)
        throw fail(e.error());
    const auto device = make_image_device({.path = image, .read_only = true});
    if (!device)
        throw fail(device.error());
    lock.check_still_at(image);
    std::string why;
    auto report = check(**device, **e, {}, why);
    if (!report && why.empty())
        throw fail(report.error());
    if (!report)
        throw cli::program_error(exit_code_of(report.error()), image, why, report.error().value());
    return std::move(*report);
}

// --- text ---

/// With a colon behind it. Of blocks it is in the sentence.
std::string where(const fsck_finding& finding) {
    if (!finding.path.empty())
        return cli::printable(finding.path) + ": ";
    if (finding.inode)
        return fmt::format("inode {}: ", *finding.inode);
    if (finding.key && !finding.block)
        return fmt::format("item ({}, {}, {}): ", static_cast<unsigned>(finding.key->type),
                           finding.key->object, finding.key->offset);
    return {};
}

void print(const fsck_report& report) {
    for (const fsck_finding& finding : report.findings)
        fmt::print("{}: {}{}\n", name_of(finding.kind), where(finding), finding.what);
    if (report.findings_count > report.findings.size())
        fmt::print("and {} more\n", report.findings_count - report.findings.size());
    for (const std::string& note : report.notes)
        fmt::print("note: {}\n", note);
    const fsck_totals& totals = report.totals;
    fmt::print("generation {}: {} directories, {} files, {} extents ({} encrypted, {} references), {} nodes, "
               "{} of {} blocks free{}\n",
               report.super.generation, totals.directories, totals.files, totals.extents,
               totals.encrypted_extents, totals.references, totals.nodes, totals.free_blocks,
               report.super.blocks, report.is_clean() ? ": clean" : "");
}

std::string summary(const fsck_report& report) {
    return fmt::format("{} finding{}{}", report.findings_count, report.findings_count == 1 ? "" : "s",
                       report.is_incomplete ? ", and not all could be checked" : "");
}

// --- JSON ---

template <typename T>
json or_null(const std::optional<T>& value) {
    return value ? json(*value) : nullptr;
}

json to_json(const fsck_finding& finding) {
    json key = nullptr;
    if (finding.key)
        key = {{"type", static_cast<unsigned>(finding.key->type)},
               {"object", finding.key->object},
               {"offset", finding.key->offset}};
    return {{"kind", name_of(finding.kind)},
            {"block", or_null(finding.block)},
            {"key", key},
            {"inode", or_null(finding.inode)},
            {"path", finding.path.empty() ? json(nullptr) : json(finding.path)},
            {"what", finding.what}};
}

json to_json(const fsck_totals& totals) {
    return {{"inodes", totals.inodes},
            {"directories", totals.directories},
            {"files", totals.files},
            {"dir_entries", totals.dir_entries},
            {"file_extents", totals.file_extents},
            {"extents", totals.extents},
            {"encrypted_extents", totals.encrypted_extents},
            {"references", totals.references},
            {"data_bytes", totals.data_bytes},
            {"nodes", totals.nodes},
            {"leaves", totals.leaves},
            {"free_blocks", totals.free_blocks}};
}

json to_json(const fsck_report& report) {
    json document = cli::make_document("fsdemo.fsck", 1);
    document["clean"] = report.is_clean();
    document["incomplete"] = report.is_incomplete;
    document["fs_uuid"] = cli::to_hex(report.super.uuid);
    document["generation"] = report.super.generation;
    document["blocks"] = report.super.blocks;
    for (const superblock_state state : report.superblocks)
        document["superblocks"].push_back(name_of(state));
    document["notes"] = report.notes;
    document["findings_count"] = report.findings_count;
    document["findings"] = json::array();
    for (const fsck_finding& finding : report.findings)
        document["findings"].push_back(to_json(finding));
    document["totals"] = to_json(report.totals);
    return document;
}

class fsck_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override {
        CLI::App* app = cli::add_verb(program, "fsck",
                                      "Check all metadata of an image; exit code 1 if something is wrong",
                                      "fsdemo fsck disk.img");
        app->add_option("IMAGE", image_, "an image that `fsdemo mkfs` made")->required()->type_name("");
        json_.add_to(*app);
        return app;
    }

    int run() override {
        check_not_image(json_, image_);
        json_.open();
        const fsck_report report = check_image(image_);
        if (json_.wants_text())
            print(report);
        json_.write(to_json(report));
        if (!report.is_clean())
            throw cli::program_error(cli::exit_failed, image_, summary(report));
        return cli::exit_success;
    }

  private:
    std::string image_;
    cli::json_output json_;
};

} // namespace

std::unique_ptr<cli::verb> make_fsck_verb() {
    return std::make_unique<fsck_verb>();
}

} // namespace blkcrypto::fsdemo::tools
