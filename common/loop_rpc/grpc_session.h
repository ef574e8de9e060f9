#pragma once

#include <nghttp2/nghttp2.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/base/grpc_wire.h"

namespace xpu {

// One end of a connection that speaks gRPC over HTTP/2
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): bytes in, events and bytes out. A call is
// a stream: one message from the client, any number of them from the server, and a status. Messages are never
// compressed. It does no I/O and knows no time. Not thread-safe.
class GrpcSession {
 public:
  using Stream = int32_t;
  // Custom metadata of a call, by its name in lower case.
  using Metadata = std::vector<std::pair<std::string, std::string>>;

  enum class Role { kServer, kClient };

  struct Request {
    // "/package.Service/Method"
    std::string path;
    // Serialised.
    std::string message;
    // How long the client waits for the end of the call; empty: for ever.
    std::optional<std::chrono::nanoseconds> timeout;
  };

  struct End {
    // Whether the status is the other end's. Without, it may or may not have seen the call...
    bool answered = false;
    // ...and this says that it has not.
    bool unseen = false;
    absl::Status status;
  };

  // What happens. Any of them may begin, write to, finish and cancel streams; none may destroy the session,
  // or call Receive() or TakeOutput().
  struct Events {
    // A server's: the other end has sent all of a call.
    std::function<void(Stream stream, Request request)> called;
    // A server's: the other end wants no more of a call that was not finished.
    std::function<void(Stream stream)> cancelled;
    // A server's: all that was written to the stream has been taken; see TellDrained().
    std::function<void(Stream stream)> drained;
    // A client's: a message of the answer.
    std::function<void(Stream stream, std::string message)> message;
    // A client's: the call is over. Not called for one that was cancelled.
    std::function<void(Stream stream, const End& end)> ended;
    // A client's, and may be empty: the other end has said its first words, so it takes the connection.
    std::function<void()> ready;
    // A client's, and may be empty: the other end takes no more calls on this connection.
    std::function<void()> goodbye;
  };

  struct Options {
    Role role = Role::kServer;
    // A client's: what its calls say of the way there and of whom they are for.
    std::string scheme = "http";
    std::string authority = "localhost";
    // Of a message from the other end, in bytes; a call with a larger one ends with RESOURCE_EXHAUSTED.
    size_t max_message = kGrpcMaxMessage;
    // A server's: of one connection at a time. Further ones are refused unseen, which clients may try again.
    // They are not told of it beforehand: clients count their streams otherwise than nghttp2 does, which ends
    // the connection of one that is beyond by a single stream.
    size_t max_streams = 1000;
  };

  GrpcSession(const Options& options, Events events);
  ~GrpcSession();
  GrpcSession(const GrpcSession&) = delete;
  GrpcSession& operator=(const GrpcSession&) = delete;

  // Takes what has come. False if the connection cannot go on; what there is to send then says why.
  bool Receive(std::string_view bytes);
  // Appends what there is to send, until `out` has about `enough` bytes.
  void TakeOutput(size_t enough, std::string& out);
  // Nothing more comes of it: close the connection, once what there is to send has gone.
  bool over() const;
  // Tells of the streams whose messages TakeOutput() has taken all of: call it when they are sent. False if
  // there was none.
  bool TellDrained();
  // Ends what is open, as when the connection has gone: `cancelled` and `ended` (not answered) are called.
  // `why` is for words; empty: nobody knows.
  void EndAll(const std::string& why = {});

  // A client's: begins a call. Negative if the connection takes no more of them, as after the other end has
  // said goodbye.
  Stream Call(const std::string& path, std::string_view message,
              std::optional<std::chrono::nanoseconds> timeout, const Metadata& metadata = {});
  // A client's: whether calls can be begun.
  bool accepting() const;
  // Gives up a stream; no event comes for it any more.
  void Cancel(Stream stream);

  // A server's: sends a message; ends the call. After Finish() the stream is gone; what names a stream that
  // is gone has no effect. The payload kGrpcDetails of a status, if it has one, is sent too.
  void Write(Stream stream, std::string_view message);
  void Finish(Stream stream, const absl::Status& status);

  // No calls are taken, or begun, any more; those that there are go on. The session is over after the last.
  void Drain();
  // Says goodbye, for this end closes the connection.
  void Terminate();

  // Whether there is such a stream, and something can be written to it.
  bool IsOpen(Stream stream) const;

 private:
  struct State {
    // A server's.
    std::string path;
    std::string timeout;
    std::string encoding;
    bool is_grpc = false;
    // Bytes of messages that are not whole yet.
    std::string in;
    // Messages that have not gone out yet, and how much of the first has.
    std::list<std::string> out;
    size_t sent = 0;
    // Headers of the answer have been submitted.
    bool started = false;
    // Nothing more is written.
    bool finished = false;
    bool tell_drained = false;
    absl::Status status;
    // A client's: what the trailers say; below 0: nothing yet.
    int grpc_status = -1;
    std::string grpc_message;
    std::string grpc_details;
    std::string http_status;
  };

  // nghttp2's callbacks. They must not throw.
  static ssize_t OnRead(nghttp2_session* session, Stream stream, uint8_t* buffer, size_t size,
                        uint32_t* flags, nghttp2_data_source* source, void* self);
  static int OnBeginHeaders(nghttp2_session* session, const nghttp2_frame* frame, void* self);
  static int OnHeader(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t flags, void* self);
  static int OnData(nghttp2_session* session, uint8_t flags, Stream stream, const uint8_t* data, size_t size,
                    void* self);
  static int OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* self);
  static int OnNotSent(nghttp2_session* session, const nghttp2_frame* frame, int error, void* self);
  static int OnClose(nghttp2_session* session, Stream stream, uint32_t error, void* self);

  State* Find(Stream stream);
  void OnServerHeader(State& state, std::string_view name, std::string_view value);
  void OnClientHeader(State& state, std::string_view name, std::string_view value);
  void OnRequest(Stream stream);
  void ReadMessages(Stream stream);
  End EndOf(const State& state, uint32_t error) const;
  // A client's: ends a stream of which nothing sensible can come any more.
  void GiveUp(Stream stream, const absl::Status& why);
  void SubmitTrailers(Stream stream, const State& state);

  const Options options_;
  const Events events_;
  nghttp2_session* session_ = nullptr;
  std::map<Stream, State> streams_;
  std::vector<Stream> drained_;
  bool broken_ = false;
  // A client's: what its events have said.
  bool ready_ = false;
  bool goodbye_ = false;
};

// The payload of a status that is sent as the trailer grpc-status-details-bin: a serialised
// google.rpc.Status.
inline constexpr char kGrpcDetails[] = "type.googleapis.com/google.rpc.Status";

}  // namespace xpu
