#pragma once

#include <nghttp2/nghttp2.h>
#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/event_loop.h"
#include "common/base/unique_fd.h"

namespace xpu {

// One end of gRPC over HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md) on a connected
// unix socket, in the clear, all of it on a loop's thread. A call is a stream: messages to the other end,
// messages from it, and a status.
//
// This is here because of the way that Allocate takes: from the kubelet through this process to the host
// agent and back. With gRPC's own threads it costs four wakeups in this process, here it costs two.
class Http2Connection {
 public:
  using Stream = int32_t;

  // What happens; on the loop. Any of them may start, write to and finish streams, none may destroy the
  // connection.
  struct Events {
    // A server's: the other end has sent all of a call of `path`, e.g. "/v1beta1.DevicePlugin/Allocate".
    std::function<void(Stream stream, const std::string& path, std::string message)> called;
    // A client's: the call is over. `by_peer`: the status is the other end's. With OK there is a message.
    std::function<void(Stream stream, bool by_peer, const absl::Status& status, std::string message)>
        answered;
    // A server's: the other end wants no more of a call that was not finished.
    std::function<void(Stream stream)> cancelled;
    // A server's: all that was written to the stream has been taken by the other end's window.
    std::function<void(Stream stream)> drained;
    // The connection is over; told once. Streams that were open end without another word.
    std::function<void()> closed;
  };

  // `fd` is connected and non-blocking.
  Http2Connection(EventLoop& loop, UniqueFd fd, bool server, Events events);
  // Says goodbye and closes, without an event.
  ~Http2Connection();
  Http2Connection(const Http2Connection&) = delete;
  Http2Connection& operator=(const Http2Connection&) = delete;

  bool open() const { return open_; }

  // A client's: begins a unary call. Negative if the connection takes no more of them.
  Stream Call(const std::string& path, absl::string_view message);
  // Gives up a stream; no event comes for it any more.
  void Cancel(Stream stream);

  // A server's: sends a message, then ends the call. After Finish() the stream is gone; what names a stream
  // that is gone has no effect.
  void Write(Stream stream, absl::string_view message);
  void Finish(Stream stream, const absl::Status& status);
  // The message, and OK, in one piece.
  void WriteAndFinish(Stream stream, absl::string_view message);

 private:
  struct State {
    std::string path;
    std::string in;
    std::deque<std::string> out;
    // Of the first of `out`.
    size_t sent = 0;
    bool started = false;
    bool finished = false;
    absl::Status status;
    // Of a client: what the trailers say; below 0: nothing yet.
    int grpc_status = -1;
    std::string grpc_message;
  };

  static ssize_t OnRead(nghttp2_session* session, Stream stream, uint8_t* buffer, size_t size,
                        uint32_t* flags, nghttp2_data_source* source, void* self);
  static int OnHeader(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t flags, void* self);
  static int OnData(nghttp2_session* session, uint8_t flags, Stream stream, const uint8_t* data, size_t size,
                    void* self);
  static int OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* self);
  static int OnClose(nghttp2_session* session, Stream stream, uint32_t error, void* self);

  State* Find(Stream stream);
  void Receive();
  // Sends what there is to send, unless that is being done further up.
  void Flush();
  void Send();
  void Close();

  const bool server_;
  const UniqueFd fd_;
  const Events events_;
  EventLoop& loop_;
  EventLoop::Handle readable_;
  EventLoop::Handle writable_;
  nghttp2_session* session_ = nullptr;
  std::map<Stream, State> streams_;
  // What the socket has not taken yet.
  std::string out_;
  // In a callback of nghttp2, which must not be called then.
  bool busy_ = false;
  bool open_ = true;
};

// The message of a gRPC frame (one byte: compressed or not; four bytes of length); InvalidArgument if it is
// not one whole, uncompressed message.
absl::StatusOr<std::string> UnframeMessage(std::string frame);
std::string FrameMessage(absl::string_view message);

}  // namespace xpu
