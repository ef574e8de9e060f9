#include "common/http/http_server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/http/http_connections.h"
#include "common/http/listener.h"
#include "common/http/tls_server.h"

namespace xpu {
namespace {

constexpr size_t kMaxHeaderBytes = 64 << 10;
constexpr long kEndPatienceSeconds = 60;

struct BufferDeleter {
  void operator()(evbuffer* buffer) const { evbuffer_free(buffer); }
};
using Buffer = std::unique_ptr<evbuffer, BufferDeleter>;

Buffer MakeBuffer(const std::string& text) {
  Buffer buffer(evbuffer_new());
  evbuffer_add(buffer.get(), text.data(), text.size());
  return buffer;
}

std::string Decode(absl::string_view text, bool plus_is_space) {
  // Most are what they look like.
  if (text.find_first_of(plus_is_space ? "%+" : "%") == absl::string_view::npos) return std::string(text);
  size_t size = 0;
  char* raw = evhttp_uridecode(std::string(text).c_str(), plus_is_space ? 1 : 0, &size);
  std::string out(raw == nullptr ? "" : raw, raw == nullptr ? 0 : size);
  free(raw);
  return out;
}

std::string MediaType(const char* header) {
  if (header == nullptr) return "";
  absl::string_view type = header;
  type = type.substr(0, type.find(';'));
  return absl::AsciiStrToLower(absl::StripAsciiWhitespace(type));
}

const char* MethodName(evhttp_cmd_type method) {
  switch (method) {
    case EVHTTP_REQ_GET:
      return "GET";
    case EVHTTP_REQ_POST:
      return "POST";
    case EVHTTP_REQ_PUT:
      return "PUT";
    case EVHTTP_REQ_DELETE:
      return "DELETE";
    case EVHTTP_REQ_PATCH:
      return "PATCH";
    case EVHTTP_REQ_HEAD:
      return "HEAD";
    default:
      return "OPTIONS";
  }
}

std::string Header(evhttp_request* request, const char* name) {
  const char* value = evhttp_find_header(evhttp_request_get_input_headers(request), name);
  return value == nullptr ? "" : value;
}

HttpRequest ReadRequest(evhttp_request* request, HttpConnection& connection) {
  HttpRequest out;
  out.peer = connection.peer();
  out.method = MethodName(evhttp_request_get_command(request));
  const evhttp_uri* uri = evhttp_request_get_evhttp_uri(request);
  const char* path = uri == nullptr ? nullptr : evhttp_uri_get_path(uri);
  // Split first: a "/" that is written as %2F belongs to its part.
  for (absl::string_view part : absl::StrSplit(path == nullptr ? "" : path, '/', absl::SkipEmpty())) {
    out.path.push_back(Decode(part, /*plus_is_space=*/false));
  }
  const char* query = uri == nullptr ? nullptr : evhttp_uri_get_query(uri);
  for (absl::string_view parameter : absl::StrSplit(query == nullptr ? "" : query, '&', absl::SkipEmpty())) {
    std::pair<absl::string_view, absl::string_view> pair = absl::StrSplit(parameter, absl::MaxSplits('=', 1));
    out.query.emplace(Decode(pair.first, /*plus_is_space=*/true),
                      Decode(pair.second, /*plus_is_space=*/true));
  }
  out.content_type = MediaType(evhttp_find_header(evhttp_request_get_input_headers(request), "Content-Type"));
  out.accept = Header(request, "Accept");
  out.authorization = Header(request, "Authorization");
  out.user_agent = Header(request, "User-Agent");
  for (const evkeyval* header = evhttp_request_get_input_headers(request)->tqh_first; header != nullptr;
       header = header->next.tqe_next) {
    if (absl::StartsWithIgnoreCase(header->key, "impersonate-")) {
      out.impersonation.emplace_back(absl::AsciiStrToLower(header->key), header->value);
    }
  }
  evbuffer* body = evhttp_request_get_input_buffer(request);
  out.body.resize(evbuffer_get_length(body));
  evbuffer_copyout(body, out.body.data(), out.body.size());
  return out;
}

void AddHeaders(evhttp_request* request, const HttpReply& reply) {
  evkeyvalq* headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Content-Type", reply.content_type.c_str());
  for (const auto& [name, value] : reply.headers) evhttp_add_header(headers, name.c_str(), value.c_str());
}

// A request that is still to be answered. Lives as long as its owner wants; the request under it may go
// before, when the client or the server does.
class OpenRequest {
 public:
  // `gone` is called when it does; the object may be destroyed from there.
  OpenRequest(evhttp_request* request, HttpConnection& connection, std::function<void()> gone)
      : request_(request), connection_(connection), gone_(std::move(gone)) {
    connection_.OnGone([this] { Closed(); });
  }
  ~OpenRequest() { Take(); }
  OpenRequest(const OpenRequest&) = delete;
  OpenRequest& operator=(const OpenRequest&) = delete;

  // Null when it has gone.
  evhttp_request* get() const { return request_; }
  // For the last thing that is done with it; null when it has gone.
  evhttp_request* Take() {
    if (request_ != nullptr) {
      connection_.OnGone(nullptr);
      connection_.OnReply();
    }
    return std::exchange(request_, nullptr);
  }

 private:
  // The connection is about to go. If it has given the request up before, nobody else frees it.
  void Closed() {
    evhttp_request* request = std::exchange(request_, nullptr);
    if (evhttp_request_get_connection(request) == nullptr) evhttp_send_reply_end(request);
    const std::function<void()> gone = std::move(gone_);
    if (gone) gone();
  }

  evhttp_request* request_;
  // Not after it has gone.
  HttpConnection& connection_;
  std::function<void()> gone_;
};

class EvStream : public HttpStream {
 public:
  EvStream(evhttp_request* request, HttpConnection& connection)
      : request_(request, connection, [this] {
          const std::function<void()> gone = std::move(gone_);
          if (gone) gone();
        }) {
    evhttp_send_reply_start(request, HTTP_OK, "OK");
    // A watch may be silent for as long as nothing happens.
    bufferevent_set_timeouts(evhttp_connection_get_bufferevent(evhttp_request_get_connection(request)),
                             nullptr, nullptr);
  }
  ~EvStream() override {
    evhttp_request* request = request_.Take();
    if (request == nullptr) return;
    // A client that takes nothing more must not keep what is left for ever.
    const timeval patience{kEndPatienceSeconds, 0};
    bufferevent_set_timeouts(evhttp_connection_get_bufferevent(evhttp_request_get_connection(request)),
                             &patience, &patience);
    evhttp_send_reply_end(request);
  }
  void Abort() override {
    if (evhttp_request* request = request_.Take()) {
      evhttp_connection_free(evhttp_request_get_connection(request));
    }
  }
  void Write(const std::string& chunk) override {
    if (request_.get() == nullptr) return;
    evhttp_send_reply_chunk_with_cb(request_.get(), MakeBuffer(chunk).get(), &EvStream::Drained, this);
  }
  size_t pending() const override {
    if (request_.get() == nullptr) return 0;
    bufferevent* events = evhttp_connection_get_bufferevent(evhttp_request_get_connection(request_.get()));
    return evbuffer_get_length(bufferevent_get_output(events));
  }
  void SetCallbacks(std::function<void()> drained, std::function<void()> gone) override {
    drained_ = std::move(drained);
    gone_ = std::move(gone);
  }

 private:
  static void Drained(evhttp_connection*, void* arg) {
    auto* self = static_cast<EvStream*>(arg);
    if (self->drained_) self->drained_();
  }

  std::function<void()> drained_;
  std::function<void()> gone_;
  OpenRequest request_;
};

class EvPending : public HttpPending {
 public:
  EvPending(evhttp_request* request, HttpConnection& connection) : request_(request, connection, nullptr) {}
  ~EvPending() override { Send({.code = 500, .content_type = "text/plain", .body = "there is no answer\n"}); }
  void Send(const HttpReply& reply) override {
    evhttp_request* request = request_.Take();
    if (request == nullptr) return;
    AddHeaders(request, reply);
    evhttp_send_reply(request, reply.code, nullptr, MakeBuffer(reply.body).get());
  }

 private:
  OpenRequest request_;
};

}  // namespace

struct HttpServer::State {
  EventLoop& loop;
  Handler handler;
  Options options;
  HttpConnections connections;
  evhttp* http = nullptr;
  // Connections come to it as TLS of `tls` makes them; null until there is one.
  evhttp* https = nullptr;
  std::unique_ptr<TlsServer> tls;
  std::vector<std::string> socket_paths;

  evhttp* NewHttp() {
    evhttp* made = evhttp_new(loop.base());
    evhttp_set_max_headers_size(made, kMaxHeaderBytes);
    // Its own clocks, which begin anew with each octet, come after those of HttpConnection.
    evhttp_set_timeout(made, static_cast<int>(absl::ToInt64Seconds(options.limits.idle)) + 60);
    evhttp_set_max_body_size(made, static_cast<ev_ssize_t>(options.max_body_bytes));
    evhttp_set_allowed_methods(made, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                         EVHTTP_REQ_PATCH | EVHTTP_REQ_HEAD | EVHTTP_REQ_OPTIONS);
    evhttp_set_gencb(made, &State::Handle, this);
    return made;
  }
  static bufferevent* Accept(event_base* base, void* arg) {
    auto* self = static_cast<State*>(arg);
    return self->connections.Expect(self->tls->NewConnection(base));
  }
  static bufferevent* AcceptPlain(event_base* base, void* arg) {
    return static_cast<State*>(arg)->connections.Expect(bufferevent_socket_new(base, -1, 0));
  }
  HttpReply Refuse(HttpRefusal why) const {
    HttpReply reply = options.refuse ? options.refuse(why)
                                     : HttpReply{.code = 503,
                                                 .content_type = "text/plain",
                                                 .body = "there are too many connections\n"};
    reply.headers.emplace_back("Connection", "close");
    return reply;
  }
  static void Handle(evhttp_request* request, void* arg) {
    auto* self = static_cast<State*>(arg);
    HttpConnection& connection = self->connections.Find(evhttp_request_get_connection(request));
    connection.OnRequest();
    HttpReply reply = connection.refusal() ? self->Refuse(*connection.refusal())
                                           : self->handler(ReadRequest(request, connection));
    if (reply.later) return reply.later(std::make_unique<EvPending>(request, connection));
    AddHeaders(request, reply);
    if (reply.stream) return reply.stream(std::make_unique<EvStream>(request, connection));
    connection.OnReply();
    evhttp_send_reply(request, reply.code, nullptr, MakeBuffer(reply.body).get());
  }
};

HttpServer::HttpServer(EventLoop& loop, Options options, Handler handler)
    : state_(new State{loop, std::move(handler), options, {loop.base(), options.limits}}) {
  signal(SIGPIPE, SIG_IGN);
  state_->http = state_->NewHttp();
  evhttp_set_bevcb(state_->http, &State::AcceptPlain, state_.get());
}

HttpServer::~HttpServer() {
  evhttp_free(state_->http);
  if (state_->https != nullptr) evhttp_free(state_->https);
  for (const std::string& path : state_->socket_paths) unlink(path.c_str());
}

const HttpCounts& HttpServer::counts() const { return state_->connections.counts(); }

absl::Status HttpServer::SetTls(const HttpTls& tls) {
  XPU_ASSIGN_OR_RETURN(state_->tls, TlsServer::Make(tls));
  if (state_->https != nullptr) return absl::OkStatus();
  state_->https = state_->NewHttp();
  evhttp_set_bevcb(state_->https, &State::Accept, state_.get());
  return absl::OkStatus();
}

absl::StatusOr<std::string> HttpServer::Listen(const std::string& endpoint) {
  const bool tls = absl::StartsWith(endpoint, "tls:");
  if (tls && state_->https == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot listen on ", endpoint, ": TLS needs a certificate, its key and a CA"));
  }
  XPU_ASSIGN_OR_RETURN(ListeningSocket socket, OpenListener(endpoint));
  evconnlistener* listener =
      evconnlistener_new(state_->loop.base(), nullptr, nullptr, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
                         /*backlog=*/0, socket.fd.get());
  if (listener == nullptr || evhttp_bind_listener(tls ? state_->https : state_->http, listener) == nullptr) {
    if (listener != nullptr) evconnlistener_free(listener);
    return absl::InternalError("libevent cannot listen on " + endpoint);
  }
  socket.fd.Release();
  if (!socket.path.empty()) state_->socket_paths.push_back(socket.path);
  return socket.endpoint;
}

}  // namespace xpu
