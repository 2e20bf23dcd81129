// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/node.hpp"

#include "fsdemo/crc32c.hpp"

#include <algorithm>

namespace blkcrypto::fsdemo {
namespace {

constexpr std::array<char, 4> node_magic{'f', 's', 'd', 'n'};

} // namespace

void node::init(unsigned level) noexcept {
    bytes_.fill(std::byte{0});
    bytes_[40] = static_cast<std::byte>(level);
}

// --- looking ---

unsigned node::lower_bound(const tree_key& wanted) const noexcept {
    unsigned first = 0;
    for (unsigned left = count(); left != 0;) {
        const unsigned half = left / 2;
        if (key(first + half) < wanted) {
            first += half + 1;
            left -= half + 1;
        } else {
            left = half;
        }
    }
    return first;
}

unsigned node::slot_towards(const tree_key& wanted) const noexcept {
    const unsigned at = lower_bound(wanted);
    const bool is_exact = at != count() && key(at) == wanted;
    return is_exact || at == 0 ? at : at - 1;
}

node_ref node::child(unsigned slot) const noexcept {
    const std::byte* const at = slot_at(slot) + key_bytes;
    return {load_little<std::uint64_t>(at), load_little<std::uint64_t>(at + 8)};
}

bytes_view node::item(unsigned slot) const noexcept {
    return bytes_view(bytes_).subspan(data_begin(slot), data_size(slot));
}

bytes_span node::item(unsigned slot) noexcept {
    return bytes_span(bytes_).subspan(data_begin(slot), data_size(slot));
}

std::size_t node::free_bytes() const noexcept {
    const std::size_t slots_end = header_bytes + count() * slot_bytes();
    return (is_leaf() ? data_end(count()) : std::size_t{block_bytes}) - slots_end;
}

unsigned node::middle() const noexcept {
    const std::size_t half = used_bytes() / 2;
    unsigned slot = 0;
    for (std::size_t before = 0; before < half && slot + 1 < count(); ++slot)
        before += slot_bytes() + (is_leaf() ? data_size(slot) : 0);
    return std::max(slot, 1U);
}

// --- changing ---

void node::set_child(unsigned slot, const node_ref& ref) noexcept {
    std::byte* const at = slot_at(slot) + key_bytes;
    store_little(at, ref.block);
    store_little(at + 8, ref.generation);
}

void node::insert_child(unsigned slot, const tree_key& key, const node_ref& ref) noexcept {
    assert(!is_leaf() && !is_full());
    std::memmove(slot_at(slot + 1), slot_at(slot), (count() - slot) * inner_slot_bytes);
    set_count(count() + 1);
    set_key(slot, key);
    set_child(slot, ref);
}

void node::shift_data(unsigned slot, std::ptrdiff_t by) noexcept {
    if (slot == count())
        return;
    const std::size_t begin = data_begin(count() - 1);
    std::byte* const from = bytes_.data() + begin;
    std::memmove(from + by, from, data_end(slot) - begin);
    for (unsigned i = slot; i < count(); ++i)
        store_little(slot_at(i) + key_bytes,
                     static_cast<std::uint16_t>(static_cast<std::ptrdiff_t>(data_begin(i)) + by));
}

void node::insert_item(unsigned slot, const tree_key& key, bytes_view data) noexcept {
    assert(is_leaf() && has_room_for(data.size()));
    const std::size_t end = data_end(slot);
    shift_data(slot, -static_cast<std::ptrdiff_t>(data.size()));
    std::memmove(slot_at(slot + 1), slot_at(slot), (count() - slot) * leaf_slot_bytes);
    set_count(count() + 1);
    store_key(slot_at(slot), key);
    store_little(slot_at(slot) + key_bytes, static_cast<std::uint16_t>(end - data.size()));
    store_little(slot_at(slot) + key_bytes + 2, static_cast<std::uint16_t>(data.size()));
    if (!data.empty())
        std::memcpy(bytes_.data() + end - data.size(), data.data(), data.size());
}

// What becomes free is zeroed: nothing of what was there goes to the image.
void node::erase(unsigned slot) noexcept {
    if (is_leaf()) {
        const std::size_t size = data_size(slot);
        const std::size_t free_from = data_end(count());
        const unsigned last = count() - 1;
        if (slot != last) {
            const std::size_t begin = data_begin(last);
            std::memmove(bytes_.data() + begin + size, bytes_.data() + begin, data_begin(slot) - begin);
            for (unsigned i = slot + 1; i <= last; ++i)
                store_little(slot_at(i) + key_bytes, static_cast<std::uint16_t>(data_begin(i) + size));
        }
        std::memset(bytes_.data() + free_from, 0, size);
    }
    const std::size_t bytes = slot_bytes();
    std::memmove(slot_at(slot), slot_at(slot + 1), (count() - slot - 1) * bytes);
    std::memset(slot_at(count() - 1), 0, bytes);
    set_count(count() - 1);
}

void node::move_tail(unsigned first, node& to) noexcept {
    for (unsigned slot = first; slot < count(); ++slot)
        if (is_leaf())
            to.insert_item(to.count(), key(slot), std::as_const(*this).item(slot));
        else
            to.insert_child(to.count(), key(slot), child(slot));
    while (count() > first)
        erase(count() - 1);
}

// --- on the image ---

void node::seal(const node_ref& self, const filesystem_uuid& uuid) noexcept {
    std::memcpy(bytes_.data() + 4, node_magic.data(), node_magic.size());
    store_little(bytes_.data() + 8, self.block);
    store_little(bytes_.data() + 16, self.generation);
    std::memcpy(bytes_.data() + 24, uuid.data(), uuid.size());
    store_little(bytes_.data(), crc32c(bytes_view(bytes_).subspan(4)));
}

std::string_view node::check(const node_ref& expected, unsigned level_expected,
                             const filesystem_uuid& uuid) const noexcept {
    if (std::memcmp(bytes_.data() + 4, node_magic.data(), node_magic.size()) != 0)
        return "is no node";
    if (load_little<std::uint32_t>(bytes_.data()) != crc32c(bytes_view(bytes_).subspan(4)))
        return "has a wrong checksum";
    if (std::memcmp(bytes_.data() + 24, uuid.data(), uuid.size()) != 0)
        return "is of another filesystem";
    if (load_little<std::uint64_t>(bytes_.data() + 8) != expected.block)
        return "is a node of another block";
    if (generation() != expected.generation)
        return "is of another generation than its parent says";
    if (level() != level_expected)
        return "has a wrong level";
    if (bytes_[41] != std::byte{0} || load_little<std::uint32_t>(bytes_.data() + 44) != 0)
        return "is not zero where it has to be";
    return check_slots();
}

std::string_view node::check_slots() const noexcept {
    const unsigned most = static_cast<unsigned>((block_bytes - header_bytes) / slot_bytes());
    if (count() > most || (count() == 0 && !is_leaf()))
        return "has a wrong number of slots";
    for (unsigned slot = 1; slot < count(); ++slot)
        if (key(slot - 1) >= key(slot))
            return "has keys out of order";
    if (is_leaf() && !are_data_in_place())
        return "has items that overlap, leave gaps, or are too large";
    const std::size_t slots_end = header_bytes + count() * slot_bytes();
    if (!are_zeros(bytes_view(bytes_).subspan(slots_end, free_bytes())))
        return "is not zero where it has to be";
    return {};
}

bool node::are_data_in_place() const noexcept {
    const std::size_t slots_end = header_bytes + count() * leaf_slot_bytes;
    std::size_t end = block_bytes;
    for (unsigned slot = 0; slot < count(); ++slot) {
        if (data_begin(slot) < slots_end || data_begin(slot) + data_size(slot) != end ||
            data_size(slot) == 0 || data_size(slot) > item_bytes_max)
            return false;
        end = data_begin(slot);
    }
    return true;
}

} // namespace blkcrypto::fsdemo
