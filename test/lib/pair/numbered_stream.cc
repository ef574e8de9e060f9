#include "test/lib/pair/numbered_stream.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/sys/in_namespace.h"
#include "common/sys/net_namespaces_real.h"

namespace xpu::testing {
namespace {

constexpr uint16_t kPort = 47000;
// The receiver must never be who loses one.
constexpr int kReceiveBuffer = 64 << 20;
// What is still under way after the last was sent has arrived by then, or never will; nobody waits for longer
// than for the last.
constexpr absl::Duration kLastOnes = absl::Seconds(30);
// A sender that was kept from running sends what it is behind, so that the rate is right, but not more at
// once than half of what the kernel queues between two interfaces (net.core.netdev_max_backlog).
constexpr uint64_t kMostTicks = 50;

absl::StatusOr<UniqueFd> SocketIn(const std::string& netns) {
  XPU_ASSIGN_OR_RETURN(const auto ns, NetNamespacesReal().Open(netns));
  UniqueFd fd;
  XPU_RETURN_IF_ERROR(InNamespace(ns, [&fd] {
    fd.Reset(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return fd ? absl::OkStatus() : absl::ErrnoToStatus(errno, "socket");
  }));
  return fd;
}

sockaddr_in Address(const std::string& bytes) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kPort);
  memcpy(&address.sin_addr, bytes.data(), sizeof address.sin_addr);
  return address;
}

}  // namespace

absl::StatusOr<std::unique_ptr<NumberedStream>> NumberedStream::Start(const Options& options) {
  std::unique_ptr<NumberedStream> stream(new NumberedStream());
  XPU_ASSIGN_OR_RETURN(stream->from_, SocketIn(options.from_netns));
  XPU_ASSIGN_OR_RETURN(stream->to_, SocketIn(options.to_netns));
  const sockaddr_in to = Address(options.to.ToBytes());
  if (setsockopt(stream->to_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) !=
          0 ||
      bind(stream->to_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ||
      connect(stream->from_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    return absl::ErrnoToStatus(errno, "the sockets of the stream");
  }
  stream->timer_.Reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  stream->done_.Reset(eventfd(0, EFD_CLOEXEC));
  const itimerspec tick = {.it_interval = {0, 1000000}, .it_value = {0, 1000000}};
  if (!stream->done_ || timerfd_settime(stream->timer_.get(), 0, &tick, nullptr) != 0) {
    return absl::ErrnoToStatus(errno, "the timer of the stream");
  }
  stream->started_ = absl::Now();
  stream->receiver_ = std::thread([raw = stream.get()] { raw->Receive(); });
  stream->sender_ = std::thread([raw = stream.get(), rate = options.rate] { raw->Send(rate); });
  return stream;
}

NumberedStream::~NumberedStream() {
  if (sender_.joinable()) Finish();
}

void NumberedStream::Send(int rate) {
  const int per_tick = rate / 1000;
  char datagram[64] = {};
  while (!stop_) {
    uint64_t ticks = 0;
    if (read(timer_.get(), &ticks, sizeof ticks) != sizeof ticks) return;
    for (uint64_t i = 0; i < std::min(ticks, kMostTicks) * per_tick; ++i) {
      const uint64_t number = sent_;
      memcpy(datagram, &number, sizeof number);
      if (send(from_.get(), datagram, sizeof datagram, 0) == sizeof datagram) ++sent_;
    }
  }
}

void NumberedStream::Receive() {
  absl::Time last = absl::Now();
  pollfd ready[2] = {{.fd = to_.get(), .events = POLLIN}, {.fd = done_.get(), .events = POLLIN}};
  // After the sender's end there is a time limit, before it is not.
  absl::Time deadline = absl::InfiniteFuture();
  while (true) {
    const bool ending = deadline != absl::InfiniteFuture();
    if (ending && received_ >= sent_) return;
    const int64_t left = ending ? absl::ToInt64Milliseconds(deadline - absl::Now()) : -1;
    if (ending && left <= 0) return;
    if (poll(ready, ending ? 1 : 2, static_cast<int>(left)) <= 0) continue;
    if (!ending && (ready[1].revents & POLLIN) != 0) deadline = absl::Now() + kLastOnes;
    if ((ready[0].revents & POLLIN) == 0) continue;
    uint64_t number = 0;
    if (recv(to_.get(), &number, sizeof number, MSG_DONTWAIT | MSG_TRUNC) < 0) continue;
    const absl::Time now = absl::Now();
    if (received_ > 0) longest_silence_ = std::max(longest_silence_, now - last);
    last = now;
    if (number >= seen_.size()) seen_.resize(number + 100000);
    ++seen_[number];
    ++received_;
  }
}

NumberedStream::Result NumberedStream::Finish() {
  stop_ = true;
  sender_.join();
  took_ = absl::Now() - started_;
  const uint64_t one = 1;
  if (write(done_.get(), &one, sizeof one) != sizeof one) return {};
  receiver_.join();
  Result result{.sent = sent_, .took = took_, .longest_silence = longest_silence_};
  seen_.resize(std::max<size_t>(seen_.size(), sent_));
  for (uint64_t number = 0; number < sent_; ++number) {
    if (seen_[number] == 0) ++result.lost;
    if (seen_[number] > 1) ++result.doubled;
  }
  return result;
}

}  // namespace xpu::testing
