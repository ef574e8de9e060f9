#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace xpu {

struct HttpCall {
  std::string method = "GET";
  // Path and query, as they go over the wire.
  std::string target;
  // "Name: value".
  std::vector<std::string> headers;
  std::string body;
  // Certificate to show, with its chain, and its key; PEM. A connection serves requests with the same one.
  std::string certificate;
  std::string key;
  // For the whole exchange; infinite for streams.
  absl::Duration timeout = absl::InfiniteDuration();
};

struct HttpAnswer {
  int code = 0;
  std::string body;
  // What the header Retry-After asks for (RFC 9110, section 10.2.3), if it is there.
  std::optional<absl::Duration> retry_after;
};

// HTTP exchanges with one server by libcurl, all on one thread of its own, over connections that are kept
// open: with HTTP/2, which https offers, many at a time on one. The thread sleeps until a socket or a caller
// wakes it. Safe from any thread.
class HttpEngine {
 public:
  struct Options {
    // "http://host:port" or "https://host:port", without a slash at the end.
    std::string base_url;
    // If set, connections go to this unix socket and the URL's host is only a name.
    std::string unix_socket;
    // Authorities as PEM, or as a file of it; neither: the system's. The server's certificate is always
    // checked.
    std::string ca;
    std::string ca_file;
    // The name that it must have; empty: the URL's host.
    std::string tls_server_name;
    // As CURLOPT_PROXY; empty: what the environment says.
    std::string proxy;
    absl::Duration connect_timeout = absl::Seconds(10);
  };

  // What a transfer calls, on the engine's thread; must not block.
  struct Callbacks {
    // A piece of the body, with the code of the response; null to have it all in the answer. False: not now.
    // The piece comes again after Resume(), and the server is held up meanwhile.
    std::function<bool(int code, absl::string_view piece)> data;
    // Once, last, unless the transfer was cancelled. Unavailable: no connection, or it broke;
    // DeadlineExceeded.
    std::function<void(absl::StatusOr<HttpAnswer>)> done;
  };
  class Transfer;

  // Internal if libcurl cannot be set up.
  static absl::StatusOr<std::unique_ptr<HttpEngine>> Start(Options options);
  // Ends all transfers: those still running are done with Cancelled.
  ~HttpEngine();

  std::shared_ptr<Transfer> Begin(HttpCall request, Callbacks callbacks);
  // Drops the connection of a transfer that still runs. A callback may be running when it returns.
  void Cancel(const std::shared_ptr<Transfer>& transfer);
  // After `data` has said false.
  void Resume(const std::shared_ptr<Transfer>& transfer);
  // Begins and waits until it is done. Not on the engine's thread.
  absl::StatusOr<HttpAnswer> Perform(HttpCall request);

 private:
  HttpEngine(Options options, void* multi);
  void Run();
  void TakeOrders() ABSL_LOCKS_EXCLUDED(mu_);
  void Add(const std::shared_ptr<Transfer>& transfer);
  void Finish();

  const Options options_;
  void* const multi_;  // CURLM; curl's header stays out of this one
  absl::Mutex mu_;
  std::deque<std::shared_ptr<Transfer>> added_ ABSL_GUARDED_BY(mu_);
  std::deque<std::shared_ptr<Transfer>> cancelled_ ABSL_GUARDED_BY(mu_);
  std::deque<std::shared_ptr<Transfer>> resumed_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::shared_ptr<Transfer>> running_;  // the engine's thread only
  std::thread thread_;
};

}  // namespace xpu
