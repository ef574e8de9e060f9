#include "common/loop_rpc/loop_rpc_client.h"

#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/loop_rpc/unix_socket.h"

namespace xpu {

LoopRpcClient::LoopRpcClient(EventLoop& loop, std::string socket, const Options& options)
    : loop_(loop),
      socket_(std::move(socket)),
      options_(options),
      backoff_(options.reconnect, std::random_device()()),
      inbox_(loop) {}

LoopRpcClient::LoopRpcClient(EventLoop& loop, UniqueFd connected)
    : LoopRpcClient(loop, std::string(), Options()) {
  Add(std::move(connected));
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
  pending.wait = options.wait_for_ready && !socket_.empty();
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
  // A server that closes what it has just taken is not asked without a pause.
  if (pending.wait && retrying_) return;
  const uint64_t connection = Connected();
  if (connection == 0) {
    if (pending.wait) return RetryLater();
    return Conclude(call, {.status = absl::UnavailableError(absl::StrCat("nobody serves on ", socket_))});
  }
  std::optional<std::chrono::nanoseconds> timeout;
  if (pending.deadline != absl::InfiniteFuture()) {
    timeout = absl::ToChronoNanoseconds(pending.deadline - absl::Now());
  }
  RpcConnection& chosen = *connections_.at(connection);
  const RpcConnection::Stream stream = chosen.Call(pending.path, pending.request, timeout);
  if (stream < 0 || !chosen.open()) {
    return Conclude(call, {.status = absl::UnavailableError("the connection takes no more calls")});
  }
  pending.connection = connection;
  pending.stream = stream;
  streams_[{connection, stream}] = call;
}

uint64_t LoopRpcClient::Connected() {
  if (!connections_.empty()) {
    const auto& [newest, connection] = *connections_.rbegin();
    if (connection->accepting()) return newest;
  }
  if (socket_.empty()) return 0;
  absl::StatusOr<UniqueFd> fd = ConnectToUnixSocket(socket_);
  return fd.ok() ? Add(*std::move(fd)) : 0;
}

uint64_t LoopRpcClient::Add(UniqueFd fd) {
  const uint64_t id = next_connection_++;
  GrpcSession::Events events;
  events.message = [this, id](RpcConnection::Stream stream, std::string message) {
    OnMessage(id, stream, std::move(message));
  };
  events.ended = [this, id](RpcConnection::Stream stream, const GrpcSession::End& end) {
    OnEnded(id, stream, end);
  };
  connections_[id] = std::make_unique<RpcConnection>(
      loop_, std::move(fd),
      GrpcSession::Options{.role = GrpcSession::Role::kClient, .max_message = options_.max_message},
      std::move(events), [this, id] { OnClosed(id); });
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
  if (end.unseen && pending.wait) {
    pending.connection = 0;
    return RetryLater();
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
  Conclude(call, std::move(reply));
}

void LoopRpcClient::OnClosed(uint64_t connection) {
  // Not in the middle of what the connection is doing.
  inbox_.post()([this, connection] { connections_.erase(connection); });
}

void LoopRpcClient::Conclude(uint64_t call, Reply reply) {
  pending_.at(call).over = true;
  // A server that is there but ends what it takes is not asked again at once.
  if (!reply.answered && !socket_.empty()) RetryLater();
  inbox_.post()([this, call, reply = std::move(reply)] {
    const auto found = pending_.find(call);
    if (found == pending_.end()) return;
    const Done done = std::move(found->second.done);
    pending_.erase(found);
    done(reply);
  });
}

void LoopRpcClient::RetryLater() {
  if (std::exchange(retrying_, true)) return;
  retry_ = loop_.After(backoff_.Next(), [this] {
    retrying_ = false;
    std::vector<uint64_t> waiting;
    for (const auto& [call, pending] : pending_) {
      if (pending.connection == 0) waiting.push_back(call);
    }
    for (const uint64_t call : waiting) Try(call);
  });
}

}  // namespace xpu
