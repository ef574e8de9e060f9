#include "device-plugin/loop_rpc.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

absl::StatusOr<sockaddr_un> Address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat("\"", path, "\": the path of a socket has ",
                                                   sizeof address.sun_path - 1, " characters at most"));
  }
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// Empty if nobody takes the connection; errno says why.
UniqueFd ConnectTo(const sockaddr_un& address) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return UniqueFd();
  return fd;
}

absl::StatusOr<UniqueFd> ListenOn(const std::string& path) {
  XPU_ASSIGN_OR_RETURN(const sockaddr_un address, Address(path));
  struct stat info {};
  if (lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) {
      return absl::FailedPreconditionError(absl::StrCat(path, " is there and is no socket; move it away"));
    }
    // A backlog that is full says that somebody is there.
    if (ConnectTo(address) || errno == EAGAIN) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is in use by another process; stop that one first"));
    }
    // Left over from a process that was killed.
    unlink(path.c_str());
  }
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Before anybody can connect; the umask is the whole process's.
  if (!fd || fchmod(fd.get(), 0600) != 0 ||
      bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      chmod(path.c_str(), 0600) != 0 || listen(fd.get(), 64) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot serve on ", path));
  }
  return fd;
}

}  // namespace

// One connection of a server, and who wants to hear of its calls.
struct LoopCall::Peer {
  struct Watch {
    std::function<void()> ended;
    std::function<void()> drained;
  };

  std::unique_ptr<Http2Connection> connection;
  std::map<Http2Connection::Stream, Watch> watches;

  void End(Http2Connection::Stream stream) {
    const auto found = watches.find(stream);
    if (found == watches.end()) return;
    const std::function<void()> ended = std::move(found->second.ended);
    watches.erase(found);
    if (ended != nullptr) ended();
  }
  void EndAll() {
    while (!watches.empty()) End(watches.begin()->first);
  }
  void Drained(Http2Connection::Stream stream) {
    const auto found = watches.find(stream);
    if (found == watches.end() || found->second.drained == nullptr) return;
    const std::function<void()> drained = found->second.drained;
    drained();
  }
};

void LoopCall::Write(absl::string_view message) const {
  if (const auto peer = peer_.lock(); peer != nullptr) peer->connection->Write(stream_, message);
}

void LoopCall::Finish(const absl::Status& status) const {
  const auto peer = peer_.lock();
  if (peer == nullptr) return;
  peer->watches.erase(stream_);
  peer->connection->Finish(stream_, status);
}

void LoopCall::Answer(absl::string_view message) const {
  const auto peer = peer_.lock();
  if (peer == nullptr) return;
  peer->watches.erase(stream_);
  peer->connection->WriteAndFinish(stream_, message);
}

void LoopCall::OnEnd(std::function<void()> ended) const {
  if (const auto peer = peer_.lock(); peer != nullptr) peer->watches[stream_].ended = std::move(ended);
}

void LoopCall::OnDrained(std::function<void()> drained) const {
  if (const auto peer = peer_.lock(); peer != nullptr) peer->watches[stream_].drained = std::move(drained);
}

absl::StatusOr<std::unique_ptr<LoopRpcServer>> LoopRpcServer::Start(EventLoop& loop,
                                                                    const std::string& socket,
                                                                    Methods methods) {
  XPU_ASSIGN_OR_RETURN(UniqueFd listener, ListenOn(socket));
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
  readable_ = loop_.OnReadable(listener_.get(), [this] { Accept(); });
}

LoopRpcServer::~LoopRpcServer() {
  readable_.Cancel();
  struct stat info {};
  if (lstat(socket_.c_str(), &info) == 0 && info.st_ino == inode_) unlink(socket_.c_str());
  const auto peers = std::exchange(peers_, {});
  for (const auto& [id, peer] : peers) {
    peer->connection = nullptr;
    peer->EndAll();
  }
}

void LoopRpcServer::Accept() {
  UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) return;
  const uint64_t id = next_peer_++;
  const auto peer = std::make_shared<LoopCall::Peer>();
  LoopCall::Peer* raw = peer.get();
  peers_[id] = peer;
  Http2Connection::Events events;
  events.called = [this, weak = std::weak_ptr<LoopCall::Peer>(peer)](
                      Http2Connection::Stream stream, const std::string& path, const std::string& message) {
    const LoopCall call(weak, stream);
    const auto method = methods_.find(path);
    if (method == methods_.end())
      return call.Finish(absl::UnimplementedError(absl::StrCat("there is no ", path)));
    method->second(call, message);
  };
  events.cancelled = [raw](Http2Connection::Stream stream) { raw->End(stream); };
  events.drained = [raw](Http2Connection::Stream stream) { raw->Drained(stream); };
  events.closed = [this, raw, id, post = inbox_.post()] {
    raw->EndAll();
    // Not in the middle of what the connection is doing.
    post([this, id] { peers_.erase(id); });
  };
  peer->connection =
      std::make_unique<Http2Connection>(loop_, std::move(fd), /*server=*/true, std::move(events));
}

LoopRpcClient::LoopRpcClient(EventLoop& loop, std::string socket)
    : loop_(loop), socket_(std::move(socket)), inbox_(loop) {}

LoopRpcClient::~LoopRpcClient() = default;

bool LoopRpcClient::Connect() {
  if (connection_ != nullptr && connection_->open()) return true;
  const auto address = Address(socket_);
  if (!address.ok()) return false;
  UniqueFd fd = ConnectTo(*address);
  if (!fd) return false;
  Http2Connection::Events events;
  events.answered = [this](Http2Connection::Stream stream, bool by_peer, const absl::Status& status,
                           std::string message) {
    OnAnswered(stream, {.answered = by_peer, .status = status, .response = std::move(message)});
  };
  events.closed = [this] { OnClosed(); };
  connection_ = std::make_unique<Http2Connection>(loop_, std::move(fd), /*server=*/false, std::move(events));
  return connection_->open();
}

uint64_t LoopRpcClient::Call(const std::string& path, absl::string_view request, absl::Duration timeout,
                             Done done) {
  if (!Connect()) return 0;
  const uint64_t id = next_++;
  Pending& pending = pending_[id];
  pending.done = std::move(done);
  pending.stream = connection_->Call(path, request);
  if (pending.stream < 0 || !connection_->open()) {
    pending_.erase(id);
    return 0;
  }
  pending.timer = loop_.After(timeout, [this, id] {
    const auto found = pending_.find(id);
    if (found == pending_.end()) return;
    const Done late = std::move(found->second.done);
    Cancel(id);
    late({.answered = true, .status = absl::DeadlineExceededError("no answer within the time allowed")});
  });
  return id;
}

void LoopRpcClient::Cancel(uint64_t call) {
  const auto found = pending_.find(call);
  if (found == pending_.end()) return;
  const Http2Connection::Stream stream = found->second.stream;
  pending_.erase(found);
  if (connection_ != nullptr) connection_->Cancel(stream);
}

void LoopRpcClient::OnAnswered(Http2Connection::Stream stream, const Reply& reply) {
  for (auto it = pending_.begin(); it != pending_.end(); ++it) {
    if (it->second.stream != stream) continue;
    const Done done = std::move(it->second.done);
    pending_.erase(it);
    return done(reply);
  }
}

void LoopRpcClient::OnClosed() {
  // Who asks next connects anew; until then nobody is told in the middle of something else.
  auto lost = std::make_shared<std::map<uint64_t, Pending>>(std::exchange(pending_, {}));
  inbox_.post()([this, lost] {
    if (connection_ != nullptr && !connection_->open()) connection_ = nullptr;
    for (const auto& [id, pending] : *lost) {
      pending.done({.status = absl::UnavailableError("the connection ended before the answer")});
    }
  });
}

}  // namespace xpu
