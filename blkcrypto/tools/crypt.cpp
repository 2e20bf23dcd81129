// SPDX-License-Identifier: Apache-2.0
// blkcrypto crypt: whole data units from a file or stream through the cipher into another, as they would
// stand on a disk. No bio and no device are involved: this is the tool to make and to check ciphertext with.
// Memory does not grow with the input.

#include "blkcrypto/cipher/skcipher.hpp"
#include "blkcrypto/tools/cli/choice.hpp"
#include "blkcrypto/tools/cli/file.hpp"
#include "blkcrypto/tools/cli/key_file.hpp"
#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "blkcrypto/tools/cli/progress.hpp"
#include "blkcrypto/tools/verbs.hpp"

#include <array>
#include <fmt/format.h>
#include <limits>

namespace blkcrypto::tools {
namespace {

constexpr std::size_t buffer_bytes = 1024 * 1024;
static_assert(buffer_bytes % data_unit_size::max_bytes == 0);

// How many data units have an IV of at most `iv_bytes` bytes; as good as endless if the number does not fit.
std::uint64_t units_that_fit(const iv_sequence& ivs, unsigned iv_bytes) {
    constexpr std::uint64_t endless = std::numeric_limits<std::uint64_t>::max();
    if (ivs.next().significant_bytes() > iv_bytes)
        return 0;
    // The greatest IV is all ones, so what is left up to it is the complement.
    const auto& limbs = ivs.next().limbs;
    for (std::size_t i = 1; i < iv_bytes / sizeof(limbs[0]); ++i)
        if (limbs[i] != endless)
            return endless;
    const std::uint64_t steps = (endless - limbs[0]) >> ivs.shift();
    return steps == endless ? endless : steps + 1;
}

// One run through the cipher: what is to be done, checked, and where it has got to.
class crypt_stream {
  public:
    crypt_stream(const skcipher& tfm, const crypto_mode_info& mode, cipher_direction direction,
                 data_unit_size unit_size, const iv_sequence& ivs)
        : tfm_(tfm), mode_(mode), direction_(direction), unit_size_(unit_size), ivs_(ivs),
          units_left_(units_that_fit(ivs, mode.iv_size_bytes)) {}

    /// Throws unless `length_bytes` of input are whole units that all have a DUN the mode can use.
    void check_length(const std::string& name, std::uint64_t length_bytes) const {
        if (!unit_size_.divides(length_bytes))
            throw cli::unusable(name, fmt::format("{} bytes are not whole data units of {}", length_bytes,
                                                  unit_size_.bytes()));
        if (unit_size_.units_in(length_bytes) > units_left_)
            throw dun_too_large();
    }

    /// Until the input ends. Where it turns out not to fit, the units before that have been written.
    void run(cli::file& input, cli::file& output, cli::progress& progress);

    cli::program_error dun_too_large() const {
        return cli::unusable("--dun",
                             fmt::format("the data unit number does not fit the {} bytes of an {} IV",
                                         mode_.iv_size_bytes, mode_.name));
    }

  private:
    // The rest of data that went through here, plaintext at one end, is not left in the heap.
    struct wiped_buffer {
        std::vector<std::byte> bytes = std::vector<std::byte>(buffer_bytes);
        wiped_buffer() = default;
        wiped_buffer(const wiped_buffer&) = delete;
        wiped_buffer& operator=(const wiped_buffer&) = delete;
        ~wiped_buffer() { zeroize(bytes); }
    };

    void crypt_in_place(bytes_span data);

    const skcipher& tfm_;
    const crypto_mode_info& mode_;
    cipher_direction direction_;
    data_unit_size unit_size_;
    iv_sequence ivs_; // of the units to come
    std::uint64_t units_left_;
    cipher_lane lane_{0};
};

void crypt_stream::run(cli::file& input, cli::file& output, cli::progress& progress) {
    wiped_buffer buffer;
    std::uint64_t done_bytes = 0;
    bool at_end = false;
    while (!at_end) {
        const std::size_t got = input.read(buffer.bytes);
        at_end = got < buffer_bytes;
        const std::uint64_t units = std::min(unit_size_.units_in(got), units_left_);
        const auto whole = bytes_span(buffer.bytes).first(units << unit_size_.bits());
        crypt_in_place(whole);
        output.write(whole);
        done_bytes += whole.size();
        if (unit_size_.units_in(got) > units)
            throw dun_too_large();
        if (!unit_size_.divides(got))
            throw cli::unusable(input.name(), fmt::format("{} bytes after the last whole data unit of {}",
                                                          got - whole.size(), unit_size_.bytes()));
        progress.update(done_bytes);
    }
}

void crypt_stream::crypt_in_place(bytes_span data) {
    if (data.empty())
        return;
    const cipher_segment all{data.data(), data.data(), data.size()};
    tfm_.crypt(direction_, ivs_, unit_size_, {&all, 1}, lane_);
    const std::uint64_t units = unit_size_.units_in(data.size());
    ivs_.skip(units);
    units_left_ -= units;
}

std::unique_ptr<skcipher> make_keyed_tfm(const crypto_mode_info& mode,
                                         const cli::key_file_options& key_file) {
    auto tfm = make_skcipher(mode.mode, 1);
    if (tfm.has_error())
        throw cli::unusable(mode.name, "no implementation of this mode here", tfm.error().value());
    const secret key = key_file.read(mode);
    const std::error_code error = (*tfm)->setkey(key.bytes());
    if (error)
        throw cli::unusable(key_file.path, "the key is not accepted", error.value());
    return std::move(*tfm);
}

class crypt_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override;
    int run() override;

  private:
    cipher_direction direction() const {
        constexpr std::array<std::string_view, 2> names{"encrypt", "decrypt"};
        return cli::parse_choice("DIRECTION", direction_, names) == 0 ? cipher_direction::encrypt
                                                                      : cipher_direction::decrypt;
    }
    void check_distinct_inputs() const;
    cli::file open_distinct_output(const cli::file& input) const;

    std::string direction_;
    std::string mode_ = "aes-256-xts";
    cli::key_file_options key_file_;
    std::string unit_size_ = "4096";
    std::string dun_ = "0";
    std::string iv_shift_ = "0";
    std::string in_ = cli::standard_stream;
    std::string out_ = cli::standard_stream;
};

CLI::App* crypt_verb::add_to(CLI::App& program) {
    CLI::App* app = cli::add_verb(program, "crypt", "Encrypt or decrypt whole data units, file to file",
                                  "blkcrypto crypt encrypt --mode aes-256-xts --key-file key.bin "
                                  "--data-unit-size 4k --dun 0 --in plain --out cipher");
    app->add_option("DIRECTION", direction_, "encrypt or decrypt")->required()->type_name("");
    app->add_option("--mode", mode_, "see blkcrypto modes (default aes-256-xts)")->type_name("MODE");
    key_file_.add_to(*app);
    app->add_option("--data-unit-size", unit_size_, "512 to 64k (default 4k)")->type_name("SIZE");
    app->add_option("--dun", dun_,
                    "of the first unit, decimal or 0x..., below 2^128, adiantum 2^256 (default 0)")
        ->type_name("NUMBER");
    app->add_option("--iv-shift", iv_shift_,
                    "0 to 7: the IV of the next unit is 2^N more, not 1;\n--dun is the first IV. LUKS2 with "
                    "4096-byte sectors: 3,\nand --dun is 8 times the sector's number (default 0)")
        ->type_name("N");
    app->add_option("--in", in_, "default stdin")->type_name("FILE");
    app->add_option("--out", out_, "default stdout; replaced")->type_name("FILE");
    return app;
}

// Before either is opened: a pipe that was read for the key lacks those bytes as data. /dev/stdin is stdin
// too.
void crypt_verb::check_distinct_inputs() const {
    const bool is_stdin = key_file_.is_stdin() || in_ == cli::standard_stream;
    if ((key_file_.is_stdin() && in_ == cli::standard_stream) ||
        cli::file::are_same_input(key_file_.path, in_))
        throw cli::unusable("--key-file", fmt::format("the key and the data cannot both come from {}",
                                                      is_stdin ? "stdin" : in_));
}

// Opened, but not truncated before it is known to be no file that is still needed.
cli::file crypt_verb::open_distinct_output(const cli::file& input) const {
    cli::file output = cli::file::open_output(out_);
    if (output.is_same_as(input))
        throw cli::unusable("--out", fmt::format("{} is also the input", output.name()));
    if (!key_file_.is_stdin() && output.is_same_as(key_file_.path))
        throw cli::unusable("--out", fmt::format("{} is also the key file", output.name()));
    output.truncate();
    return output;
}

int crypt_verb::run() {
    const cipher_direction way = direction();
    const crypto_mode_info& mode = cli::parse_mode("--mode", mode_);
    const data_unit_size unit_size = cli::parse_data_unit_size("--data-unit-size", unit_size_);
    const iv_sequence ivs(
        cli::parse_uint256("--dun", dun_),
        static_cast<unsigned>(cli::parse_count("--iv-shift", iv_shift_, 0, iv_sequence::shift_max)));
    check_distinct_inputs();
    const auto tfm = make_keyed_tfm(mode, key_file_);

    cli::file input = cli::file::open_input(in_);
    const auto length_bytes = input.remaining_bytes();
    crypt_stream stream(*tfm, mode, way, unit_size, ivs);
    if (ivs.next().significant_bytes() > mode.iv_size_bytes)
        throw stream.dun_too_large();
    stream.check_length(input.name(), length_bytes.value_or(0));
    cli::file output = open_distinct_output(input);
    cli::progress progress(direction_, length_bytes);
    stream.run(input, output, progress);
    output.close();
    return cli::exit_success;
}

} // namespace

std::unique_ptr<cli::verb> make_crypt_verb() {
    return std::make_unique<crypt_verb>();
}

} // namespace blkcrypto::tools
