#include "xpu-agent/datapath/ovs/ovs_packet_io.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/unique_fd.h"
#include "common/log/log.h"
#include "xpu-agent/datapath/ovs/openflow_socket.h"
#include "xpu-agent/datapath/ovs/ovs_c.h"
#include "xpu-agent/datapath/ovs/ovs_packet.h"

namespace xpu {

static_assert(kPacketRegisters == XPU_OVS_PACKET_REGS);

class OvsPacketIo::Thread {
 public:
  explicit Thread(OvsPacketIoOptions options)
      : options_(std::move(options)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    xpu_ovs_init();
  }

  ~Thread() {
    if (!thread_.joinable()) return;
    {
      absl::MutexLock lock(&mutex_);
      stop_ = true;
    }
    Wake();
    thread_.join();
  }

  void Start(std::function<void(PacketIn)> handler) {
    handler_ = std::move(handler);
    thread_ = std::thread([this] { Loop(); });
  }

  void Send(PacketOut packet) {
    {
      absl::MutexLock lock(&mutex_);
      if (!connected_ || outbox_.size() >= options_.max_queued) {
        ++dropped_;
        return;
      }
      outbox_.push_back(std::move(packet));
      if (outbox_.size() > 1) return;
    }
    Wake();
  }

  Counters counters() const { return {.received = received_, .sent = sent_, .dropped = dropped_}; }

 private:
  void Wake() {
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof(one));
  }

  void Loop();
  void SetUp();
  void TakeIn(const ofpbuf* message);
  // False at the end.
  bool SendOutbox();

  const OvsPacketIoOptions options_;
  const UniqueFd wake_;
  std::function<void(PacketIn)> handler_;
  std::atomic<uint64_t> received_ = 0;
  std::atomic<uint64_t> sent_ = 0;
  std::atomic<uint64_t> dropped_ = 0;

  absl::Mutex mutex_;
  std::deque<PacketOut> outbox_ ABSL_GUARDED_BY(mutex_);
  bool connected_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;

  // On the thread only.
  std::optional<OpenFlowSocket> socket_;
  uint32_t next_xid_ = 1;

  std::thread thread_;
};

void OvsPacketIo::Thread::Loop() {
  pthread_setname_np(pthread_self(), "xpu-packets");
  // As the library writes to sockets without MSG_NOSIGNAL; other signals are for threads that expect them.
  sigset_t signals;
  sigfillset(&signals);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&signals, fault);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  socket_.emplace(OpenFlowSocket::Options{.folder = options_.openflow_dir,
                                          .bridge = options_.bridge,
                                          .patience = absl::ToInt64Milliseconds(options_.deadline),
                                          .connected = [this] { SetUp(); },
                                          .lost =
                                              [this](size_t unsent) {
                                                absl::MutexLock lock(&mutex_);
                                                connected_ = false;
                                                dropped_ += unsent + outbox_.size();
                                                outbox_.clear();
                                              },
                                          .received = [this](ofpbuf* message) { TakeIn(message); }});
  while (SendOutbox()) {
    socket_->Run();
    socket_->Wait();
    xpu_ovs_wait_fd(wake_.get());
    xpu_ovs_block();
  }
  socket_.reset();
}

void OvsPacketIo::Thread::SetUp() {
  socket_->Send(xpu_ovs_packet_format(next_xid_++));
  socket_->Send(xpu_ovs_packet_controller_id(kPacketControllerId, next_xid_++));
  // One of the two is refused, as the meter is there or is not. A datapath without meters refuses both, and
  // the agent's own limits are left.
  for (const bool add : {true, false}) {
    socket_->Send(xpu_ovs_packet_meter(add, options_.rate, options_.burst, next_xid_++));
  }
  socket_->Send(xpu_ovs_packet_enable(next_xid_++));
  socket_->Settled();
  absl::MutexLock lock(&mutex_);
  connected_ = true;
}

void OvsPacketIo::Thread::TakeIn(const ofpbuf* message) {
  xpu_ovs_message header;
  xpu_ovs_message_decode(message, &header);
  if (header.type == XPU_OVS_ECHO_REQUEST) {
    socket_->Send(xpu_ovs_echo_reply(message));
    return;
  }
  xpu_ovs_packet raw;
  if (!xpu_ovs_packet_in(message, &raw)) return;
  PacketIn packet{.table = raw.table,
                  .in_port = raw.in_port,
                  .metadata = raw.metadata,
                  .bytes = std::string(static_cast<const char*>(raw.bytes), raw.size)};
  for (int i = 0; i < kPacketRegisters; ++i) packet.regs[static_cast<size_t>(i)] = raw.regs[i];
  ++received_;
  handler_(std::move(packet));
}

bool OvsPacketIo::Thread::SendOutbox() {
  std::deque<PacketOut> packets;
  {
    absl::MutexLock lock(&mutex_);
    uint64_t count;
    (void)!read(wake_.get(), &count, sizeof(count));
    if (stop_) return false;
    // What the socket has not taken counts as waiting.
    if (socket_->queued() >= options_.max_queued) return true;
    packets.swap(outbox_);
  }
  for (const PacketOut& packet : packets) {
    xpu_ovs_packet raw = {.table = packet.table,
                          .in_port = 0,
                          .metadata = packet.metadata,
                          .regs = {},
                          .bytes = packet.bytes.data(),
                          .size = packet.bytes.size()};
    for (int i = 0; i < kPacketRegisters; ++i) raw.regs[i] = packet.regs[static_cast<size_t>(i)];
    socket_->Send(xpu_ovs_packet_out(&raw, next_xid_++));
    ++sent_;
  }
  return true;
}

OvsPacketIo::OvsPacketIo(OvsPacketIoOptions options)
    : thread_(std::make_unique<Thread>(std::move(options))) {}

OvsPacketIo::~OvsPacketIo() = default;

void OvsPacketIo::Start(std::function<void(PacketIn packet)> handler) { thread_->Start(std::move(handler)); }

void OvsPacketIo::Send(PacketOut packet) { thread_->Send(std::move(packet)); }

PacketIo::Counters OvsPacketIo::counters() const { return thread_->counters(); }

}  // namespace xpu
