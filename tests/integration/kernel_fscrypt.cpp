// SPDX-License-Identifier: Apache-2.0
// kernel_fscrypt DIRECTORY IMAGE: is what the running kernel says and writes on an ext4 image, mounted at the
// directory, what fsdemo says and computes? Keys, policies, and ciphertext block for block, with AES-256-XTS
// (a kernel may lack the other modes). A line for what differs, and exit 1; 77 if the kernel refuses all of
// it.

#include "blkcrypto/cipher/skcipher.hpp"
#include "fsdemo/iv.hpp"
#include "tests/integration/kernel_mount.hpp"
#include "tests/support/random_bytes.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace blkcrypto::test {
namespace {

using namespace fsdemo;

constexpr int skipped = 77;
constexpr std::uint64_t seed = 1;

int failures = 0;

void expect(bool holds, const std::string& what) {
    if (holds)
        return;
    std::printf("FAILED: %s\n", what.c_str());
    ++failures;
}

// What ext4 with stable_inodes and blocks of 4096 bytes can do.
constexpr crypto_traits ext4_traits{.has_per_extent_encryption = false,
                                    .has_stable_inodes = true,
                                    .has_32bit_inodes = true,
                                    .file_bytes_max = (std::uint64_t{1} << 44) - 4096};

encryption_policy usual_policy(const key_identifier& identifier) {
    return {.contents_mode = fscrypt_mode::aes_256_xts,
            .filenames_mode = fscrypt_mode::aes_256_cts,
            .flags = policy_flags_pad_32,
            .master_key_identifier = identifier};
}

void make_directory(const kernel_mount& mount, const std::string& name) {
    if (::mkdir(mount.path_of(name).c_str(), 0700) != 0)
        throw std::system_error(errno, std::generic_category(), name);
}

// What a file with a policy is encrypted with.
class file_encryption {
  public:
    file_encryption(const kernel_mount& mount, const encryption_policy& policy, const master_key& key,
                    const file_descriptor& file)
        : unit_(unit_size_of(policy, ext4_traits)), source_{.flavour = flavour_of(policy.flags)},
          tfm_(make_skcipher(crypto_mode::aes_256_xts, 1).value()) {
        std::array<std::byte, 16> hash_key;
        key.derive(hkdf_context::inode_hash_key, {}, hash_key);
        source_.inode = inode_of(file);
        source_.hashed_inode = hash_inode_number(hash_key, source_.inode);
        set_key(key, nonce_of(file), mount.uuid());
    }

    /// Of whole blocks of the file.
    std::vector<std::byte> encrypt(std::uint64_t offset, std::vector<std::byte> plain) const {
        cipher_lane lane(0);
        for (std::size_t at = 0; at < plain.size(); at += unit_.bytes()) {
            const cipher_segment in_place{&plain[at], &plain[at], unit_.bytes()};
            const auto first = generate_dun(source_, unit_index(offset + at, unit_));
            tfm_->crypt(cipher_direction::encrypt, first.value(), unit_, {&in_place, 1}, lane);
        }
        return plain;
    }

    /// The block of which the last data unit before the IV goes from ffffffff to 0 is.
    std::uint64_t last_block_before_wrap() const { return 0xffffffff - source_.hashed_inode; }

  private:
    void set_key(const master_key& master, const crypto_nonce& nonce, const std::array<std::byte, 16>& uuid) {
        std::vector<std::byte> info(nonce.begin(), nonce.end());
        auto context = hkdf_context::per_file_enc_key;
        if (source_.flavour != iv_flavour::per_file) {
            context = source_.flavour == iv_flavour::iv_ino_lblk_64 ? hkdf_context::iv_ino_lblk_64_key
                                                                    : hkdf_context::iv_ino_lblk_32_key;
            info.assign(uuid.begin(), uuid.end());
            info.insert(info.begin(), static_cast<std::byte>(fscrypt_mode::aes_256_xts));
        }
        std::array<std::byte, 64> key;
        master.derive(context, info, key);
        if (tfm_->setkey(key))
            throw std::runtime_error("a derived key was refused");
    }

    data_unit_size unit_;
    iv_source source_;
    std::unique_ptr<skcipher> tfm_;
};

struct written_file {
    const kernel_mount& mount;
    const file_descriptor& file;
    const file_encryption& encryption;
    std::string name;

    // Some whole blocks and a part of one, which ext4 fills up with zeros.
    void check_blocks(std::uint64_t first_block, std::size_t size_bytes) const {
        constexpr std::size_t block = kernel_mount::block_bytes;
        auto plain = random_bytes(size_bytes, seed + first_block);
        write_at(file, first_block * block, plain);
        write_back(file);
        plain.resize((size_bytes + block - 1) / block * block);
        const auto expected = encryption.encrypt(first_block * block, plain);
        for (std::size_t i = 0; i * block < plain.size(); ++i) {
            const auto raw = mount.raw_block(file, first_block + i);
            expect(std::ranges::equal(raw, bytes_view(expected).subspan(i * block, block)),
                   name + ": block " + std::to_string(first_block + i) + " differs");
        }
    }
};

// Writes a file under the policy, at its beginning and as far out as ext4 goes, and looks at what is on the
// medium.
void check_contents(const kernel_mount& mount, const master_key& key, const std::string& name,
                    const encryption_policy& policy) {
    make_directory(mount, name);
    std::string_view why;
    expect(check_policy(encode(policy), ext4_traits, why).has_value(), name + ": " + std::string(why));
    const int refused = mount.set_policy(name, encode(policy));
    if (refused != 0 && policy.log2_data_unit_size != 0) {
        std::printf("%s: this kernel has no such data units\n", name.c_str());
        return;
    }
    expect(refused == 0, name + ": policy refused");
    expect(mount.get_policy(name) == encode(policy), name + ": another policy comes back");
    const file_descriptor file(mount.path_of(name + "/file"), O_RDWR | O_CREAT | O_EXCL);
    const file_encryption encryption(mount, policy, key, file);
    const written_file written{mount, file, encryption, name};
    written.check_blocks(0, 5 * kernel_mount::block_bytes + 1000);
    written.check_blocks(0xfffffff0, 3 * kernel_mount::block_bytes);
    if (flavour_of(policy.flags) == iv_flavour::iv_ino_lblk_32)
        written.check_blocks(encryption.last_block_before_wrap() - 2, 6 * kernel_mount::block_bytes);
}

void check_all_contents(const kernel_mount& mount, const master_key& key) {
    auto policy = usual_policy(key.identifier());
    check_contents(mount, key, "per_file", policy);
    policy.flags = policy_flag_iv_ino_lblk_64;
    check_contents(mount, key, "iv_ino_lblk_64", policy);
    policy.flags = policy_flag_iv_ino_lblk_32;
    check_contents(mount, key, "iv_ino_lblk_32", policy);
    policy.flags = 0;
    policy.log2_data_unit_size = 9;
    check_contents(mount, key, "units_of_512", policy);
}

// Of a policy that may be broken in any way, the kernel's answer and ours.
void check_verdict(const kernel_mount& mount, const encryption_policy& policy) {
    make_directory(mount, "verdict");
    const auto bytes = encode(policy);
    const int refused = mount.set_policy("verdict", bytes);
    std::string_view why;
    const bool is_allowed = check_policy(bytes, ext4_traits, why).has_value();
    std::string text;
    for (const auto byte : bytes)
        text += std::to_string(std::to_integer<unsigned>(byte)) + " ";
    expect(refused == (is_allowed ? 0 : EINVAL),
           "policy " + text + "kernel: " + std::to_string(refused) + ", ours: '" + std::string(why) + "'");
    ::rmdir(mount.path_of("verdict").c_str());
}

encryption_policy random_policy(random_source& random, const key_identifier& identifier) {
    constexpr std::array<std::uint8_t, 9> flags{0, 3, 4, 8, 16, 12, 24, 32, 255};
    constexpr std::array<std::uint8_t, 9> unit_bits{0, 0, 8, 9, 10, 12, 13, 16, 200};
    auto policy = usual_policy(identifier);
    if (random.below(2) == 0) {
        policy.contents_mode = static_cast<fscrypt_mode>(random.below(12));
        policy.filenames_mode = random.below(3) == 0 ? static_cast<fscrypt_mode>(random.below(12))
                                                     : default_filenames_mode(policy.contents_mode);
    }
    policy.flags = flags[random.below(flags.size())];
    policy.log2_data_unit_size = unit_bits[random.below(unit_bits.size())];
    policy.reserved[random.below(3)] = static_cast<std::byte>(random.below(4) == 0);
    return policy;
}

void check_verdicts(const kernel_mount& mount, const key_identifier& identifier) {
    random_source random(seed);
    for (int round = 0; round < 1000; ++round)
        check_verdict(mount, random_policy(random, identifier));
}

// The same steps with the kernel's keyring and with ours, and what both say after each.
class two_keyrings {
  public:
    two_keyrings(const kernel_mount& mount, const key_identifier& identifier, bytes_view raw_key)
        : mount_(mount), identifier_(identifier), raw_key_(raw_key.begin(), raw_key.end()) {}

    void add() {
        expect(mount_.add_key(raw_key_) == ring_.add(raw_key_), "adding the key gives other identifiers");
        check_status("add");
    }
    void remove() {
        const auto theirs = mount_.remove_key(identifier_);
        const auto ours = ring_.remove(identifier_);
        expect(theirs.has_value() == ours.has_value(), "removing the key has another result");
        if (theirs.has_value() && ours.has_value())
            expect(theirs->files_busy == ours->files_busy && theirs->other_users == ours->other_users,
                   "removing the key has other flags");
        check_status("remove");
    }
    void open(const std::string& directory) {
        auto ours = ring_.get(identifier_, 32);
        try {
            file_descriptor theirs(only_file_in(directory), O_RDWR);
            file_.emplace(std::move(theirs));
        } catch (const std::system_error& refused) {
            expect(!ours.has_value() && refused.code() == ours.error(),
                   std::string("opening a file has another result: ") + refused.what());
            return;
        }
        expect(ours.has_value(), "the kernel opens a file without a key");
        if (ours.has_value())
            ref_ = std::move(*ours);
    }
    // Of a key that was removed. The kernel keeps inodes that nobody uses, until it is told once more.
    void close() {
        file_.reset();
        (void)mount_.remove_key(identifier_);
        ref_ = master_key_ref();
        check_status("close");
    }

  private:
    // Without the key it has another name.
    std::string only_file_in(const std::string& directory) const {
        const std::filesystem::directory_iterator first(mount_.path_of(directory));
        return first->path();
    }
    void check_status(const std::string& after) {
        expect(mount_.key_status(identifier_) == ring_.status(identifier_), "key status after " + after);
    }

    const kernel_mount& mount_;
    key_identifier identifier_;
    std::vector<std::byte> raw_key_;
    keyring ring_;
    std::optional<file_descriptor> file_;
    master_key_ref ref_;
};

void check_keyring(const kernel_mount& mount, const key_identifier& identifier, bytes_view raw_key) {
    two_keyrings both(mount, identifier, raw_key);
    both.add();
    both.open("per_file");
    both.remove();
    both.open("iv_ino_lblk_64"); // refused
    both.remove();
    both.add();
    both.open("iv_ino_lblk_64");
    both.remove();
    both.close();
    both.remove();
    both.open("per_file"); // refused
}

int check(const kernel_mount& mount) {
    const auto raw_key = random_bytes(64, seed);
    const auto identifier = mount.add_key(raw_key);
    if (!identifier.has_value()) {
        std::printf("skipped: the kernel takes no key: %s\n", identifier.error().message().c_str());
        return skipped;
    }
    {
        keyring ring;
        expect(ring.add(raw_key).value() == *identifier, "the key has another identifier");
        check_all_contents(mount, *ring.get(ring.add(raw_key).value(), 32).value());
    }
    check_verdicts(mount, *identifier);
    check_keyring(mount, *identifier, raw_key);
    return failures == 0 ? 0 : 1;
}

} // namespace
} // namespace blkcrypto::test

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: kernel_fscrypt DIRECTORY IMAGE\n", stderr);
        return 2;
    }
    try {
        return blkcrypto::test::check({argv[1], argv[2]});
    } catch (const std::exception& error) {
        std::printf("FAILED: %s\n", error.what());
        return 1;
    }
}
