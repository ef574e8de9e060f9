#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/event_loop.h"
#include "common/base/loop_inbox.h"
#include "common/base/unique_fd.h"
#include "common/loop_rpc/rpc_connection.h"

namespace xpu {

// A call at a LoopRpcServer. A value; copies are the same call. Copies may be kept and dropped on any thread,
// its methods are called on the loop.
class LoopCall {
 public:
  // Have no effect once the call is over, or its server is gone.
  void Write(std::string_view message) const;
  void Finish(const absl::Status& status) const;
  // The message and OK: all that a unary call answers.
  void Answer(std::string_view message) const;

  // Called once when the other end, its deadline or the server has ended a call that was not finished; never
  // from within OnEnd(). Kept until the call is over.
  void OnEnd(std::function<void()> ended) const;
  // Called when what was written has gone. Who writes more before that fills memory, if the other end is
  // slow. Kept until the call is over.
  void OnDrained(std::function<void()> drained) const;

 private:
  friend class LoopRpcServer;
  struct Peer;
  LoopCall(std::weak_ptr<Peer> peer, RpcConnection::Stream stream)
      : peer_(std::move(peer)), stream_(stream) {}

  // Null if nothing can be written to the call any more.
  std::shared_ptr<Peer> Open() const;

  std::weak_ptr<Peer> peer_;
  RpcConnection::Stream stream_;
};

// Serves gRPC on a unix socket on the loop's thread: unary calls and server streams, in the clear.
//
// This is here because of what gRPC's library costs where two processes of one machine talk: threads of its
// own that hand each call from one to the next and wake when there is nothing to do, and their memory.
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
  // Ends all calls; the socket goes unless it is another one by now. On the loop, or when it does not run.
  ~LoopRpcServer();

  // Takes no calls and connections any more; those that are running go on. `drained` is called on the loop
  // when there is none left, and not before Drain() has returned.
  void Drain(std::function<void()> drained);

 private:
  LoopRpcServer(EventLoop& loop, std::string socket, UniqueFd listener, Methods methods);
  void Listen();
  void Accept();
  void AddPeer(UniqueFd fd);
  void RemovePeer(uint64_t id);
  void OnCalled(const std::shared_ptr<LoopCall::Peer>& peer, RpcConnection::Stream stream,
                const GrpcSession::Request& request);
  void RemoveSocket() const;

  EventLoop& loop_;
  const std::string socket_;
  UniqueFd listener_;
  const Methods methods_;
  // Of the socket file.
  uint64_t inode_ = 0;
  std::map<uint64_t, std::shared_ptr<LoopCall::Peer>> peers_;
  uint64_t next_peer_ = 1;
  EventLoop::Handle readable_;
  // Until connections are taken again, when the process had no descriptor left for one.
  EventLoop::Handle pause_;
  std::function<void()> drained_;
  LoopInbox inbox_;
};

}  // namespace xpu
