#include "common/loop_rpc/loop_rpc_client.h"

#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/loop_rpc/unix_socket.h"

namespace xpu {

LoopRpcClient::LoopRpcClient(EventLoop& loop, RpcAddress address, const Options& options)
    : loop_(loop),
      address_(std::move(address)),
      options_(options),
      backoff_(options.reconnect, std::random_device()()),
      inbox_(loop) {}

LoopRpcClient::LoopRpcClient(EventLoop& loop, std::string socket, const Options& options)
    : LoopRpcClient(loop, RpcAddress{.socket = std::move(socket)}, options) {}

LoopRpcClient::LoopRpcClient(EventLoop& loop, UniqueFd connected)
    : LoopRpcClient(loop, RpcAddress(), Options()) {
  current_ = Add(std::move(connected), nullptr);
}

LoopRpcClient::~LoopRpcClient() = default;

uint64_t LoopRpcClient::Call(const std::string& path, std::string_view request, const CallOptions& options,
                             Done done) {
  return Stream(path, request, options, nullptr, std::move(done));
}

uint64_t LoopRpcClient::Stream(const std::string& path, std::string_view request, const CallOptions& options,
                               Message message, Done done) {
  const uint64_t call = next_call_++;
  Pending& pending = pending_[call];
  pending.path = path;
  pending.request = std::string(request);
  pending.metadata = options.metadata;
  pending.wait = options.wait_for_ready && CanConnect();
  pending.message = std::move(message);
  pending.done = std::move(done);
  pending.deadline = absl::InfiniteFuture();
  if (options.timeout != absl::InfiniteDuration()) {
    pending.deadline = absl::Now() + options.timeout;
    pending.timer = loop_.After(options.timeout, [this, call] {
      const auto found = pending_.find(call);
      if (found == pending_.end()) return;
      const Done late = std::move(found->second.done);
      Cancel(call);
      late({.answered = true, .status = absl::DeadlineExceededError("no answer within the time allowed")});
    });
  }
  Try(call);
  return call;
}

void LoopRpcClient::Try(uint64_t call) {
  const auto found = pending_.find(call);
  if (found == pending_.end() || found->second.connection != 0 || found->second.over) return;
  Pending& pending = found->second;
  if (Usable() == 0) {
    // A server that closes what it has just taken is not asked without a pause; but on a socket, who does not
    // wait learns at once whether there is one.
    if (!retrying_ || (address_.is_unix() && !pending.wait)) Connect();
    if (pending.over) return;
    if (Usable() == 0) {
      // Its outcome decides.
      if (connecting_ || pending.wait) return;
      return Conclude(call, {.status = no_connection_});
    }
  }
  const uint64_t connection = Usable();
  std::optional<std::chrono::nanoseconds> timeout;
  if (pending.deadline != absl::InfiniteFuture()) {
    timeout = absl::ToChronoNanoseconds(pending.deadline - absl::Now());
  }
  RpcConnection& chosen = *connections_.at(connection);
  const RpcConnection::Stream stream = chosen.Call(pending.path, pending.request, timeout, pending.metadata);
  if (stream < 0 || !chosen.open()) {
    return Conclude(call, {.status = absl::UnavailableError("the connection takes no more calls")});
  }
  pending.connection = connection;
  pending.stream = stream;
  streams_[{connection, stream}] = call;
}

void LoopRpcClient::TryAll() {
  std::vector<uint64_t> waiting;
  for (const auto& [call, pending] : pending_) {
    if (pending.connection == 0) waiting.push_back(call);
  }
  for (const uint64_t call : waiting) Try(call);
}

uint64_t LoopRpcClient::Usable() const {
  if (current_ == 0 || !connections_.at(current_)->accepting()) return 0;
  const bool over_tcp = !address_.host.empty();
  return over_tcp && !ready_ ? 0 : current_;
}

void LoopRpcClient::Connect() {
  if (!CanConnect() || connecting_) return;
  if (current_ != 0 && connections_.at(current_)->accepting()) return;
  current_ = 0;
  ready_ = false;
  if (address_.is_unix()) {
    absl::StatusOr<UniqueFd> fd = ConnectToUnixSocket(address_.socket);
    if (!fd.ok()) return ConnectFailed(fd.status());
    current_ = Add(*std::move(fd), nullptr);
    // Otherwise its first words are not waited for.
    if (watcher_ == nullptr) return;
    connections_.at(current_)->Greet();
  } else {
    dial_ = std::make_unique<TcpDial>(loop_, address_.host, address_.port,
                                      [this](absl::StatusOr<UniqueFd> fd) { Dialled(std::move(fd)); });
  }
  connecting_ = true;
  connect_timer_ = loop_.After(options_.connect_timeout, [this] { ConnectTimedOut(); });
}

void LoopRpcClient::ConnectTimedOut() {
  const std::string why = absl::StrCat(address_.ToString(), " did not answer within ",
                                       absl::FormatDuration(options_.connect_timeout));
  if (current_ != 0) return connections_.at(current_)->Abort(why);
  ConnectFailed(absl::UnavailableError(why));
}

void LoopRpcClient::Dialled(absl::StatusOr<UniqueFd> fd) {
  dial_.reset();
  if (!fd.ok()) return ConnectFailed(fd.status());
  absl::StatusOr<std::unique_ptr<TlsSession>> tls =
      options_.tls ? options_.tls() : absl::FailedPreconditionError("there are no credentials for TLS");
  if (!tls.ok()) return ConnectFailed(absl::UnavailableError(tls.status().message()));
  current_ = Add(*std::move(fd), *std::move(tls));
  connections_.at(current_)->Greet();
}

uint64_t LoopRpcClient::Add(UniqueFd fd, std::unique_ptr<TlsSession> tls) {
  const uint64_t id = next_connection_++;
  GrpcSession::Events events;
  events.message = [this, id](RpcConnection::Stream stream, std::string message) {
    OnMessage(id, stream, std::move(message));
  };
  events.ended = [this, id](RpcConnection::Stream stream, const GrpcSession::End& end) {
    OnEnded(id, stream, end);
  };
  events.ready = [this, id] { OnReady(id); };
  events.goodbye = [this, id] { OnGoodbye(id); };
  GrpcSession::Options options{.role = GrpcSession::Role::kClient, .max_message = options_.max_message};
  if (tls != nullptr) {
    options.scheme = "https";
    options.authority = address_.ToString();
  }
  connections_[id] = std::make_unique<RpcConnection>(
      loop_, std::move(fd), options, std::move(events), [this, id] { OnClosed(id); }, std::move(tls));
  connections_[id]->OnReceived([this] { TellEnds(); });
  return id;
}

void LoopRpcClient::Cancel(uint64_t call) {
  const auto found = pending_.find(call);
  if (found == pending_.end()) return;
  const uint64_t connection = found->second.connection;
  const RpcConnection::Stream stream = found->second.stream;
  pending_.erase(found);
  if (connection == 0) return;
  streams_.erase({connection, stream});
  if (const auto where = connections_.find(connection); where != connections_.end()) {
    where->second->Cancel(stream);
  }
}

void LoopRpcClient::Watch(Watcher watcher) {
  ++watch_;
  watcher_ = std::move(watcher);
  told_.reset();
  if (watcher_ == nullptr) return;
  if (ready_) return Tell(true);
  // The next try tells.
  if (retrying_) return Tell(false);
  Connect();
}

void LoopRpcClient::Renew() {
  dial_.reset();
  connect_timer_.Cancel();
  connecting_ = false;
  ready_ = false;
  const uint64_t old = std::exchange(current_, 0);
  if (old != 0) connections_.at(old)->Drain();
  if (watcher_ != nullptr) Connect();
  TryAll();
}

void LoopRpcClient::OnMessage(uint64_t connection, RpcConnection::Stream stream, std::string message) {
  const auto found = streams_.find({connection, stream});
  if (found == streams_.end()) return;
  Pending& pending = pending_.at(found->second);
  backoff_.Reset();
  if (pending.message == nullptr) {
    if (++pending.responses == 1) pending.response = std::move(message);
    return;
  }
  inbox_.post()([this, call = found->second, message = std::move(message)] {
    const auto told = pending_.find(call);
    if (told == pending_.end()) return;
    // A copy: it may cancel its own call.
    const Message tell = told->second.message;
    tell(message);
  });
}

void LoopRpcClient::OnEnded(uint64_t connection, RpcConnection::Stream stream, const GrpcSession::End& end) {
  const auto found = streams_.find({connection, stream});
  if (found == streams_.end()) return;
  const uint64_t call = found->second;
  streams_.erase(found);
  Pending& pending = pending_.at(call);
  if (end.answered) backoff_.Reset();
  if (end.unseen && CanConnect()) {
    if (pending.wait) {
      pending.connection = 0;
      return RetryLater();
    }
    // Once more at once, as nothing has come of it.
    if (!std::exchange(pending.unseen, true)) {
      pending.connection = 0;
      return inbox_.post()([this, call] { Try(call); });
    }
  }
  Reply reply{.answered = end.answered, .status = end.status};
  if (reply.status.ok() && pending.message == nullptr) {
    if (pending.responses == 1) {
      reply.response = std::move(pending.response);
    } else {
      reply.status = absl::InternalError(
          absl::StrCat("the answer to ", pending.path, " has ", pending.responses, " messages, and not one"));
    }
  }
  // The messages of a stream are posted, and its end comes after them.
  if (pending.message != nullptr || !connections_.at(connection)->receiving()) {
    return Conclude(call, std::move(reply));
  }
  pending.over = true;
  if (!reply.answered) RetryLater();
  ended_.emplace_back(call, std::move(reply));
}

void LoopRpcClient::OnReady(uint64_t connection) {
  if (connection != current_) return;
  ready_ = true;
  connecting_ = false;
  connect_timer_.Cancel();
  Tell(true);
  TryAll();
}

void LoopRpcClient::OnGoodbye(uint64_t connection) {
  if (connection != current_) return;
  constexpr char kWhy[] = "the server says goodbye";
  connecting_ ? ConnectFailed(absl::UnavailableError(kWhy)) : Lost(kWhy);
}

void LoopRpcClient::OnClosed(uint64_t connection) {
  const std::string& said = connections_.at(connection)->why_closed();
  const std::string why = said.empty() ? "the other end has closed the connection" : said;
  // Not in the middle of what the connection is doing.
  inbox_.post()([this, connection] { connections_.erase(connection); });
  if (connection != current_) return;
  if (connecting_) return ConnectFailed(absl::UnavailableError(why));
  Lost(why);
}

void LoopRpcClient::ConnectFailed(const absl::Status& why) {
  connecting_ = false;
  connect_timer_.Cancel();
  dial_.reset();
  current_ = 0;
  no_connection_ = why;
  Tell(false);
  bool wanted = watcher_ != nullptr;
  for (const auto& [call, pending] : pending_) {
    if (pending.connection != 0 || pending.over) continue;
    wanted = wanted || pending.wait;
    if (!pending.wait) Conclude(call, {.status = no_connection_});
  }
  if (wanted) RetryLater();
}

void LoopRpcClient::Lost(const std::string& why) {
  connecting_ = false;
  connect_timer_.Cancel();
  current_ = 0;
  ready_ = false;
  no_connection_ = absl::UnavailableError(absl::StrCat("there is no connection: ", why));
  Tell(false);
  if (watcher_ != nullptr) RetryLater();
}

void LoopRpcClient::Tell(bool connected) {
  if (watcher_ == nullptr || told_ == connected) return;
  told_ = connected;
  inbox_.post()([this, watch = watch_, connected] {
    if (watch != watch_) return;
    // A copy: it may take itself away.
    const Watcher tell = watcher_;
    tell(connected);
  });
}

void LoopRpcClient::Conclude(uint64_t call, Reply reply) {
  pending_.at(call).over = true;
  // A server that is there but ends what it takes is not asked again at once.
  if (!reply.answered) RetryLater();
  inbox_.post()([this, call, reply = std::move(reply)] { TellEnd(call, reply); });
}

void LoopRpcClient::TellEnd(uint64_t call, const Reply& reply) {
  const auto found = pending_.find(call);
  if (found == pending_.end()) return;
  const Done done = std::move(found->second.done);
  pending_.erase(found);
  done(reply);
}

void LoopRpcClient::TellEnds() {
  if (ended_.empty()) return;
  const std::weak_ptr<bool> alive = alive_;
  for (const auto& [call, reply] : std::exchange(ended_, {})) {
    TellEnd(call, reply);
    if (alive.expired()) return;
  }
}

void LoopRpcClient::RetryLater() {
  if (!CanConnect() || std::exchange(retrying_, true)) return;
  retry_ = loop_.After(backoff_.Next(), [this] {
    retrying_ = false;
    if (watcher_ != nullptr) Connect();
    TryAll();
  });
}

}  // namespace xpu
