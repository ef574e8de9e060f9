#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/event_loop.h"

namespace xpu {

// Who is at the other end of a connection.
struct HttpPeer {
  enum class Transport {
    kUnix,
    kPlain,  // a loopback address
    kTls,
  };
  Transport transport = Transport::kUnix;
  // Of TLS: what came of the client's certificate. kBad: nobody that we know has signed it, or it does not
  // hold.
  enum class Certificate { kNone, kGood, kBad };
  Certificate certificate = Certificate::kNone;
  // Of a good certificate's subject.
  std::string common_name;
  std::vector<std::string> organizations;
};

// PEM of the server's side of TLS: its certificate with the chain, its key, and who signs clients'
// certificates; without that, clients are not asked for one.
struct HttpTls {
  std::string certificate;
  std::string key;
  std::string client_ca;
};

struct HttpRequest {
  std::string method;  // "GET", "POST", ...
  // Decoded parts of the path: {"api", "v1"}. No empty ones.
  std::vector<std::string> path;
  // Decoded; the first of each name counts.
  std::map<std::string, std::string> query;
  // Media types without parameters, in lower case; empty if there is none.
  std::string content_type;
  // What the client would like, as it wrote it (RFC 9110, section 12.5.1); empty if it does not say.
  std::string accept;
  std::string authorization;
  std::string user_agent;
  // Headers "Impersonate-…" (Kubernetes, "User impersonation") in their order; names in lower case.
  std::vector<std::pair<std::string, std::string>> impersonation;
  HttpPeer peer;
  std::string body;
};

// Why a connection gets no answers.
enum class HttpRefusal {
  kFull,     // there are as many as there may be
  kAddress,  // its address has as many as one may have
};

struct HttpLimits {
  // Open at the same time, of all clients, and of one address, where it has one.
  size_t connections = 10'000;
  size_t connections_per_address = 1'000;
  // How long a client may take from the first octet of a request to the end of its head (and from its
  // connection on, TLS included), then to the end of its body, and after a reply until the next request.
  absl::Duration head = absl::Seconds(15);
  absl::Duration body = absl::Minutes(1);
  absl::Duration idle = absl::Minutes(5);
};

// Since the server began.
struct HttpCounts {
  size_t open = 0;  // now
  uint64_t accepted = 0;
  uint64_t refused_full = 0;
  uint64_t refused_address = 0;
  // Connections that were ended as they kept the server waiting.
  uint64_t timeouts = 0;
};

// The reply to a request, written bit by bit: chunks of a 200. Destroying it ends the reply. Only for use on
// the server's loop.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  virtual void Write(const std::string& chunk) = 0;
  // Closes the connection at once; what the client has not taken is lost. Nothing is called any more.
  virtual void Abort() = 0;
  // Octets that the client has not taken yet.
  virtual size_t pending() const = 0;
  // `drained`: all that was written is on its way. `gone`: the client has closed the connection; nothing else
  // is called any more, and the stream may be destroyed from here.
  virtual void SetCallbacks(std::function<void()> drained, std::function<void()> gone) = 0;
};

struct HttpReply;

// Where the reply to a request goes that takes its time. Destroyed without Send, it replies 500. Only for use
// on the server's loop; it may outlive the server, and the client.
class HttpPending {
 public:
  virtual ~HttpPending() = default;
  // Once. `reply` must be a whole one.
  virtual void Send(const HttpReply& reply) = 0;
};

// A whole reply, or how it will come.
struct HttpReply {
  int code = 200;
  std::string content_type = "application/json";
  std::string body;
  // Besides Content-Type.
  std::vector<std::pair<std::string, std::string>> headers;
  // Where set, the reply is a stream: called with it once, at once.
  std::function<void(std::unique_ptr<HttpStream>)> stream;
  // Where set, the reply comes later: called with where to, once, at once.
  std::function<void(std::unique_ptr<HttpPending>)> later;
};

// HTTP/1.1 on unix sockets, loopback addresses and, with TLS, on any address, by libevent, on the thread of
// `loop`.
class HttpServer {
 public:
  using Handler = std::function<HttpReply(HttpRequest)>;
  struct Options {
    // A larger one is answered with 413, unseen by the handler.
    size_t max_body_bytes = size_t{16} << 20;
    HttpLimits limits;
    // What a client hears whose connection is refused, on its first request; then the connection is closed.
    // Without it, 503 for either.
    std::function<HttpReply(HttpRefusal)> refuse = nullptr;
  };
  // The loop must outlive the server; both are used from one thread only. From then on the process ignores
  // SIGPIPE: libevent writes to clients that may have gone.
  HttpServer(EventLoop& loop, Options options, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // "unix:PATH" (mode 0600; a socket that nobody listens on any more is replaced), "ADDRESS:PORT" of the
  // loopback, or "tls:ADDRESS:PORT" of any address, after SetTls(); port 0 for any. Returns the endpoint with
  // the real port. InvalidArgument for other addresses: there is no authentication here. FailedPrecondition
  // if somebody else listens there.
  absl::StatusOr<std::string> Listen(const std::string& endpoint);

  // For connections that come from now on. A client may show a certificate or not; the handler is told what
  // came of it. InvalidArgument for what is no PEM or does not belong together, and then nothing has changed.
  absl::Status SetTls(const HttpTls& tls);

  const HttpCounts& counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace xpu
