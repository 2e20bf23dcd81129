// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/placed_file.hpp"

#include <cerrno>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace blkcrypto::tools;
namespace fs = std::filesystem;

namespace {

class scratch {
  public:
    scratch() {
        std::string name = (fs::temp_directory_path() / "placed_file.XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~scratch() { fs::remove_all(path_); }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;

    std::string file(const char* name) const { return (path_ / name).string(); }
    std::ptrdiff_t files() const {
        return std::distance(fs::directory_iterator(path_), fs::directory_iterator());
    }

  private:
    fs::path path_;
};

void write(const std::string& path, const char* text) {
    std::ofstream(path) << text;
}

std::string read(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

void make(placed_file& file) {
    write(file.path(), "new");
    file.is_made();
}

} // namespace

TEST_CASE("a new file that is kept stays, and nothing else") {
    const scratch in;
    {
        placed_file file(in.file("a"));
        CHECK(!file.is_target_there());
        make(file);
        CHECK(!file.put_in_place(false));
        file.keep();
    }
    CHECK(read(in.file("a")) == "new");
    CHECK(in.files() == 1);
}

TEST_CASE("a new file that is not kept is gone, at every stage") {
    const scratch in;
    { placed_file planned(in.file("a")); }
    CHECK(in.files() == 0);
    {
        placed_file made(in.file("a"));
        make(made);
    }
    CHECK(in.files() == 0);
    {
        placed_file placed(in.file("a"));
        make(placed);
        CHECK(!placed.put_in_place(true));
        CHECK(read(in.file("a")) == "new");
    }
    CHECK(in.files() == 0);
}

TEST_CASE("what was replaced comes back unless the new file is kept") {
    const scratch in;
    write(in.file("a"), "old");
    {
        placed_file file(in.file("a"));
        make(file);
        CHECK(!file.put_in_place(true));
        CHECK(read(in.file("a")) == "new");
    }
    CHECK(read(in.file("a")) == "old");
    {
        placed_file file(in.file("a"));
        make(file);
        CHECK(!file.put_in_place(true));
        file.keep();
    }
    CHECK(read(in.file("a")) == "new");
    CHECK(in.files() == 1);
}

TEST_CASE("what is there is not replaced unasked") {
    const scratch in;
    write(in.file("a"), "old");
    {
        placed_file file(in.file("a"));
        CHECK(file.is_target_there());
        make(file);
        CHECK(file.put_in_place(false).value() == EEXIST);
    }
    CHECK(read(in.file("a")) == "old");
    CHECK(in.files() == 1);
}

TEST_CASE("what a process that was killed has left is in nobody's way") {
    const scratch in;
    const placed_file killed(in.file("a"));
    write(killed.path(), "left");
    placed_file file(in.file("a"));
    CHECK(file.path() != killed.path());
    make(file);
    CHECK(!file.put_in_place(false));
    file.keep();
    CHECK(read(in.file("a")) == "new");
    CHECK(read(killed.path()) == "left");
}

TEST_CASE("a directory is not replaced") {
    const scratch in;
    fs::create_directory(in.file("a"));
    {
        placed_file file(in.file("a"));
        make(file);
        CHECK(file.put_in_place(true).value() == EISDIR);
    }
    CHECK(fs::is_directory(in.file("a")));
    CHECK(in.files() == 1);
}

TEST_CASE("a link stays one, and what it leads to is replaced") {
    const scratch in;
    write(in.file("a"), "old");
    fs::create_symlink("a", in.file("link"));
    {
        placed_file file(in.file("link"));
        make(file);
        CHECK(!file.put_in_place(true));
        file.keep();
    }
    CHECK(fs::is_symlink(in.file("link")));
    CHECK(read(in.file("a")) == "new");
    CHECK(in.files() == 2);
}
