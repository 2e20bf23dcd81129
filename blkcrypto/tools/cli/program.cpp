// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/cli/program.hpp"

#include "blkcrypto/tools/cli/printable.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <iostream>
#include <sys/prctl.h>
#include <unistd.h>

namespace blkcrypto::cli {
namespace {

// CLI11 writes a flag's default value as --name{value}.
class help_formatter : public CLI::Formatter {
  public:
    std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
        const std::string name = CLI::Formatter::make_option_name(option, is_positional);
        return name.starts_with("--json") ? "--json[=FILE]" : name;
    }
};

// A descriptor that a closed stdin, stdout or stderr would give to the next file opened: anything written to
// or read from it fails now.
void occupy_standard_descriptors() {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

void prepare_process() {
    occupy_standard_descriptors();
    prctl(PR_SET_DUMPABLE, 0);
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN); // a write beyond the limit is EFBIG then
}

// One line whatever the message quotes: file names may hold newlines and terminal escapes.
void print_error(std::string_view program, std::string_view message) {
    const std::string line = fmt::format("{}: {}\n", program, printable(message));
    std::fwrite(line.data(), 1, line.size(), stderr);
}

void flush_stdout() {
    std::cout.flush();
    if (!std::cout || std::fflush(stdout) != 0)
        throw file_error(exit_failed, "stdout", errno);
}

std::string verb_names(const CLI::App& program) {
    std::vector<std::string> names;
    for (const auto* subcommand : program.get_subcommands([](const CLI::App*) { return true; }))
        names.push_back(subcommand->get_name());
    return fmt::format("{}", fmt::join(names, ", "));
}

program_error usage_error(const CLI::App& program, const CLI::ParseError& error, int argc, char** argv) {
    const auto chosen = program.get_subcommands();
    if (!chosen.empty())
        return unusable(chosen.front()->get_name(), fmt::format("{} (see --help)", error.what()));
    if (argc > 1)
        return unusable(argv[1],
                        fmt::format("neither a verb nor an option; the verbs are {}", verb_names(program)));
    return unusable("usage", fmt::format("a verb is missing: {}", verb_names(program)));
}

// An empty value names nothing, and means no default: most likely a variable was not set.
void refuse_empty(std::string_view option) {
    throw unusable(option, "the value is empty");
}

// CLI11 takes "--name=" for "--name", and the next word for the value.
void refuse_nothing_assigned(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--")
            return;
        if (word.starts_with("--") && word.find('=') == word.size() - 1)
            refuse_empty(word);
    }
}

// Operands say themselves what is wrong with them: an empty path, say, is ENOENT.
void refuse_empty_values(const CLI::App& chosen) {
    for (const CLI::Option* option : chosen.get_options())
        if (option->nonpositional() && std::ranges::count(option->results(), std::string()) != 0)
            refuse_empty(option->get_name());
}

// Null if the command line asked for help or the version, which has been printed.
verb* choose_verb(CLI::App& program, const verb_list& verbs, int argc, char** argv) {
    std::vector<std::pair<CLI::App*, verb*>> declared;
    for (const auto& v : verbs)
        declared.emplace_back(v->add_to(program), v.get());
    try {
        refuse_nothing_assigned(argc, argv);
        program.parse(argc, argv);
    } catch (const CLI::Success& help_or_version) {
        program.exit(help_or_version);
        return nullptr;
    } catch (const CLI::ParseError& error) {
        throw usage_error(program, error, argc, argv);
    }
    const auto& chosen = *std::ranges::find_if(declared, [](const auto& d) { return d.first->parsed(); });
    refuse_empty_values(*chosen.first);
    return chosen.second;
}

int run(const std::string& name, const std::string& description, const verb_list& verbs, int argc,
        char** argv) {
    CLI::App program(description, name);
    program.formatter(std::make_shared<help_formatter>());
    program.set_version_flag("--version", fmt::format("{} {}", name, BLKCRYPTO_VERSION));
    program.require_subcommand(1);
    verb* chosen = choose_verb(program, verbs, argc, argv);
    const int exit_code = chosen == nullptr ? exit_success : chosen->run();
    flush_stdout();
    return exit_code;
}

} // namespace

CLI::App* add_verb(CLI::App& program, const std::string& name, const std::string& description,
                   const std::string& example) {
    CLI::App* subcommand = program.add_subcommand(name, description);
    return subcommand->footer("Example:\n  " + example);
}

int run_program(const std::string& name, const std::string& description, const verb_list& verbs, int argc,
                char** argv) noexcept {
    try {
        prepare_process();
        return run(name, description, verbs, argc, argv);
    } catch (const program_error& error) {
        print_error(name, error.what());
        return error.exit_code();
    } catch (const std::bad_alloc&) {
        print_error(name, "memory: none left (ENOMEM)");
    } catch (const std::exception& error) {
        print_error(name, error.what());
    }
    return exit_failed;
}

} // namespace blkcrypto::cli
