#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/base/event_loop.h"
#include "common/base/unique_fd.h"
#include "common/loop_rpc/grpc_session.h"

namespace xpu {

// A GrpcSession on a connected socket, all of it on a loop's thread.
//
// No more is taken from the session, and so from the streams, than the socket takes.
class RpcConnection {
 public:
  using Stream = GrpcSession::Stream;

  // `fd` is connected and non-blocking. The events are the session's, on the loop; none of them may destroy
  // the connection. `closed` is called once, when the connection is over and after all its calls have ended.
  RpcConnection(EventLoop& loop, UniqueFd fd, const GrpcSession::Options& options, GrpcSession::Events events,
                std::function<void()> closed);
  // Says goodbye and closes, without an event.
  ~RpcConnection();
  RpcConnection(const RpcConnection&) = delete;
  RpcConnection& operator=(const RpcConnection&) = delete;

  bool open() const { return open_; }
  // Whether anything has come from the other end.
  bool heard() const { return heard_; }
  // Whether calls can be begun.
  bool accepting() const { return open_ && session_.accepting(); }
  bool IsOpen(Stream stream) const { return open_ && session_.IsOpen(stream); }

  // As GrpcSession has them; they are sent at once, as far as the socket takes them.
  Stream Call(const std::string& path, std::string_view message,
              std::optional<std::chrono::nanoseconds> timeout);
  void Cancel(Stream stream);
  void Write(Stream stream, std::string_view message);
  void Finish(Stream stream, const absl::Status& status);
  // The message, and OK, in one piece.
  void WriteAndFinish(Stream stream, std::string_view message);
  void Drain();

 private:
  void Receive();
  // Sends what there is to send, unless that is being done further up.
  void Flush();
  void Send();
  void Close();

  EventLoop& loop_;
  const UniqueFd fd_;
  const std::function<void()> closed_;
  EventLoop::Handle readable_;
  EventLoop::Handle writable_;
  GrpcSession session_;
  // What the socket has not taken yet, from `sent_` on.
  std::string out_;
  size_t sent_ = 0;
  // In a call of the session's, which must not be asked for output then.
  bool busy_ = false;
  bool waits_to_write_ = false;
  bool heard_ = false;
  bool open_ = true;
};

}  // namespace xpu
