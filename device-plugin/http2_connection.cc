#include "device-plugin/http2_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/hex.h"

namespace xpu {
namespace {

// A message on the wire: one byte (compressed or not), four bytes of length, the message.
constexpr size_t kPrefix = 5;
// As gRPC's own servers have it.
constexpr size_t kMaxMessage = size_t{4} << 20;

nghttp2_nv Header(absl::string_view name, absl::string_view value) {
  // nghttp2 takes pointers to non-const, but copies and changes nothing.
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

// grpc-message: what is not printable ASCII, and '%', as %XX.
std::string Encode(absl::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      encoded.push_back(c);
    } else {
      absl::StrAppendFormat(&encoded, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::string Decode(absl::string_view encoded) {
  std::string text;
  for (size_t i = 0; i < encoded.size(); ++i) {
    const bool escape = encoded[i] == '%' && i + 2 < encoded.size() && HexDigit(encoded[i + 1]) >= 0 &&
                        HexDigit(encoded[i + 2]) >= 0;
    text.push_back(escape ? static_cast<char>(HexDigit(encoded[i + 1]) * 16 + HexDigit(encoded[i + 2]))
                          : encoded[i]);
    if (escape) i += 2;
  }
  return text;
}

}  // namespace

std::string FrameMessage(absl::string_view message) {
  std::string frame;
  frame.reserve(kPrefix + message.size());
  frame.push_back(0);
  for (int shift = 24; shift >= 0; shift -= 8) frame.push_back(static_cast<char>(message.size() >> shift));
  absl::StrAppend(&frame, message);
  return frame;
}

absl::StatusOr<std::string> UnframeMessage(std::string frame) {
  if (frame.size() < kPrefix) return absl::InvalidArgumentError("there is no message");
  if (frame[0] != 0) return absl::InvalidArgumentError("the message is compressed, which was not agreed on");
  size_t size = 0;
  for (size_t i = 1; i < kPrefix; ++i) size = size << 8 | static_cast<uint8_t>(frame[i]);
  if (size != frame.size() - kPrefix) return absl::InvalidArgumentError("this is not one whole message");
  frame.erase(0, kPrefix);
  return frame;
}

Http2Connection::Http2Connection(EventLoop& loop, UniqueFd fd, bool server, Events events)
    : server_(server), fd_(std::move(fd)), events_(std::move(events)), loop_(loop) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, &OnHeader);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &OnData);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &OnFrame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &OnClose);
  if (server_) {
    nghttp2_session_server_new(&session_, callbacks, this);
  } else {
    nghttp2_session_client_new(&session_, callbacks, this);
  }
  nghttp2_session_callbacks_del(callbacks);
  const std::array<nghttp2_settings_entry, 1> settings = {
      {{server_ ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS : NGHTTP2_SETTINGS_ENABLE_PUSH,
        server_ ? 100U : 0U}}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  readable_ = loop_.OnReadable(fd_.get(), [this] { Receive(); });
  Flush();
}

Http2Connection::~Http2Connection() {
  if (open_) {
    busy_ = false;
    nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
    open_ = false;
    Send();
  }
  nghttp2_session_del(session_);
}

Http2Connection::State* Http2Connection::Find(Stream stream) {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : &found->second;
}

Http2Connection::Stream Http2Connection::Call(const std::string& path, absl::string_view message) {
  if (!open_) return -1;
  const std::array headers = {Header(":method", "POST"),  Header(":scheme", "http"),
                              Header(":path", path),      Header(":authority", "localhost"),
                              Header("te", "trailers"),   Header("content-type", "application/grpc"),
                              Header("user-agent", "xpu")};
  nghttp2_data_provider body{};
  body.source.ptr = this;
  body.read_callback = &OnRead;
  const Stream stream =
      nghttp2_submit_request(session_, nullptr, headers.data(), headers.size(), &body, nullptr);
  if (stream < 0) return stream;
  State& state = streams_[stream];
  state.out.push_back(FrameMessage(message));
  state.finished = true;
  Flush();
  return stream;
}

void Http2Connection::Cancel(Stream stream) {
  if (!open_ || streams_.erase(stream) == 0) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
  Flush();
}

void Http2Connection::Write(Stream stream, absl::string_view message) {
  State* state = Find(stream);
  if (!open_ || state == nullptr || state->finished) return;
  state->out.push_back(FrameMessage(message));
  if (state->started) {
    nghttp2_session_resume_data(session_, stream);
  } else {
    state->started = true;
    const std::array headers = {Header(":status", "200"), Header("content-type", "application/grpc")};
    nghttp2_data_provider body{};
    body.source.ptr = this;
    body.read_callback = &OnRead;
    nghttp2_submit_response(session_, stream, headers.data(), headers.size(), &body);
  }
  Flush();
}

void Http2Connection::Finish(Stream stream, const absl::Status& status) {
  State* state = Find(stream);
  if (!open_ || state == nullptr || state->finished) return;
  state->finished = true;
  state->status = status;
  if (state->started) {
    nghttp2_session_resume_data(session_, stream);
  } else {
    const std::string code = absl::StrCat(static_cast<int>(status.code()));
    const std::string message = Encode(status.message());
    const std::array headers = {Header(":status", "200"), Header("content-type", "application/grpc"),
                                Header("grpc-status", code), Header("grpc-message", message)};
    nghttp2_submit_response(session_, stream, headers.data(), headers.size(), nullptr);
  }
  Flush();
}

void Http2Connection::WriteAndFinish(Stream stream, absl::string_view message) {
  const bool busy = std::exchange(busy_, true);
  Write(stream, message);
  Finish(stream, absl::OkStatus());
  busy_ = busy;
  Flush();
}

ssize_t Http2Connection::OnRead(nghttp2_session* session, Stream stream, uint8_t* buffer, size_t size,
                                uint32_t* flags, nghttp2_data_source* source, void*) {
  auto* self = static_cast<Http2Connection*>(source->ptr);
  State* state = self->Find(stream);
  // Given up.
  if (state == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  size_t filled = 0;
  while (filled < size && !state->out.empty()) {
    const std::string& first = state->out.front();
    const size_t n = std::min(size - filled, first.size() - state->sent);
    std::copy_n(first.data() + state->sent, n, buffer + filled);
    filled += n;
    state->sent += n;
    if (state->sent < first.size()) break;
    state->out.pop_front();
    state->sent = 0;
  }
  if (!state->out.empty()) return static_cast<ssize_t>(filled);
  if (state->finished) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (self->server_) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const std::string code = absl::StrCat(static_cast<int>(state->status.code()));
      const std::string message = Encode(state->status.message());
      const std::array trailers = {Header("grpc-status", code), Header("grpc-message", message)};
      nghttp2_submit_trailer(session, stream, trailers.data(), message.empty() ? 1 : trailers.size());
    }
  } else if (filled == 0) {
    return NGHTTP2_ERR_DEFERRED;
  }
  return static_cast<ssize_t>(filled);
}

int Http2Connection::OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                              size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                              void* data) {
  auto* self = static_cast<Http2Connection*>(data);
  const absl::string_view key(reinterpret_cast<const char*>(name), name_size);
  const absl::string_view text(reinterpret_cast<const char*>(value), value_size);
  if (self->server_) {
    if (key == ":path") self->streams_[frame->hd.stream_id].path = std::string(text);
    return 0;
  }
  State* state = self->Find(frame->hd.stream_id);
  if (state == nullptr) return 0;
  if (key == "grpc-status" && !absl::SimpleAtoi(text, &state->grpc_status)) {
    // A malformed status is UNKNOWN, as the protocol says.
    state->grpc_status = 2;
  } else if (key == "grpc-message") {
    state->grpc_message = Decode(text);
  }
  return 0;
}

int Http2Connection::OnData(nghttp2_session* session, uint8_t, Stream stream, const uint8_t* bytes,
                            size_t size, void* data) {
  auto* self = static_cast<Http2Connection*>(data);
  State* state = self->Find(stream);
  if (state == nullptr) return 0;
  if (state->in.size() + size > kPrefix + kMaxMessage) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_ENHANCE_YOUR_CALM);
    return 0;
  }
  state->in.append(reinterpret_cast<const char*>(bytes), size);
  return 0;
}

int Http2Connection::OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
  auto* self = static_cast<Http2Connection*>(data);
  const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
                   (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS);
  if (!self->server_ || !end) return 0;
  const Stream stream = frame->hd.stream_id;
  State* state = self->Find(stream);
  if (state == nullptr) return 0;
  absl::StatusOr<std::string> message = UnframeMessage(std::move(state->in));
  state->in.clear();
  if (!message.ok()) {
    self->Finish(stream, message.status());
  } else {
    self->events_.called(stream, std::string(state->path), *std::move(message));
  }
  return 0;
}

int Http2Connection::OnClose(nghttp2_session*, Stream stream, uint32_t error, void* data) {
  auto* self = static_cast<Http2Connection*>(data);
  const auto found = self->streams_.find(stream);
  if (found == self->streams_.end()) return 0;
  State state = std::move(found->second);
  self->streams_.erase(found);
  if (self->server_) {
    if (!state.finished && self->events_.cancelled != nullptr) self->events_.cancelled(stream);
    return 0;
  }
  if (state.grpc_status < 0) {
    self->events_.answered(stream, /*by_peer=*/false,
                           absl::UnavailableError(absl::StrCat("the call ended without a status: ",
                                                               nghttp2_http2_strerror(error))),
                           "");
  } else if (state.grpc_status != 0) {
    self->events_.answered(stream, /*by_peer=*/true,
                           absl::Status(static_cast<absl::StatusCode>(state.grpc_status), state.grpc_message),
                           "");
  } else {
    absl::StatusOr<std::string> message = UnframeMessage(std::move(state.in));
    const absl::Status status =
        message.ok() ? absl::OkStatus() : absl::InternalError(message.status().message());
    self->events_.answered(stream, /*by_peer=*/true, status,
                           message.ok() ? *std::move(message) : std::string());
  }
  return 0;
}

void Http2Connection::Receive() {
  std::array<uint8_t, 16384> buffer;
  const ssize_t n = recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return Close();
  busy_ = true;
  const ssize_t taken = nghttp2_session_mem_recv(session_, buffer.data(), static_cast<size_t>(n));
  busy_ = false;
  if (taken < 0) return Close();
  Flush();
}

void Http2Connection::Flush() {
  if (busy_ || !open_) return;
  Send();
  if (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0 && out_.empty()) {
    Close();
  }
}

void Http2Connection::Send() {
  // Nothing more is taken from nghttp2, and so from the streams, than the socket takes.
  while (true) {
    if (out_.empty()) {
      busy_ = true;
      const uint8_t* bytes = nullptr;
      ssize_t size = 0;
      // What there is goes out in one piece.
      while (out_.size() < 65536 && (size = nghttp2_session_mem_send(session_, &bytes)) > 0) {
        out_.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
      }
      busy_ = false;
      if (out_.empty()) break;
    }
    const ssize_t n = send(fd_.get(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    out_.erase(0, static_cast<size_t>(n));
  }
  if (!open_) return;
  if (out_.empty()) {
    writable_.Cancel();
  } else {
    // An error of the socket is told when it is read from.
    writable_ = loop_.OnWritable(fd_.get(), [this] { Flush(); });
  }
  if (!server_ || events_.drained == nullptr) return;
  std::vector<Stream> drained;
  for (auto& [stream, state] : streams_) {
    if (state.started && !state.finished && state.out.empty()) drained.push_back(stream);
  }
  for (const Stream stream : drained) events_.drained(stream);
}

void Http2Connection::Close() {
  if (!std::exchange(open_, false)) return;
  readable_.Cancel();
  writable_.Cancel();
  streams_.clear();
  events_.closed();
}

}  // namespace xpu
