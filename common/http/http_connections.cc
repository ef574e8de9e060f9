#include "common/http/http_connections.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/http/tls_server.h"

namespace xpu {
namespace {

// Connections that are refused, but heard, so that they can be told why. Beyond that they are closed.
constexpr size_t kMostRefused = 128;

}  // namespace

HttpConnection::HttpConnection(HttpConnections& all, evhttp_connection* connection, bufferevent* events)
    : all_(all),
      connection_(connection),
      events_(events),
      timer_(event_new(
          all.base_, -1, 0, [](int, short, void* self) { static_cast<HttpConnection*>(self)->OnTimeout(); },
          this)) {
  evbuffer_add_cb(
      bufferevent_get_input(events_),
      [](evbuffer*, const evbuffer_cb_info* info, void* self) {
        if (info->n_added > 0) static_cast<HttpConnection*>(self)->OnInput(info->n_added);
      },
      this);
}

HttpConnection::~HttpConnection() { event_free(timer_); }

void HttpConnection::Enter(Phase phase) {
  phase_ = phase;
  absl::Duration patience;
  switch (phase) {
    case Phase::kHead:
      line_ended_ = false;
      patience = all_.limits_.head;
      break;
    case Phase::kBody:
      patience = all_.limits_.body;
      break;
    case Phase::kIdle:
      patience = all_.limits_.idle;
      left_ = SIZE_MAX;
      break;
    case Phase::kAnswer:
      event_del(timer_);
      return;
  }
  const timeval timeout = absl::ToTimeval(patience);
  event_add(timer_, &timeout);
}

void HttpConnection::OnInput(size_t added) {
  if (phase_ == Phase::kIdle) Enter(Phase::kHead);
  if (phase_ != Phase::kHead) return;
  // Looks for an empty line among the octets that are new.
  evbuffer* input = bufferevent_get_input(events_);
  evbuffer_ptr at{};
  if (evbuffer_ptr_set(input, &at, evbuffer_get_length(input) - added, EVBUFFER_PTR_SET) != 0) return;
  std::array<evbuffer_iovec, 16> pieces{};
  const int count = evbuffer_peek(input, -1, &at, pieces.data(), static_cast<int>(pieces.size()));
  for (int i = 0; i < std::min<int>(count, pieces.size()); ++i) {
    const auto* text = static_cast<const char*>(pieces[i].iov_base);
    for (size_t k = 0; k < pieces[i].iov_len; ++k) {
      if (text[k] == '\r') continue;
      if (text[k] == '\n' && line_ended_) return Enter(Phase::kBody);
      line_ended_ = text[k] == '\n';
    }
  }
}

void HttpConnection::OnRequest() { Enter(Phase::kAnswer); }

void HttpConnection::OnReply() { Enter(Phase::kIdle); }

void HttpConnection::OnTimeout() {
  const size_t left = evbuffer_get_length(bufferevent_get_output(events_));
  if (phase_ == Phase::kIdle && left > 0 && left < left_) {
    // A client that takes a large reply slowly, but does.
    Enter(Phase::kIdle);
    left_ = left;
    return;
  }
  ++all_.counts_.timeouts;
  evhttp_connection_free(connection_);
}

const HttpPeer& HttpConnection::peer() {
  if (peer_) return *peer_;
  if (std::optional<HttpPeer> tls = PeerOfTls(events_)) {
    peer_ = std::move(tls);
    return *peer_;
  }
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  const bool known =
      getsockname(bufferevent_getfd(events_), reinterpret_cast<sockaddr*>(&address), &length) == 0;
  peer_.emplace();
  peer_->transport =
      known && address.ss_family == AF_UNIX ? HttpPeer::Transport::kUnix : HttpPeer::Transport::kPlain;
  return *peer_;
}

HttpConnections::HttpConnections(event_base* base, const HttpLimits& limits)
    : base_(base),
      limits_(limits),
      adopt_(event_new(
          base, -1, 0, [](int, short, void* self) { static_cast<HttpConnections*>(self)->Adopt(); }, this)) {}

HttpConnections::~HttpConnections() { event_free(adopt_); }

bufferevent* HttpConnections::Expect(bufferevent* events) {
  if (events == nullptr) return nullptr;
  expected_.push_back(events);
  // Libevent gives the connection its callbacks after this and before it polls again; this event comes
  // between.
  event_active(adopt_, EV_TIMEOUT, 0);
  return events;
}

void HttpConnections::Adopt() {
  for (bufferevent* events : std::exchange(expected_, {})) {
    void* argument = nullptr;
    bufferevent_getcb(events, nullptr, nullptr, nullptr, &argument);
    auto* connection = static_cast<evhttp_connection*>(argument);
    if (connection == nullptr) continue;
    auto made = std::make_unique<HttpConnection>(*this, connection, events);
    sockaddr_storage peer{};
    socklen_t length = sizeof(peer);
    const bool known =
        getpeername(bufferevent_getfd(events), reinterpret_cast<sockaddr*>(&peer), &length) == 0;
    if (known && peer.ss_family != AF_UNIX) {
      char* address = nullptr;
      ev_uint16_t port = 0;
      evhttp_connection_get_peer(connection, &address, &port);
      if (address != nullptr) made->address_ = address;
    }
    ++counts_.accepted;
    made->refusal_ = Judge(made->address_);
    ++counts_.open;
    if (!made->address_.empty()) ++of_address_[made->address_];
    if (made->refusal_) ++refused_now_;
    made->Enter(HttpConnection::Phase::kHead);
    const bool too_many = refused_now_ > kMostRefused;
    connections_.emplace(connection, std::move(made));
    evhttp_connection_set_closecb(
        connection,
        [](evhttp_connection* gone, void* self) { static_cast<HttpConnections*>(self)->Remove(gone); }, this);
    if (too_many) evhttp_connection_free(connection);
  }
}

std::optional<HttpRefusal> HttpConnections::Judge(const std::string& address) {
  if (counts_.open - refused_now_ >= limits_.connections) {
    ++counts_.refused_full;
    return HttpRefusal::kFull;
  }
  const auto of = of_address_.find(address);
  if (!address.empty() && of != of_address_.end() && of->second >= limits_.connections_per_address) {
    ++counts_.refused_address;
    return HttpRefusal::kAddress;
  }
  return std::nullopt;
}

void HttpConnections::Remove(evhttp_connection* connection) {
  const auto it = connections_.find(connection);
  if (it == connections_.end()) return;
  const std::unique_ptr<HttpConnection> gone = std::move(it->second);
  connections_.erase(it);
  --counts_.open;
  if (gone->refusal_) --refused_now_;
  if (const auto of = of_address_.find(gone->address_); of != of_address_.end() && --of->second == 0) {
    of_address_.erase(of);
  }
  const std::function<void()> call = std::move(gone->gone_);
  if (call) call();
}

}  // namespace xpu
