#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/event_loop.h"
#include "common/base/unique_fd.h"
#include "device-plugin/http2_connection.h"
#include "device-plugin/loop_inbox.h"

namespace xpu {

// A call at a LoopRpcServer. A value; copies are the same call. On the loop.
class LoopCall {
 public:
  // Has no effect once the call is over, or its server is gone.
  void Write(absl::string_view message) const;
  void Finish(const absl::Status& status) const;
  // The message and OK: all that a unary call answers.
  void Answer(absl::string_view message) const;

  // Called once when the other end, or the server, has ended a call that was not finished.
  void OnEnd(std::function<void()> ended) const;
  // Called when what was written has gone.
  void OnDrained(std::function<void()> drained) const;

 private:
  friend class LoopRpcServer;
  struct Peer;
  LoopCall(std::weak_ptr<Peer> peer, Http2Connection::Stream stream)
      : peer_(std::move(peer)), stream_(stream) {}

  std::weak_ptr<Peer> peer_;
  Http2Connection::Stream stream_;
};

// Serves gRPC on a unix socket on the loop's thread; see Http2Connection for why.
class LoopRpcServer {
 public:
  // Serialised request.
  using Method = std::function<void(LoopCall call, const std::string& request)>;
  // By path, "/package.Service/Method"; what is not there is UNIMPLEMENTED.
  using Methods = std::map<std::string, Method>;

  // A stale socket is replaced; the new one is for root only. FailedPrecondition if another process serves
  // there.
  static absl::StatusOr<std::unique_ptr<LoopRpcServer>> Start(EventLoop& loop, const std::string& socket,
                                                              Methods methods);
  // Ends all calls; the socket goes unless it is another one by now.
  ~LoopRpcServer();

 private:
  LoopRpcServer(EventLoop& loop, std::string socket, UniqueFd listener, Methods methods);
  void Accept();

  EventLoop& loop_;
  const std::string socket_;
  const UniqueFd listener_;
  const Methods methods_;
  // Of the socket file.
  uint64_t inode_ = 0;
  std::map<uint64_t, std::shared_ptr<LoopCall::Peer>> peers_;
  uint64_t next_peer_ = 1;
  EventLoop::Handle readable_;
  LoopInbox inbox_;
};

// Unary gRPC calls over one connection to a unix socket that stays. On the loop.
class LoopRpcClient {
 public:
  struct Reply {
    // Whether the status is the server's; otherwise the connection ended, and the call may or may not have
    // had its effect.
    bool answered = false;
    absl::Status status;
    // Serialised; with OK.
    std::string response;
  };
  using Done = std::function<void(const Reply& reply)>;

  LoopRpcClient(EventLoop& loop, std::string socket);
  ~LoopRpcClient();

  // Begins a call, of which `done` is told; nothing is told after this object has gone. 0 if nobody takes a
  // connection now, and `done` is not called. A call that takes longer than `timeout` is DeadlineExceeded.
  uint64_t Call(const std::string& path, absl::string_view request, absl::Duration timeout, Done done);
  // `done` will not be called. OK if the call is over.
  void Cancel(uint64_t call);

 private:
  struct Pending {
    Http2Connection::Stream stream = 0;
    Done done;
    EventLoop::Handle timer;
  };
  bool Connect();
  void OnAnswered(Http2Connection::Stream stream, const Reply& reply);
  void OnClosed();

  EventLoop& loop_;
  const std::string socket_;
  std::unique_ptr<Http2Connection> connection_;
  std::map<uint64_t, Pending> pending_;
  uint64_t next_ = 1;
  LoopInbox inbox_;
};

}  // namespace xpu
