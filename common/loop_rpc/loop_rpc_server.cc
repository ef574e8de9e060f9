#include "common/loop_rpc/loop_rpc_server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/status_macros.h"
#include "common/loop_rpc/unix_socket.h"

namespace xpu {

// One connection of a server, and who wants to hear of its calls.
struct LoopCall::Peer {
  struct Watch {
    std::function<void()> ended;
    std::function<void()> drained;
    EventLoop::Handle deadline;
  };

  std::unique_ptr<RpcConnection> connection;
  std::map<RpcConnection::Stream, Watch> watches;

  void End(RpcConnection::Stream stream) {
    const auto found = watches.find(stream);
    if (found == watches.end()) return;
    const std::function<void()> ended = std::move(found->second.ended);
    watches.erase(found);
    if (ended != nullptr) ended();
  }
  void EndAll() {
    while (!watches.empty()) End(watches.begin()->first);
  }
  void Drained(RpcConnection::Stream stream) {
    const auto found = watches.find(stream);
    if (found == watches.end() || found->second.drained == nullptr) return;
    const std::function<void()> drained = found->second.drained;
    drained();
  }
};

std::shared_ptr<LoopCall::Peer> LoopCall::Open() const {
  std::shared_ptr<Peer> peer = peer_.lock();
  if (peer == nullptr || peer->connection == nullptr || !peer->connection->IsOpen(stream_)) return nullptr;
  return peer;
}

void LoopCall::Write(std::string_view message) const {
  if (const auto peer = Open(); peer != nullptr) peer->connection->Write(stream_, message);
}

void LoopCall::Finish(const absl::Status& status) const {
  const auto peer = Open();
  if (peer == nullptr) return;
  peer->watches.erase(stream_);
  peer->connection->Finish(stream_, status);
}

void LoopCall::Answer(std::string_view message) const {
  const auto peer = Open();
  if (peer == nullptr) return;
  peer->watches.erase(stream_);
  peer->connection->WriteAndFinish(stream_, message);
}

void LoopCall::OnEnd(std::function<void()> ended) const {
  if (const auto peer = Open(); peer != nullptr) peer->watches[stream_].ended = std::move(ended);
}

void LoopCall::OnDrained(std::function<void()> drained) const {
  if (const auto peer = Open(); peer != nullptr) peer->watches[stream_].drained = std::move(drained);
}

absl::StatusOr<std::unique_ptr<LoopRpcServer>> LoopRpcServer::Start(EventLoop& loop,
                                                                    const std::string& socket,
                                                                    Methods methods) {
  XPU_ASSIGN_OR_RETURN(UniqueFd listener, ListenOnUnixSocket(socket));
  return std::unique_ptr<LoopRpcServer>(
      new LoopRpcServer(loop, socket, std::move(listener), std::move(methods)));
}

LoopRpcServer::LoopRpcServer(EventLoop& loop, std::string socket, UniqueFd listener, Methods methods)
    : loop_(loop),
      socket_(std::move(socket)),
      listener_(std::move(listener)),
      methods_(std::move(methods)),
      inbox_(loop) {
  struct stat info {};
  if (lstat(socket_.c_str(), &info) == 0) inode_ = info.st_ino;
  Listen();
}

LoopRpcServer::~LoopRpcServer() {
  readable_.Cancel();
  RemoveSocket();
  const auto peers = std::exchange(peers_, {});
  for (const auto& [id, peer] : peers) {
    // A call that is told of its end cannot answer any more.
    const std::unique_ptr<RpcConnection> connection = std::move(peer->connection);
    peer->connection = nullptr;
    auto watches = std::exchange(peer->watches, {});
    for (const auto& [stream, watch] : watches) {
      if (watch.ended != nullptr) watch.ended();
    }
  }
}

void LoopRpcServer::RemoveSocket() const {
  struct stat info {};
  if (lstat(socket_.c_str(), &info) == 0 && info.st_ino == inode_) unlink(socket_.c_str());
}

void LoopRpcServer::Listen() {
  readable_ = loop_.OnReadable(listener_.get(), [this] { Accept(); });
}

void LoopRpcServer::Accept() {
  while (true) {
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) {
      AddPeer(std::move(fd));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno != EAGAIN) {
      // Without descriptors or memory: whoever wants to connect waits, and this does not spin.
      readable_.Cancel();
      pause_ = loop_.After(absl::Milliseconds(200), [this] { Listen(); });
    }
    return;
  }
}

void LoopRpcServer::AddPeer(UniqueFd fd) {
  const uint64_t id = next_peer_++;
  const auto peer = std::make_shared<LoopCall::Peer>();
  LoopCall::Peer* raw = peer.get();
  peers_[id] = peer;
  GrpcSession::Events events;
  events.called = [this, weak = std::weak_ptr<LoopCall::Peer>(peer)](RpcConnection::Stream stream,
                                                                     const GrpcSession::Request& request) {
    OnCalled(weak.lock(), stream, request);
  };
  events.cancelled = [raw](RpcConnection::Stream stream) { raw->End(stream); };
  events.drained = [raw](RpcConnection::Stream stream) { raw->Drained(stream); };
  const auto closed = [this, raw, id, post = inbox_.post()] {
    raw->EndAll();
    // Not in the middle of what the connection is doing.
    post([this, id] { RemovePeer(id); });
  };
  peer->connection = std::make_unique<RpcConnection>(loop_, std::move(fd), GrpcSession::Options(),
                                                     std::move(events), closed);
}

void LoopRpcServer::RemovePeer(uint64_t id) {
  peers_.erase(id);
  if (peers_.empty() && drained_ != nullptr) std::exchange(drained_, nullptr)();
}

void LoopRpcServer::OnCalled(const std::shared_ptr<LoopCall::Peer>& peer, RpcConnection::Stream stream,
                             const GrpcSession::Request& request) {
  const LoopCall call(peer, stream);
  const auto method = methods_.find(request.path);
  if (method == methods_.end()) {
    return call.Finish(absl::UnimplementedError(absl::StrCat("there is no ", request.path)));
  }
  if (request.timeout) {
    peer->watches[stream].deadline =
        loop_.After(absl::FromChrono(*request.timeout), [weak = std::weak_ptr(peer), stream] {
          const auto late = weak.lock();
          if (late == nullptr) return;
          late->End(stream);
          if (late->connection == nullptr) return;
          late->connection->Finish(stream, absl::DeadlineExceededError("the call's time is over"));
        });
  }
  method->second(call, request.message);
}

void LoopRpcServer::Drain(std::function<void()> drained) {
  drained_ = std::move(drained);
  pause_.Cancel();
  readable_.Cancel();
  listener_ = UniqueFd();
  RemoveSocket();
  for (const auto& [id, peer] : peers_) peer->connection->Drain();
  inbox_.post()([this] {
    if (peers_.empty() && drained_ != nullptr) std::exchange(drained_, nullptr)();
  });
}

}  // namespace xpu
