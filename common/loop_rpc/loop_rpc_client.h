#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/backoff.h"
#include "common/base/event_loop.h"
#include "common/base/loop_inbox.h"
#include "common/base/unique_fd.h"
#include "common/loop_rpc/rpc_connection.h"

namespace xpu {

// gRPC calls, unary ones and server streams, to a server on a unix socket, in the clear. Lives on a loop's
// thread.
//
// Calls share a connection, which is made for the first of them and stays. When it ends, or the server says
// goodbye, the next call makes another.
class LoopRpcClient {
 public:
  struct Options {
    // Of a message from the server, in bytes.
    size_t max_message = kGrpcMaxMessage;
    // Between tries to connect, for calls that wait for the server.
    Backoff::Options reconnect = {.initial = absl::Milliseconds(5), .max = absl::Seconds(1)};
  };

  struct CallOptions {
    // Of the whole call; the server is told. A call that takes longer is DeadlineExceeded.
    absl::Duration timeout = absl::InfiniteDuration();
    // Whether the call waits for a server that takes no connection now, as while it is being restarted.
    bool wait_for_ready = false;
  };

  struct Reply {
    // Whether the status is the server's, or the call's time is over. Otherwise nobody took the call or the
    // connection ended, and it may or may not have had its effect.
    bool answered = false;
    absl::Status status;
    // Serialised; of a unary call, with OK.
    std::string response;
  };

  // Both are called on the loop and never in the middle of another method of this object. They may do with
  // it what they like, its destruction included, and nothing is told after that.
  using Message = std::function<void(const std::string& message)>;
  using Done = std::function<void(const Reply& reply)>;

  LoopRpcClient(EventLoop& loop, std::string socket, const Options& options);
  LoopRpcClient(EventLoop& loop, std::string socket) : LoopRpcClient(loop, std::move(socket), Options()) {}
  // On a socket that is connected and non-blocking; when that ends, so do all calls.
  LoopRpcClient(EventLoop& loop, UniqueFd connected);
  ~LoopRpcClient();
  LoopRpcClient(const LoopRpcClient&) = delete;
  LoopRpcClient& operator=(const LoopRpcClient&) = delete;

  // Begins a unary call. `done` is told of its end, once. Returns what Cancel() takes.
  uint64_t Call(const std::string& path, std::string_view request, const CallOptions& options, Done done);
  // Begins a call with any number of answers; `message` is told of each.
  uint64_t Stream(const std::string& path, std::string_view request, const CallOptions& options,
                  Message message, Done done);
  // Nothing more is told of the call. OK if it is over.
  void Cancel(uint64_t call);

 private:
  struct Pending {
    std::string path;
    std::string request;
    bool wait = false;
    absl::Time deadline;
    // Null for a unary call.
    Message message;
    Done done;
    // Where it is under way; 0: nowhere yet.
    uint64_t connection = 0;
    RpcConnection::Stream stream = 0;
    EventLoop::Handle timer;
    // Its end is known, and will be told.
    bool over = false;
    // Of a unary call.
    std::string response;
    int responses = 0;
  };

  // Starts a call that is nowhere yet, or ends it, or leaves it until there is a server.
  void Try(uint64_t call);
  // Connects if need be; the connection that takes calls, or 0.
  uint64_t Connected();
  uint64_t Add(UniqueFd fd);
  void OnMessage(uint64_t connection, RpcConnection::Stream stream, std::string message);
  void OnEnded(uint64_t connection, RpcConnection::Stream stream, const GrpcSession::End& end);
  void OnClosed(uint64_t connection);
  // Ends a call, from the loop.
  void Conclude(uint64_t call, Reply reply);
  // Tries again, after a while, what waits for a server.
  void RetryLater();

  EventLoop& loop_;
  // Empty: there is one connection, and never another.
  const std::string socket_;
  const Options options_;
  Backoff backoff_;
  // By number. The newest takes calls; those before it are told goodbye and finish what they have.
  std::map<uint64_t, std::unique_ptr<RpcConnection>> connections_;
  uint64_t next_connection_ = 1;
  std::map<uint64_t, Pending> pending_;
  // Calls by connection and stream.
  std::map<std::pair<uint64_t, RpcConnection::Stream>, uint64_t> streams_;
  uint64_t next_call_ = 1;
  EventLoop::Handle retry_;
  bool retrying_ = false;
  LoopInbox inbox_;
};

}  // namespace xpu
