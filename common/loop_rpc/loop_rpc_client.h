#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/backoff.h"
#include "common/base/event_loop.h"
#include "common/base/loop_inbox.h"
#include "common/base/unique_fd.h"
#include "common/loop_rpc/rpc_address.h"
#include "common/loop_rpc/rpc_connection.h"
#include "common/loop_rpc/tcp_dial.h"
#include "common/tls/tls_session.h"

namespace xpu {

// gRPC calls, unary ones and server streams, to a server on a unix socket, in the clear, or over TCP and TLS.
// Lives on a loop's thread.
//
// Calls share a connection, which is made for the first of them, or for who watches it, and stays. When it
// ends, or the server says goodbye, the next call, or the watch, makes another. Nothing is done while nothing
// happens. What a stream brings is told before more is read, so who is slow slows the server down.
class LoopRpcClient {
 public:
  struct Options {
    // Of a message from the server, in bytes.
    size_t max_message = kGrpcMaxMessage;
    // Between tries to connect, for calls that wait for the server, and for who watches.
    Backoff::Options reconnect = {.initial = absl::Milliseconds(5), .max = absl::Seconds(1)};
    // For a name, a connection, TLS and the server's first words, over TCP; a server on a socket that is
    // watched has it for its first words.
    absl::Duration connect_timeout = absl::Seconds(10);
    // This end of TLS, for one connection. Called on the loop. Needed over TCP, and of no use on a socket.
    std::function<absl::StatusOr<std::unique_ptr<TlsSession>>()> tls;
  };

  struct CallOptions {
    // Of the whole call; the server is told. A call that takes longer is DeadlineExceeded.
    absl::Duration timeout = absl::InfiniteDuration();
    // Whether the call waits for a server that takes no connection now, as while it is being restarted.
    // Without, it waits for a connection that is being made, and fails while there is a pause before the next
    // try.
    bool wait_for_ready = false;
    GrpcSession::Metadata metadata = {};
  };

  struct Reply {
    // Whether the status is the server's, or the call's time is over. Otherwise nobody took the call or the
    // connection ended, and it may or may not have had its effect.
    bool answered = false;
    absl::Status status;
    // Serialised; of a unary call, with OK.
    std::string response;
  };

  // All are called on the loop and never in the middle of another method of this object. They may do with
  // it what they like, its destruction included, and nothing is told after that.
  using Message = std::function<void(const std::string& message)>;
  using Done = std::function<void(const Reply& reply)>;
  using Watcher = std::function<void(bool connected)>;

  LoopRpcClient(EventLoop& loop, RpcAddress address, const Options& options);
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

  // Keeps a connection, and tells whether there is one: when the first try has had its outcome, and at each
  // change. Every connection that ended is told of, also if another one follows at once. One watcher; null
  // for none, and then what is connected stays so.
  void Watch(Watcher watcher);
  // Makes a new connection for what is called from now on, as when the credentials have changed; what is
  // under way goes on over the old one, which closes after that.
  void Renew();

 private:
  struct Pending {
    std::string path;
    std::string request;
    GrpcSession::Metadata metadata;
    bool wait = false;
    // Was given to a connection that ended without having seen it.
    bool unseen = false;
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

  // Whether connections can be made.
  bool CanConnect() const { return address_.is_unix() || !address_.host.empty(); }
  // Starts a call that is nowhere yet, or ends it, or leaves it until there is a server.
  void Try(uint64_t call);
  void TryAll();
  // The connection that takes calls, or 0. Over TCP only once the server has said its first words.
  uint64_t Usable() const;
  // Begins to connect, unless that is under way or there is a connection; on a socket it is made at once.
  void Connect();
  void ConnectTimedOut();
  void Dialled(absl::StatusOr<UniqueFd> fd);
  uint64_t Add(UniqueFd fd, std::unique_ptr<TlsSession> tls);
  void OnMessage(uint64_t connection, RpcConnection::Stream stream, std::string message);
  void OnEnded(uint64_t connection, RpcConnection::Stream stream, const GrpcSession::End& end);
  void OnReady(uint64_t connection);
  void OnGoodbye(uint64_t connection);
  void OnClosed(uint64_t connection);
  // The try to connect has come to nothing.
  void ConnectFailed(const absl::Status& why);
  // The connection that was used takes no more calls.
  void Lost(const std::string& why);
  void Tell(bool connected);
  // Ends a call; who made it is told from the loop, never from here.
  void Conclude(uint64_t call, Reply reply);
  void TellEnd(uint64_t call, const Reply& reply);
  // Tells of the unary calls that have ended while a connection was receiving.
  void TellEnds();
  // Tries again, after a while, what waits for a server.
  void RetryLater();

  EventLoop& loop_;
  // Neither socket nor host: there is one connection, and never another.
  const RpcAddress address_;
  const Options options_;
  Backoff backoff_;
  // By number. `current_` takes calls; those before it finish what they have.
  std::map<uint64_t, std::unique_ptr<RpcConnection>> connections_;
  uint64_t next_connection_ = 1;
  // 0: none.
  uint64_t current_ = 0;
  // The server has said its first words on it.
  bool ready_ = false;
  std::unique_ptr<TcpDial> dial_;
  // A connection is being made, and who waits for it will hear the outcome.
  bool connecting_ = false;
  EventLoop::Handle connect_timer_;
  // Why there is no connection, if there is none.
  absl::Status no_connection_ = absl::UnavailableError("there is no connection");
  std::map<uint64_t, Pending> pending_;
  // What TellEnds() has to tell.
  std::vector<std::pair<uint64_t, Reply>> ended_;
  // Ends with this.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  // Calls by connection and stream.
  std::map<std::pair<uint64_t, RpcConnection::Stream>, uint64_t> streams_;
  uint64_t next_call_ = 1;
  EventLoop::Handle retry_;
  bool retrying_ = false;
  Watcher watcher_;
  // Of the watcher of now.
  uint64_t watch_ = 0;
  std::optional<bool> told_;
  LoopInbox inbox_;
};

}  // namespace xpu
