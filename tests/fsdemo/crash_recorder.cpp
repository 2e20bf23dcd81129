// SPDX-License-Identifier: Apache-2.0
#include "tests/fsdemo/crash_recorder.hpp"

#include <algorithm>
#include <cstring>

namespace blkcrypto::test {

/// Moves the data at submit() and says that it has ended at the next poll().
class recording_queue final : public block_queue {
  public:
    recording_queue(crash_recorder& device, env& environment, const queue_options& options) noexcept
        : block_queue(device, environment, options), device_(device) {}

  private:
    using event_kind = crash_recorder::event_kind;

    struct pending {
        bio* what;
        std::vector<crash_recorder::event> ends;
    };

    void do_submit(bio& b) noexcept override {
        pending p{&b, {}};
        if (b.preflush || b.is_flush())
            begin(p, event_kind::flush_begins, device_.flushes_++);
        if (b.op == bio_op::read)
            copy(b, nullptr);
        else if (b.iter.size_bytes != 0)
            begin(p, event_kind::write_begins, add_write(b));
        pending_.push_back(std::move(p));
        environment().add_due(1);
    }

    void do_poll() noexcept override {
        for (const pending& p : std::exchange(pending_, {})) {
            environment().remove_due(1);
            device_.events_.insert(device_.events_.end(), p.ends.begin(), p.ends.end());
            complete(*p.what, blk_status::ok);
        }
    }

    void begin(pending& p, event_kind kind, std::size_t number) {
        device_.events_.push_back({kind, number});
        const bool is_flush = kind == event_kind::flush_begins;
        p.ends.push_back({is_flush ? event_kind::flush_ends : event_kind::write_ends, number});
    }

    std::size_t add_write(const bio& b) {
        device_.writes_.push_back({b.iter.start.value, b.fua, std::vector<std::byte>(b.iter.size_bytes)});
        auto& w = device_.writes_.back();
        if (b.has_data())
            copy(b, w.data.data());
        std::ranges::copy(w.data, device_.medium_.begin() +
                                      static_cast<std::ptrdiff_t>(to_bytes(b.iter.start).value));
        return device_.writes_.size() - 1;
    }

    // From the segments to `to`; without it from the medium to the segments.
    void copy(const bio& b, std::byte* to) {
        for (bvec_iter at = b.iter; at.size_bytes != 0;) {
            const bio_vec segment = at.current(b.segments);
            if (to == nullptr)
                std::memcpy(segment.data, device_.medium_.data() + to_bytes(at.start).value,
                            segment.length_bytes);
            else
                std::memcpy(to + (b.iter.size_bytes - at.size_bytes), segment.data, segment.length_bytes);
            at.advance(b.segments, segment.length_bytes);
        }
    }

    crash_recorder& device_;
    std::vector<pending> pending_;
};

crash_recorder::crash_recorder(bytes_span medium) : medium_(medium), before_(medium.begin(), medium.end()) {}

result<std::unique_ptr<block_queue>> crash_recorder::make_queue(env& environment,
                                                                const queue_options& options) {
    return or_no_memory([&]() -> result<std::unique_ptr<block_queue>> {
        return std::make_unique<recording_queue>(*this, environment, options);
    });
}

/// One walk over the events.
class crash_replay {
  public:
    crash_replay(const crash_recorder& recorded, random_source& random, const crash_bounds& bounds,
                 const std::function<void(const crash_image&)>& look)
        : recorded_(recorded), random_(random), bounds_(bounds), look_(look), stable_(recorded.before_),
          stable_from_(recorded.before_.size() / sector_size_bytes), flushing_(recorded.flushes_) {
        until_next_ = 1 + random.below(std::max<std::size_t>(bounds.every, 1));
    }

    std::size_t run() {
        for (const auto& e : recorded_.events_)
            step(e);
        crash();
        return images_;
    }

  private:
    using event_kind = crash_recorder::event_kind;

    struct unstable_write {
        std::size_t number;
        bool has_ended;
    };

    void step(const crash_recorder::event& e) {
        switch (e.what) {
        case event_kind::write_begins:
            unstable_.push_back({e.number, false});
            return crash_at_some();
        case event_kind::write_ends:
            if (recorded_.writes_[e.number].fua)
                return make_stable(e.number);
            for (unstable_write& w : unstable_)
                if (w.number == e.number)
                    w.has_ended = true;
            return;
        case event_kind::flush_begins:
            for (const unstable_write& w : unstable_)
                if (w.has_ended)
                    flushing_[e.number].push_back(w.number);
            return;
        case event_kind::flush_ends:
            for (const std::size_t number : flushing_[e.number])
                make_stable(number);
            return;
        case event_kind::mark:
            ++marks_;
            return crash_at_some();
        }
    }

    void make_stable(std::size_t number) {
        std::erase_if(unstable_, [number](const unstable_write& w) { return w.number == number; });
        const auto& w = recorded_.writes_[number];
        for (std::size_t i = 0; i < w.data.size() / sector_size_bytes; ++i) {
            std::size_t& from = stable_from_[w.first_sector + i];
            if (from > number)
                continue;
            from = number + 1;
            put_sector(stable_, w, i);
        }
    }

    static void put_sector(std::vector<std::byte>& to, const crash_recorder::write& w, std::size_t i) {
        std::memcpy(to.data() + ((w.first_sector + i) << sector_bits), w.data.data() + (i << sector_bits),
                    sector_size_bytes);
    }

    void crash_at_some() {
        if (--until_next_ != 0)
            return;
        until_next_ = std::max<std::size_t>(bounds_.every, 1);
        crash();
    }

    // Of few writes all subsets, else all of them and some.
    void crash() {
        const std::size_t count = unstable_.size();
        std::vector<bool> there(count);
        if (count <= bounds_.all_subsets_of) {
            for (std::size_t bits = 0; bits < std::size_t{1} << count; ++bits) {
                for (std::size_t i = 0; i < count; ++i)
                    there[i] = (bits >> i & 1) != 0;
                leave(there);
            }
            return;
        }
        there.assign(count, true);
        leave(there);
        for (unsigned n = 0; n < bounds_.random_subsets; ++n) {
            for (std::size_t i = 0; i < count; ++i)
                there[i] = random_.below(2) == 0;
            leave(there);
        }
    }

    void leave(const std::vector<bool>& there) {
        const bool is_any = std::ranges::find(there, true) != there.end();
        for (unsigned torn = 0; torn <= (is_any ? bounds_.torn : 0); ++torn) {
            image_ = stable_;
            for (std::size_t i = 0; i < there.size(); ++i)
                if (there[i])
                    put(unstable_[i].number, torn != 0);
            look_({image_, marks_});
            ++images_;
        }
    }

    void put(std::size_t number, bool is_torn) {
        const auto& w = recorded_.writes_[number];
        for (std::size_t i = 0; i < w.data.size() / sector_size_bytes; ++i)
            if (stable_from_[w.first_sector + i] <= number && (!is_torn || random_.below(2) == 0))
                put_sector(image_, w, i);
    }

    const crash_recorder& recorded_;
    random_source& random_;
    const crash_bounds& bounds_;
    const std::function<void(const crash_image&)>& look_;
    std::vector<std::byte> stable_;
    std::vector<std::size_t> stable_from_; // by sector: one more than the write it is of; 0: from before
    std::vector<std::vector<std::size_t>> flushing_; // by flush: the writes it makes stable
    std::vector<unstable_write> unstable_;           // as submitted
    std::vector<std::byte> image_;
    std::size_t marks_ = 0;
    std::size_t images_ = 0;
    std::size_t until_next_;
};

std::size_t crash_recorder::for_each_crash(random_source& random, const crash_bounds& bounds,
                                           const std::function<void(const crash_image&)>& look) const {
    return crash_replay(*this, random, bounds, look).run();
}

} // namespace blkcrypto::test
