#include "cni/grpc_call.h"

#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "common/base/grpc_wire.h"
#include "common/base/unique_fd.h"

namespace xpu {
namespace {

using std::chrono::steady_clock;

std::string Words(const char* what, int error) { return std::string(what) + ": " + strerror(error); }

nghttp2_nv Header(std::string_view name, std::string_view value) {
  // nghttp2 takes pointers to non-const but changes nothing.
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

struct SessionDeleter {
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  void operator()(nghttp2_session_callbacks* callbacks) const { nghttp2_session_callbacks_del(callbacks); }
};

class Call {
 public:
  Call(std::string_view method, std::string_view request, steady_clock::time_point deadline)
      : method_(method), request_(FrameGrpcMessage(request)), deadline_(deadline) {}

  CallReply Run(const std::string& socket) {
    if (std::optional<CallReply> failed = Connect(socket)) return *std::move(failed);
    if (std::optional<CallReply> failed = Submit()) return *std::move(failed);
    while (!closed_) {
      if (std::optional<CallReply> failed = Send()) return *std::move(failed);
      if (std::optional<CallReply> failed = WaitAndReceive()) return *std::move(failed);
    }
    return Conclude();
  }

 private:
  static CallReply Failed(CallEnd end, std::string why) {
    CallReply reply;
    reply.end = end;
    reply.why = std::move(why);
    return reply;
  }
  static CallReply TimedOut() { return Failed(CallEnd::kTimedOut, "no answer within the time allowed"); }

  std::chrono::microseconds Left() const {
    return std::max(std::chrono::duration_cast<std::chrono::microseconds>(deadline_ - steady_clock::now()),
                    std::chrono::microseconds(0));
  }

  std::optional<CallReply> Connect(const std::string& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket.size() >= sizeof address.sun_path) {
      return Failed(CallEnd::kUnreachable, "the path is longer than a socket's may be (107 bytes)");
    }
    memcpy(address.sun_path, socket.data(), socket.size());
    fd_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd_) return Failed(CallEnd::kUnreachable, Words("cannot make a socket", errno));
    // A connect() waits while the server's backlog is full; this bounds it.
    const auto left = std::max(Left(), std::chrono::microseconds(1));
    const timeval timeout{.tv_sec = left.count() / 1'000'000, .tv_usec = left.count() % 1'000'000};
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    while (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return Failed(CallEnd::kTimedOut, "it accepts no connection");
      return Failed(CallEnd::kUnreachable, strerror(errno));
    }
    return std::nullopt;
  }

  std::optional<CallReply> Submit() {
    nghttp2_session_callbacks* raw_callbacks = nullptr;
    if (nghttp2_session_callbacks_new(&raw_callbacks) != 0)
      return Failed(CallEnd::kUnreachable, "out of memory");
    std::unique_ptr<nghttp2_session_callbacks, SessionDeleter> callbacks(raw_callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks.get(), &Call::OnHeader);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks.get(), &Call::OnData);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks.get(), &Call::OnClose);
    nghttp2_session* raw_session = nullptr;
    if (nghttp2_session_client_new(&raw_session, callbacks.get(), this) != 0) {
      return Failed(CallEnd::kUnreachable, "out of memory");
    }
    session_.reset(raw_session);
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, settings, std::size(settings));

    const std::string timeout = FormatGrpcTimeout(Left());
    const nghttp2_nv headers[] = {
        Header(":method", "POST"),       Header(":scheme", "http"),
        Header(":path", method_),        Header(":authority", "localhost"),
        Header("te", "trailers"),        Header("content-type", "application/grpc"),
        Header("user-agent", "xpu-cni"), Header("grpc-timeout", timeout),
    };
    nghttp2_data_provider body{};
    body.source.ptr = this;
    body.read_callback = &Call::ReadBody;
    stream_ = nghttp2_submit_request(session_.get(), nullptr, headers, std::size(headers), &body, nullptr);
    if (stream_ < 0) return Failed(CallEnd::kUnreachable, nghttp2_strerror(stream_));
    // Everything up to the flow-control window goes out in one piece.
    return Fill();
  }

  // Takes what nghttp2 has to send now.
  std::optional<CallReply> Fill() {
    while (true) {
      const uint8_t* data = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_.get(), &data);
      if (size < 0) return Failed(CallEnd::kBroken, nghttp2_strerror(static_cast<int>(size)));
      if (size == 0) return std::nullopt;
      out_.append(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
    }
  }

  // Sends as much as the socket takes now.
  std::optional<CallReply> Send() {
    size_t sent = 0;
    while (sent < out_.size()) {
      const ssize_t n = send(fd_.get(), out_.data() + sent, out_.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n >= 0) {
        sent += static_cast<size_t>(n);
      } else if (errno == EAGAIN) {
        break;
      } else if (errno == EPIPE || errno == ECONNRESET) {
        // The server may have answered before it closed; reading tells.
        sent = out_.size();
      } else if (errno != EINTR) {
        return Failed(CallEnd::kBroken, Words("cannot send", errno));
      }
    }
    out_.erase(0, sent);
    return std::nullopt;
  }

  std::optional<CallReply> WaitAndReceive() {
    pollfd wait{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (!out_.empty()) wait.events |= POLLOUT;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(Left());
    if (left.count() == 0) return TimedOut();
    const int ready = poll(&wait, 1, static_cast<int>(std::min<int64_t>(left.count(), 1 << 30)));
    if (ready < 0 && errno != EINTR) return Failed(CallEnd::kBroken, Words("cannot wait", errno));
    if (ready <= 0 || (wait.revents & ~POLLOUT) == 0) return std::nullopt;

    uint8_t buffer[16 << 10];
    const ssize_t n = recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (n < 0 && errno != ECONNRESET) return Failed(CallEnd::kBroken, Words("cannot receive", errno));
    if (n <= 0) return Failed(CallEnd::kBroken, "the connection was closed before the answer");
    const ssize_t taken = nghttp2_session_mem_recv(session_.get(), buffer, static_cast<size_t>(n));
    if (taken < 0) return Failed(CallEnd::kBroken, nghttp2_strerror(static_cast<int>(taken)));
    if (!broken_.empty()) return Failed(CallEnd::kBroken, broken_);
    if (closed_) return std::nullopt;
    std::optional<CallReply> failed = Fill();
    // After a violation of the protocol nghttp2 says goodbye and then wants no more.
    if (!failed && nghttp2_session_want_read(session_.get()) == 0) {
      return Failed(CallEnd::kBroken, "what answers there does not speak HTTP/2");
    }
    return failed;
  }

  CallReply Conclude() {
    if (grpc_status_ < 0) {
      if (close_code_ == NGHTTP2_REFUSED_STREAM) {
        return Failed(CallEnd::kUnreachable, "the server is shutting down and refused the call");
      }
      if (close_code_ != NGHTTP2_NO_ERROR) {
        return Failed(CallEnd::kBroken,
                      std::string("the server reset the call: ") + nghttp2_http2_strerror(close_code_));
      }
      if (!http_status_.empty() && http_status_ != "200") {
        return Failed(CallEnd::kBroken, "what answers there is no gRPC server: HTTP status " + http_status_);
      }
      return Failed(CallEnd::kBroken, "the server ended the call without a gRPC status");
    }
    CallReply reply;
    reply.end = CallEnd::kAnswered;
    reply.status = grpc_status_;
    reply.message = DecodeGrpcMessage(grpc_message_);
    if (grpc_status_ != 0) return reply;
    if (data_.size() < kGrpcPrefix) {
      return Failed(CallEnd::kBroken, "the server answered OK without a message");
    }
    const GrpcPrefix prefix = ReadGrpcPrefix(data_);
    if (prefix.compressed) {
      return Failed(CallEnd::kBroken, "the answer is compressed, which was not asked for");
    }
    if (prefix.size != data_.size() - kGrpcPrefix) {
      return Failed(CallEnd::kBroken, "the answer is not one whole message");
    }
    reply.response = data_.substr(kGrpcPrefix);
    return reply;
  }

  // nghttp2's callbacks. They must not throw.

  static ssize_t ReadBody(nghttp2_session*, int32_t, uint8_t* buffer, size_t size, uint32_t* flags,
                          nghttp2_data_source* source, void*) {
    auto* call = static_cast<Call*>(source->ptr);
    const size_t n = std::min(size, call->request_.size() - call->request_read_);
    memcpy(buffer, call->request_.data() + call->request_read_, n);
    call->request_read_ += n;
    if (call->request_read_ == call->request_.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(n);
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* user) {
    auto* call = static_cast<Call*>(user);
    if (frame->hd.stream_id != call->stream_) return 0;
    const std::string_view key(reinterpret_cast<const char*>(name), name_size);
    const std::string_view text(reinterpret_cast<const char*>(value), value_size);
    if (key == ":status") {
      call->http_status_ = text;
    } else if (key == "grpc-status") {
      call->grpc_status_ = ParseGrpcStatus(text);
    } else if (key == "grpc-message") {
      call->grpc_message_ = text;
    }
    return 0;
  }

  static int OnData(nghttp2_session*, uint8_t, int32_t stream, const uint8_t* data, size_t size, void* user) {
    auto* call = static_cast<Call*>(user);
    if (stream != call->stream_) return 0;
    if (call->data_.size() + size > kGrpcPrefix + kMaxResponse) {
      call->broken_ = "the answer is larger than 4 MiB";
    } else {
      call->data_.append(reinterpret_cast<const char*>(data), size);
    }
    return 0;
  }

  static int OnClose(nghttp2_session*, int32_t stream, uint32_t error, void* user) {
    auto* call = static_cast<Call*>(user);
    if (stream != call->stream_) return 0;
    call->closed_ = true;
    call->close_code_ = error;
    return 0;
  }

  const std::string_view method_;
  const std::string request_;
  const steady_clock::time_point deadline_;
  size_t request_read_ = 0;

  UniqueFd fd_;
  std::unique_ptr<nghttp2_session, SessionDeleter> session_;
  int32_t stream_ = 0;
  std::string out_;

  std::string http_status_;
  int grpc_status_ = -1;
  std::string grpc_message_;
  std::string data_;
  std::string broken_;
  bool closed_ = false;
  uint32_t close_code_ = NGHTTP2_NO_ERROR;
};

}  // namespace

CallReply CallUnary(const std::string& socket, std::string_view method, std::string_view request,
                    steady_clock::time_point deadline) {
  return Call(method, request, deadline).Run(socket);
}

}  // namespace xpu
