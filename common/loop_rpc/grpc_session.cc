#include "common/loop_rpc/grpc_session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace xpu {
namespace {

constexpr char kContentType[] = "application/grpc";
constexpr char kDetails[] = "grpc-status-details-bin";

nghttp2_nv Header(std::string_view name, std::string_view value) {
  // nghttp2 takes pointers to non-const, but copies and changes nothing.
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

// The trailers of a status, which point into it.
class StatusHeaders {
 public:
  explicit StatusHeaders(const absl::Status& status)
      : code_(absl::StrCat(static_cast<int>(status.code()))),
        message_(EncodeGrpcMessage(std::string(status.message()))) {
    if (const auto details = status.GetPayload(kGrpcDetails)) {
      details_ = absl::Base64Escape(std::string(*details));
    }
  }
  void AppendTo(std::vector<nghttp2_nv>& headers) const {
    headers.push_back(Header("grpc-status", code_));
    if (!message_.empty()) headers.push_back(Header("grpc-message", message_));
    if (!details_.empty()) headers.push_back(Header(kDetails, details_));
  }

 private:
  const std::string code_;
  const std::string message_;
  std::string details_;
};

absl::Status ToStatus(int code, const std::string& message, const std::string& details) {
  // A code that is not known is UNKNOWN to whoever gets it.
  if (code > static_cast<int>(absl::StatusCode::kUnauthenticated)) code = 2;
  absl::Status status(static_cast<absl::StatusCode>(code), message);
  std::string bytes;
  if (!details.empty() && absl::Base64Unescape(details, &bytes)) {
    status.SetPayload(kGrpcDetails, absl::Cord(bytes));
  }
  return status;
}

// What the protocol has errors of HTTP/2 mean.
absl::StatusCode CodeOfReset(uint32_t error) {
  switch (error) {
    case NGHTTP2_REFUSED_STREAM:
      return absl::StatusCode::kUnavailable;
    case NGHTTP2_CANCEL:
      return absl::StatusCode::kCancelled;
    case NGHTTP2_ENHANCE_YOUR_CALM:
      return absl::StatusCode::kResourceExhausted;
    case NGHTTP2_INADEQUATE_SECURITY:
      return absl::StatusCode::kPermissionDenied;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::Status TooLarge(size_t size, size_t most) {
  return absl::ResourceExhaustedError(
      absl::StrCat("a message of ", size, " bytes is larger than the ", most, " bytes that are taken here"));
}

}  // namespace

GrpcSession::GrpcSession(const Options& options, Events events)
    : options_(options), events_(std::move(events)) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, &OnBeginHeaders);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, &OnHeader);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &OnData);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &OnFrame);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, &OnNotSent);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &OnClose);
  const bool server = options_.role == Role::kServer;
  if (server) {
    nghttp2_session_server_new(&session_, callbacks, this);
  } else {
    nghttp2_session_client_new(&session_, callbacks, this);
  }
  nghttp2_session_callbacks_del(callbacks);
  const std::array<nghttp2_settings_entry, 1> no_push = {{{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, no_push.data(), server ? 0 : no_push.size());
}

GrpcSession::~GrpcSession() { nghttp2_session_del(session_); }

GrpcSession::State* GrpcSession::Find(Stream stream) {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : &found->second;
}

bool GrpcSession::Receive(std::string_view bytes) {
  if (broken_) return false;
  const ssize_t taken =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (taken < 0) broken_ = true;
  return !broken_;
}

void GrpcSession::TakeOutput(size_t enough, std::string& out) {
  const uint8_t* bytes = nullptr;
  ssize_t size = 0;
  while (out.size() < enough && (size = nghttp2_session_mem_send(session_, &bytes)) > 0) {
    out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
  }
  if (size < 0) broken_ = true;
}

bool GrpcSession::over() const {
  return broken_ || (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0);
}

bool GrpcSession::TellDrained() {
  if (drained_.empty()) return false;
  for (const Stream stream : std::exchange(drained_, {})) {
    const State* state = Find(stream);
    if (state != nullptr && !state->finished && state->out.empty()) events_.drained(stream);
  }
  return true;
}

bool GrpcSession::IsOpen(Stream stream) const {
  const auto found = streams_.find(stream);
  return !broken_ && found != streams_.end() && !found->second.finished;
}

void GrpcSession::EndAll(const std::string& why) {
  broken_ = true;
  const absl::Status lost = absl::UnavailableError(
      absl::StrCat("the connection ended before the answer", why.empty() ? "" : ": ", why));
  while (!streams_.empty()) {
    const auto first = streams_.begin();
    const Stream stream = first->first;
    const State state = std::move(first->second);
    streams_.erase(first);
    if (options_.role == Role::kClient) {
      events_.ended(stream, {.status = lost});
    } else if (!state.finished) {
      events_.cancelled(stream);
    }
  }
}

GrpcSession::Stream GrpcSession::Call(const std::string& path, std::string_view message,
                                      std::optional<std::chrono::nanoseconds> timeout,
                                      const Metadata& metadata) {
  if (!accepting()) return -1;
  const std::string timeout_text = timeout ? FormatGrpcTimeout(*timeout) : std::string();
  std::vector<nghttp2_nv> headers = {Header(":method", "POST"),  Header(":scheme", options_.scheme),
                                     Header(":path", path),      Header(":authority", options_.authority),
                                     Header("te", "trailers"),   Header("content-type", kContentType),
                                     Header("user-agent", "xpu")};
  if (timeout) headers.push_back(Header("grpc-timeout", timeout_text));
  for (const auto& [name, value] : metadata) headers.push_back(Header(name, value));
  nghttp2_data_provider body{};
  body.source.ptr = this;
  body.read_callback = &OnRead;
  const Stream stream =
      nghttp2_submit_request(session_, nullptr, headers.data(), headers.size(), &body, nullptr);
  if (stream < 0) return stream;
  State& state = streams_[stream];
  state.out.push_back(FrameGrpcMessage(message));
  state.finished = true;
  return stream;
}

bool GrpcSession::accepting() const {
  return !broken_ && !goodbye_ && nghttp2_session_check_request_allowed(session_) != 0;
}

void GrpcSession::Cancel(Stream stream) {
  if (streams_.erase(stream) == 0) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
}

void GrpcSession::Write(Stream stream, std::string_view message) {
  State* state = Find(stream);
  if (state == nullptr || state->finished) return;
  state->out.push_back(FrameGrpcMessage(message));
  state->tell_drained = true;
  if (std::exchange(state->started, true)) {
    nghttp2_session_resume_data(session_, stream);
    return;
  }
  const std::array headers = {Header(":status", "200"), Header("content-type", kContentType)};
  nghttp2_data_provider body{};
  body.source.ptr = this;
  body.read_callback = &OnRead;
  nghttp2_submit_response(session_, stream, headers.data(), headers.size(), &body);
}

void GrpcSession::Finish(Stream stream, const absl::Status& status) {
  State* state = Find(stream);
  if (state == nullptr || state->finished) return;
  state->finished = true;
  state->status = status;
  if (state->started) {
    nghttp2_session_resume_data(session_, stream);
    return;
  }
  const StatusHeaders words(status);
  std::vector<nghttp2_nv> headers = {Header(":status", "200"), Header("content-type", kContentType)};
  words.AppendTo(headers);
  nghttp2_submit_response(session_, stream, headers.data(), headers.size(), nullptr);
}

void GrpcSession::Drain() {
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
}

void GrpcSession::Terminate() { nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR); }

void GrpcSession::SubmitTrailers(Stream stream, const State& state) {
  const StatusHeaders words(state.status);
  std::vector<nghttp2_nv> trailers;
  words.AppendTo(trailers);
  nghttp2_submit_trailer(session_, stream, trailers.data(), trailers.size());
}

ssize_t GrpcSession::OnRead(nghttp2_session*, Stream stream, uint8_t* buffer, size_t size, uint32_t* flags,
                            nghttp2_data_source* source, void*) {
  auto* self = static_cast<GrpcSession*>(source->ptr);
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
    if (self->options_.role == Role::kServer) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      self->SubmitTrailers(stream, *state);
    }
    return static_cast<ssize_t>(filled);
  }
  if (std::exchange(state->tell_drained, false)) self->drained_.push_back(stream);
  return filled == 0 ? ssize_t{NGHTTP2_ERR_DEFERRED} : static_cast<ssize_t>(filled);
}

int GrpcSession::OnBeginHeaders(nghttp2_session* session, const nghttp2_frame* frame, void* data) {
  auto* self = static_cast<GrpcSession*>(data);
  if (self->options_.role != Role::kServer || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  if (self->streams_.size() < self->options_.max_streams) {
    self->streams_[frame->hd.stream_id];
  } else {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
  }
  return 0;
}

int GrpcSession::OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                          const uint8_t* value, size_t value_size, uint8_t, void* data) {
  auto* self = static_cast<GrpcSession*>(data);
  State* state = self->Find(frame->hd.stream_id);
  if (state == nullptr) return 0;
  const std::string_view key(reinterpret_cast<const char*>(name), name_size);
  const std::string_view text(reinterpret_cast<const char*>(value), value_size);
  if (self->options_.role == Role::kClient) {
    self->OnClientHeader(*state, key, text);
  } else if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
    self->OnServerHeader(*state, key, text);
  }
  return 0;
}

void GrpcSession::OnServerHeader(State& state, std::string_view name, std::string_view value) {
  if (name == ":path") {
    state.path = std::string(value);
  } else if (name == "grpc-timeout") {
    state.timeout = std::string(value);
  } else if (name == "grpc-encoding") {
    state.encoding = std::string(value);
  } else if (name == "content-type") {
    // "application/grpc", "application/grpc+proto" and "application/grpc;..." are gRPC's.
    state.is_grpc = value.starts_with(kContentType);
    if (state.is_grpc) value.remove_prefix(sizeof kContentType - 1);
    state.is_grpc = state.is_grpc && (value.empty() || value[0] == '+' || value[0] == ';');
  }
}

void GrpcSession::OnClientHeader(State& state, std::string_view name, std::string_view value) {
  if (name == ":status") {
    state.http_status = std::string(value);
  } else if (name == "grpc-status") {
    state.grpc_status = ParseGrpcStatus(value);
  } else if (name == "grpc-message") {
    state.grpc_message = DecodeGrpcMessage(value);
  } else if (name == kDetails) {
    state.grpc_details = std::string(value);
  }
}

int GrpcSession::OnData(nghttp2_session*, uint8_t, Stream stream, const uint8_t* bytes, size_t size,
                        void* data) {
  auto* self = static_cast<GrpcSession*>(data);
  State* state = self->Find(stream);
  const bool server = self->options_.role == Role::kServer;
  // A server that has answered already wants nothing more.
  if (state == nullptr || (server && state->finished)) return 0;
  state->in.append(reinterpret_cast<const char*>(bytes), size);
  if (!server) {
    self->ReadMessages(stream);
    return 0;
  }
  if (state->in.size() < kGrpcPrefix) return 0;
  const GrpcPrefix prefix = ReadGrpcPrefix(state->in);
  if (prefix.size > self->options_.max_message) {
    state->in.clear();
    self->Finish(stream, TooLarge(prefix.size, self->options_.max_message));
  } else if (state->in.size() > kGrpcPrefix + prefix.size) {
    state->in.clear();
    self->Finish(stream, absl::InternalError("the request is not one whole message"));
  }
  return 0;
}

// Hands over the messages that have come whole.
void GrpcSession::ReadMessages(Stream stream) {
  State* state = Find(stream);
  size_t at = 0;
  while (state != nullptr && state->in.size() - at >= kGrpcPrefix) {
    const GrpcPrefix prefix = ReadGrpcPrefix(std::string_view(state->in).substr(at));
    if (prefix.compressed) {
      return GiveUp(stream, absl::InternalError("the answer is compressed, which was not agreed on"));
    }
    if (prefix.size > options_.max_message)
      return GiveUp(stream, TooLarge(prefix.size, options_.max_message));
    if (state->in.size() - at - kGrpcPrefix < prefix.size) break;
    std::string message = state->in.substr(at + kGrpcPrefix, prefix.size);
    at += kGrpcPrefix + prefix.size;
    events_.message(stream, std::move(message));
    // It may have cancelled the call.
    state = Find(stream);
  }
  if (state != nullptr && at > 0) state->in.erase(0, at);
}

void GrpcSession::GiveUp(Stream stream, const absl::Status& why) {
  Cancel(stream);
  events_.ended(stream, {.answered = true, .status = why});
}

int GrpcSession::OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
  auto* self = static_cast<GrpcSession*>(data);
  const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
                   (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS);
  if (self->options_.role == Role::kServer) {
    if (end) self->OnRequest(frame->hd.stream_id);
    return 0;
  }
  const bool settings = frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0;
  if (settings && !std::exchange(self->ready_, true) && self->events_.ready) self->events_.ready();
  if (frame->hd.type == NGHTTP2_GOAWAY && !std::exchange(self->goodbye_, true) && self->events_.goodbye) {
    self->events_.goodbye();
  }
  return 0;
}

void GrpcSession::OnRequest(Stream stream) {
  State* state = Find(stream);
  if (state == nullptr || state->finished) return;
  if (!state->is_grpc) {
    state->finished = true;
    const std::array headers = {Header(":status", "415")};
    nghttp2_submit_response(session_, stream, headers.data(), headers.size(), nullptr);
    return;
  }
  if (!state->encoding.empty() && state->encoding != "identity") {
    return Finish(stream, absl::UnimplementedError(
                              absl::StrCat("requests are not taken with grpc-encoding ", state->encoding)));
  }
  const bool whole =
      state->in.size() >= kGrpcPrefix && ReadGrpcPrefix(state->in).size == state->in.size() - kGrpcPrefix;
  if (!whole) return Finish(stream, absl::InternalError("the request is not one whole message"));
  if (ReadGrpcPrefix(state->in).compressed) {
    return Finish(stream, absl::InternalError("the request is compressed, which was not agreed on"));
  }
  Request request{.path = std::move(state->path), .message = std::move(state->in)};
  request.message.erase(0, kGrpcPrefix);
  state->in.clear();
  if (!state->timeout.empty()) {
    request.timeout = ParseGrpcTimeout(state->timeout);
    if (!request.timeout) {
      return Finish(stream, absl::InternalError(absl::StrCat("grpc-timeout \"", absl::CEscape(state->timeout),
                                                             "\" is malformed")));
    }
  }
  events_.called(stream, std::move(request));
}

GrpcSession::End GrpcSession::EndOf(const State& state, uint32_t error) const {
  if (state.grpc_status >= 0) {
    absl::Status status = ToStatus(state.grpc_status, state.grpc_message, state.grpc_details);
    if (status.ok() && !state.in.empty()) {
      status = absl::InternalError("the answer ends in the middle of a message");
    }
    return {.answered = true, .status = std::move(status)};
  }
  if (error != NGHTTP2_NO_ERROR) {
    return {.answered = error != NGHTTP2_REFUSED_STREAM,
            .unseen = error == NGHTTP2_REFUSED_STREAM,
            .status = absl::Status(CodeOfReset(error), absl::StrCat("the other end has reset the call: ",
                                                                    nghttp2_http2_strerror(error)))};
  }
  if (!state.http_status.empty() && state.http_status != "200") {
    return {.answered = true,
            .status = absl::Status(static_cast<absl::StatusCode>(GrpcStatusOfHttp(state.http_status)),
                                   absl::StrCat("what answers there is no gRPC server: HTTP status ",
                                                absl::CEscape(state.http_status)))};
  }
  return {.answered = true, .status = absl::UnknownError("the call ended without a gRPC status")};
}

int GrpcSession::OnNotSent(nghttp2_session*, const nghttp2_frame* frame, int, void* data) {
  auto* self = static_cast<GrpcSession*>(data);
  const bool request = frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
  // A call that waited for its turn when the other end said goodbye.
  if (request && self->streams_.erase(frame->hd.stream_id) > 0) {
    self->events_.ended(frame->hd.stream_id,
                        {.unseen = true, .status = absl::UnavailableError("the server is shutting down")});
  }
  return 0;
}

int GrpcSession::OnClose(nghttp2_session*, Stream stream, uint32_t error, void* data) {
  auto* self = static_cast<GrpcSession*>(data);
  const auto found = self->streams_.find(stream);
  if (found == self->streams_.end()) return 0;
  const State state = std::move(found->second);
  self->streams_.erase(found);
  if (self->options_.role == Role::kClient) {
    self->events_.ended(stream, self->EndOf(state, error));
  } else if (!state.finished) {
    self->events_.cancelled(stream);
  }
  return 0;
}

}  // namespace xpu
