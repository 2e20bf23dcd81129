// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/extent_crypt_info.hpp"

#include "fsdemo/key_strategy.hpp"

#include <cassert>
#include <cerrno>
#include <sys/mman.h>

namespace blkcrypto::fsdemo {
namespace {

constexpr allocation_class info_memory{"extent_keys"};

/// Why modules may be null there.
class built_in final : public module_loader {
  public:
    acquire_outcome request(crypto_mode, waiter&, blk_status&) noexcept override {
        return acquire_outcome::ready;
    }
    std::error_code load(crypto_mode) override { return {}; }
};
constinit built_in no_modules;

std::size_t memory_bytes_per_extent(const crypto_door& door) noexcept {
    const std::size_t wanted = door.strategy == nullptr ? 0 : door.strategy->traits().extent_memory_bytes;
    return (wanted + 63) & ~std::size_t{63};
}

} // namespace

// --- an extent's info ---

std::error_code extent_crypt_info::derive(secret& into) const noexcept {
    if (!into.resize(find_mode(config().mode)->key_size_bytes))
        return make_error(EINVAL);
    if (keys_.derived_ != nullptr)
        keys_.derived_->get(master_, nonce_, config().mode, into.writable());
    else
        master_.derive(hkdf_context::per_extent_enc_key, nonce_, into.writable());
    return {};
}

secret& extent_crypt_info::scratch() const noexcept {
    return keys_.scratch_;
}

module_loader& extent_crypt_info::modules() const noexcept {
    return keys_.modules_ == nullptr ? no_modules : *keys_.modules_;
}

/// Pages that core dumps leave out, for what a strategy expands keys into.
class extent_keys::memory_chunk {
  public:
    static result<memory_chunk> make(std::size_t bytes) {
        if (bytes == 0)
            return memory_chunk({});
        // All of its pages now: the first use of a place is in the I/O path.
        constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
        void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (mapped == MAP_FAILED)
            return make_error(ENOMEM);
        (void)madvise(mapped, bytes, MADV_DONTDUMP); // best effort; programs have no core dumps besides
        return memory_chunk({static_cast<std::byte*>(mapped), bytes});
    }
    memory_chunk(memory_chunk&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    memory_chunk& operator=(memory_chunk&& other) noexcept {
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~memory_chunk() {
        if (bytes_.empty())
            return;
        zeroize(bytes_);
        (void)munmap(bytes_.data(), bytes_.size());
    }

    bytes_span part(std::size_t index, std::size_t part_bytes) const noexcept {
        return part_bytes == 0 ? bytes_span{} : bytes_.subspan(index * part_bytes, part_bytes);
    }

  private:
    explicit memory_chunk(bytes_span bytes) noexcept : bytes_(bytes) {}
    bytes_span bytes_;
};

// --- making ---

extent_keys::extent_keys(const crypto_door& door, const extent_keys_options& options, secret&& scratch)
    : door_(door), derived_(options.derived), modules_(options.modules), scratch_(std::move(scratch)) {}

result<std::unique_ptr<extent_keys>> extent_keys::make(const crypto_door& door,
                                                       const extent_keys_options& options) {
    if (options.capacity == 0)
        return make_error(EINVAL);
    auto scratch = secret::make(raw_key_size_max_bytes);
    if (!scratch)
        return scratch.error();
    return or_no_memory([&]() -> result<std::unique_ptr<extent_keys>> {
        std::unique_ptr<extent_keys> made(new extent_keys(door, options, std::move(*scratch)));
        if (const std::error_code error = made->grow(options.capacity))
            return error;
        return made;
    });
}

std::error_code extent_keys::grow(unsigned count) {
    const std::size_t each_bytes = memory_bytes_per_extent(door_);
    const unsigned before = capacity();
    if (!door_.environment.allow_allocation(info_memory, (count - before) * (sizeof(place) + each_bytes)))
        return make_error(ENOMEM);
    auto memory = memory_chunk::make((count - before) * each_bytes);
    if (!memory)
        return memory.error();
    memory_.push_back(std::move(*memory));
    index_.grow(count);
    places_.resize(count);
    for (unsigned i = before; i < count; ++i)
        places_[i].memory = memory_.back().part(i - before, each_bytes);
    return {};
}

extent_keys::~extent_keys() {
    assert(in_use_ == 0);
    for (std::uint32_t i = 0; i < places_.size(); ++i)
        if (places_[i].key)
            vacate(i);
}

// --- finding ---

std::uint32_t extent_keys::find(const master_key& master, const crypto_nonce& nonce, crypto_mode mode,
                                const file_crypt_info* file) const noexcept {
    for (std::uint32_t i = index_.first_like(nonce); i != none; i = index_.next_like(i)) {
        const extent_crypt_info& key = *places_[i].key;
        if (key.nonce_ == nonce && &key.master_ == &master && key.config().mode == mode && key.file_ == file)
            return i;
    }
    return none;
}

extent_keys::grant extent_keys::get(const master_key& master, const crypto_nonce& nonce,
                                    const crypto_config& config, file_crypt_info* file) noexcept {
    std::uint32_t index = find(master, nonce, config.mode, file);
    // The same nonce with another unit size is a damaged image, or somebody's copy: never the same key
    // object.
    if (index != none && places_[index].key->config().unit_size != config.unit_size)
        return {nullptr, make_error(EINVAL)};
    if (index != none) {
        ++counters_.hits;
        if (places_[index].references == 0)
            index_.take(index);
    } else {
        index = index_.least_recent();
        if (index == none)
            return {};
        if (const std::error_code error = move_in(index, master, nonce, config, file))
            return {nullptr, error};
        index_.take(index);
    }
    place& p = places_[index];
    in_use_ += p.references == 0 ? 1 : 0;
    ++p.references;
    return {&*p.key, {}};
}

void extent_keys::put(extent_crypt_info& key) noexcept {
    const std::uint32_t index = key.place_;
    place& p = places_[index];
    assert(p.references != 0);
    if (--p.references != 0)
        return;
    --in_use_;
    index_.put_most_recent(index);
}

// --- what files keep ---

result<extent_crypt_info*> extent_keys::pin(const crypto_nonce& nonce, file_crypt_info& file) {
    if (index_.least_recent() == none)
        if (const std::error_code error = grow(capacity() + grown_at_once))
            return error;
    const grant granted = get(*file.master, nonce, file.config, &file);
    if (granted.error)
        return granted.error;
    place& p = places_[granted.key->place_];
    if (std::exchange(p.is_pinned, true))
        put(*granted.key);
    return granted.key;
}

void extent_keys::forget(file_crypt_info& file) noexcept {
    while (file.first_extent_ != none) {
        const std::uint32_t index = file.first_extent_;
        place& p = places_[index];
        if (std::exchange(p.is_pinned, false))
            put(*p.key);
        assert(p.references == 0);
        vacate_idle(index);
    }
}

void extent_keys::link_to_file(std::uint32_t index) noexcept {
    place& p = places_[index];
    if (p.key->file_ == nullptr)
        return;
    p.next_of_file = std::exchange(p.key->file_->first_extent_, index);
    if (p.next_of_file != none)
        places_[p.next_of_file].previous_of_file = index;
}

void extent_keys::unlink_from_file(std::uint32_t index) noexcept {
    place& p = places_[index];
    if (p.key->file_ == nullptr)
        return;
    (p.previous_of_file == none ? p.key->file_->first_extent_ : places_[p.previous_of_file].next_of_file) =
        p.next_of_file;
    if (p.next_of_file != none)
        places_[p.next_of_file].previous_of_file = p.previous_of_file;
    p.previous_of_file = p.next_of_file = none;
}

// --- moving in and out ---

std::error_code extent_keys::move_in(std::uint32_t index, const master_key& master, const crypto_nonce& nonce,
                                     const crypto_config& config, file_crypt_info* file) noexcept {
    place& p = places_[index];
    if (p.key) {
        ++counters_.evictions;
        vacate(index);
    }
    ++counters_.misses;
    p.key.emplace(config, master, nonce, file, p.memory, *this, index);
    if (const std::error_code error =
            start_using_key(door_.environment, door_.device, door_.fallback, *p.key)) {
        p.key.reset();
        return error;
    }
    index_.insert(nonce, index);
    link_to_file(index);
    return {};
}

// It goes when no keyslot and no pool has it any more.
void extent_keys::vacate(std::uint32_t index) noexcept {
    place& p = places_[index];
    (void)evict_key(door_.environment, door_.device, door_.fallback, *p.key); // the log has the error
    unlink_from_file(index);
    index_.erase(p.key->nonce_, index);
    p.key.reset();
}

void extent_keys::vacate_idle(std::uint32_t index) noexcept {
    vacate(index);
    index_.take(index);
    index_.put_least_recent(index);
}

void extent_keys::secret_wiped(const master_key& master) noexcept {
    for (std::uint32_t i = 0; i < places_.size(); ++i) {
        if (!places_[i].key || &places_[i].key->master_ != &master)
            continue;
        assert(places_[i].references == 0);
        vacate_idle(i);
    }
    if (derived_ != nullptr)
        derived_->forget(master);
    if (door_.strategy != nullptr)
        door_.strategy->key_removed(door_.environment, master.identifier());
}

} // namespace blkcrypto::fsdemo
