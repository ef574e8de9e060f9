#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/http/http_server.h"

struct bufferevent;
struct evbuffer;
struct evbuffer_cb_info;
struct event;
struct event_base;
struct evhttp_connection;

namespace xpu {

class HttpConnections;

// One client's connection, from when it is accepted on. It ends one that keeps the server waiting: for the
// head of a request, for its body, or for the next one. The loop's thread.
class HttpConnection {
 public:
  HttpConnection(HttpConnections& all, evhttp_connection* connection, bufferevent* events);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // Nothing, or why it gets no answers.
  std::optional<HttpRefusal> refusal() const { return refusal_; }
  // A whole request is there. Nothing is waited for until its reply is there.
  void OnRequest();
  // The reply is on its way, as far as the server is concerned.
  void OnReply();
  // Called once when the connection goes; an empty one takes it back.
  void OnGone(std::function<void()> gone) { gone_ = std::move(gone); }
  // Who is at the other end; asked of the socket once.
  const HttpPeer& peer();

 private:
  friend class HttpConnections;
  enum class Phase { kHead, kBody, kAnswer, kIdle };

  void Enter(Phase phase);
  void OnInput(size_t added);
  void OnTimeout();

  HttpConnections& all_;
  evhttp_connection* const connection_;
  bufferevent* const events_;
  event* const timer_;
  Phase phase_ = Phase::kHead;
  // Of the head so far: its last octet but carriage returns was a line's end.
  bool line_ended_ = false;
  // What the client had not taken of a reply when it was last looked at.
  size_t left_ = 0;
  std::string address_;
  std::optional<HttpRefusal> refusal_;
  std::optional<HttpPeer> peer_;
  std::function<void()> gone_;
};

// All connections of a server, counted.
class HttpConnections {
 public:
  HttpConnections(event_base* base, const HttpLimits& limits);
  // After all connections have gone.
  ~HttpConnections();
  HttpConnections(const HttpConnections&) = delete;
  HttpConnections& operator=(const HttpConnections&) = delete;

  // `events` has just been made for a connection that libevent's HTTP server is about to accept. Returns it.
  bufferevent* Expect(bufferevent* events);
  // Of a connection that was accepted.
  HttpConnection& Find(evhttp_connection* connection) { return *connections_.at(connection); }
  const HttpCounts& counts() const { return counts_; }

 private:
  friend class HttpConnection;
  void Adopt();
  std::optional<HttpRefusal> Judge(const std::string& address);
  void Remove(evhttp_connection* connection);

  event_base* const base_;
  const HttpLimits limits_;
  HttpCounts counts_;
  size_t refused_now_ = 0;
  std::vector<bufferevent*> expected_;
  // Runs before the loop hears anything of those that are expected.
  event* const adopt_;
  std::map<evhttp_connection*, std::unique_ptr<HttpConnection>> connections_;
  std::map<std::string, size_t> of_address_;
};

}  // namespace xpu
