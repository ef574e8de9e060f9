#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "common/base/event_loop.h"
#include "common/base/unique_fd.h"
#include "common/loop_rpc/grpc_session.h"
#include "common/tls/tls_session.h"

namespace xpu {

// A GrpcSession on a connected socket, in the clear or over TLS, all of it on a loop's thread.
//
// No more is taken from the session, and so from the streams, than the socket takes.
class RpcConnection {
 public:
  using Stream = GrpcSession::Stream;

  // `fd` is connected and non-blocking; without `tls` it is spoken to in the clear. The events are the
  // session's, on the loop; none of them may destroy the connection. `closed` is called once, when the
  // connection is over and after all its calls have ended.
  RpcConnection(EventLoop& loop, UniqueFd fd, const GrpcSession::Options& options, GrpcSession::Events events,
                std::function<void()> closed, std::unique_ptr<TlsSession> tls = nullptr);
  // `received` is called whenever something was received, after all that has come of it; it may destroy the
  // connection.
  void OnReceived(std::function<void()> received) { received_ = std::move(received); }
  // Says goodbye and closes, without an event.
  ~RpcConnection();
  RpcConnection(const RpcConnection&) = delete;
  RpcConnection& operator=(const RpcConnection&) = delete;

  // Says the first words now. Without it, a client's go out together with its first call.
  void Greet() { Flush(); }

  bool open() const { return open_; }
  // Whether something is being received, at the end of which OnReceived() tells.
  bool receiving() const { return receiving_; }
  // Why it is over, for words; empty: the other end has closed it.
  const std::string& why_closed() const { return why_closed_; }
  // Whether calls can be begun.
  bool accepting() const { return open_ && session_.accepting(); }
  bool IsOpen(Stream stream) const { return open_ && session_.IsOpen(stream); }

  // As GrpcSession has them; they are sent at once, as far as the socket takes them.
  Stream Call(const std::string& path, std::string_view message,
              std::optional<std::chrono::nanoseconds> timeout, const GrpcSession::Metadata& metadata = {});
  void Cancel(Stream stream);
  void Write(Stream stream, std::string_view message);
  void Finish(Stream stream, const absl::Status& status);
  // The message, and OK, in one piece.
  void WriteAndFinish(Stream stream, std::string_view message);
  void Drain();
  // Gives it up: what is open ends, `why` for words, and `closed` is called. Not within an event.
  void Abort(std::string why) { Close(std::move(why)); }

 private:
  void Receive();
  void Take();
  // Sends what there is to send, unless that is being done further up.
  void Flush();
  void Send();
  // What there is to send, as the socket has it.
  void FillOutput();
  void Close(std::string why);

  EventLoop& loop_;
  const UniqueFd fd_;
  const std::function<void()> closed_;
  // Null: nobody wants to know.
  std::function<void()> received_;
  // Null: in the clear.
  const std::unique_ptr<TlsSession> tls_;
  EventLoop::Handle readable_;
  EventLoop::Handle writable_;
  GrpcSession session_;
  // What the socket has not taken yet, from `sent_` on.
  std::string out_;
  size_t sent_ = 0;
  // In a call of the session's, which must not be asked for output then.
  bool busy_ = false;
  bool receiving_ = false;
  bool waits_to_write_ = false;
  std::string why_closed_;
  bool open_ = true;
};

}  // namespace xpu
