#include "xpu-agent/slowpath/slow_path.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace xpu {
namespace {

// Packets answered in one go, so that timers and models have their turn in a flood.
constexpr size_t kBatch = 64;

}  // namespace

struct SlowPath::Inbox {
  mutable absl::Mutex mutex;
  // Null once the owner is gone.
  SlowPath* owner ABSL_GUARDED_BY(mutex) = nullptr;
  std::deque<PacketIn> packets ABSL_GUARDED_BY(mutex);
  ModelChange change ABSL_GUARDED_BY(mutex);
  // Somebody has told the loop, and it has yet to look.
  bool told ABSL_GUARDED_BY(mutex) = false;
  Counters counters ABSL_GUARDED_BY(mutex);

  void Tell() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (owner == nullptr || std::exchange(told, true)) return;
    owner->loop_.Post([slow_path = owner] { slow_path->Drain(); });
  }
};

SlowPath::SlowPath(PacketIo& packets, const Options& options)
    : options_(options),
      // A card may learn the date late.
      clock_(options.clock == nullptr ? Clock::Steady() : *options.clock),
      packets_(packets),
      inbox_(std::make_shared<Inbox>()),
      schedule_(options.seed) {
  absl::MutexLock lock(&inbox_->mutex);
  inbox_->owner = this;
}

SlowPath::~SlowPath() {
  {
    absl::MutexLock lock(&inbox_->mutex);
    inbox_->owner = nullptr;
  }
  if (!thread_.joinable()) return;
  loop_.Stop();
  thread_.join();
}

void SlowPath::Start() {
  thread_ = std::thread([this] { loop_.Run(); });
  packets_.Start([inbox = inbox_, most = options_.max_waiting](PacketIn packet) {
    absl::MutexLock lock(&inbox->mutex);
    if (inbox->packets.size() >= most) {
      ++inbox->counters.dropped;
      return;
    }
    inbox->packets.push_back(std::move(packet));
    inbox->Tell();
  });
}

void SlowPath::Change(ModelChange change) {
  absl::MutexLock lock(&inbox_->mutex);
  inbox_->change.Append(std::move(change));
  inbox_->Tell();
}

SlowPath::Counters SlowPath::counters() const {
  absl::MutexLock lock(&inbox_->mutex);
  return inbox_->counters;
}

void SlowPath::Drain() {
  std::deque<PacketIn> packets;
  ModelChange change;
  {
    absl::MutexLock lock(&inbox_->mutex);
    inbox_->told = false;
    change = std::exchange(inbox_->change, {});
    auto& waiting = inbox_->packets;
    const auto end = waiting.begin() + static_cast<std::ptrdiff_t>(std::min(kBatch, waiting.size()));
    std::move(waiting.begin(), end, std::back_inserter(packets));
    waiting.erase(waiting.begin(), end);
    if (!waiting.empty()) inbox_->Tell();
  }
  const absl::Time now = clock_.Now();
  if (!change.empty()) {
    index_.Change(change);
    schedule_.SetNetworks(index_.Advertising(), now);
  }
  for (const PacketIn& packet : packets) {
    slowpath::Responder::Answer answer = responder_.Handle(index_, packet, now);
    if (answer.packet.has_value()) packets_.Send(*std::move(answer.packet));
    if (answer.solicitation.has_value()) {
      schedule_.Solicit(static_cast<uint32_t>(packet.metadata), packet.regs[0], *answer.solicitation, now);
    }
  }
  Arm();
}

void SlowPath::Advertise() {
  const slowpath::AdvertisementSchedule::Due due = schedule_.Take(clock_.Now());
  const auto message = [this](uint32_t key, const std::optional<slowpath::RouterSolicitation>& to) {
    const slowpath::ModelIndex::Network* network = index_.FindNetwork(key);
    ++advertisements_;
    return slowpath::BuildRouterAdvertisement(slowpath::AdvertisementOf(*network), to);
  };
  for (const uint32_t key : due.networks) {
    packets_.Send(slowpath::ToNetwork(key, message(key, std::nullopt)));
  }
  for (const auto& host : due.hosts) {
    packets_.Send(slowpath::ToPort(host.network, host.port, message(host.network, host.solicitation)));
  }
  Arm();
}

void SlowPath::Arm() {
  {
    absl::MutexLock lock(&inbox_->mutex);
    inbox_->counters.answers = responder_.counters();
    inbox_->counters.advertisements = advertisements_;
  }
  const absl::Time next = schedule_.Next();
  if (next == absl::InfiniteFuture()) {
    timer_ = EventLoop::Handle();
    return;
  }
  timer_ = loop_.After(std::max(absl::ZeroDuration(), next - clock_.Now()), [this] { Advertise(); });
}

}  // namespace xpu
