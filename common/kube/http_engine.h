#pragma once

#include <deque>
#include <functional>
#include <memory>
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

struct HttpRequest {
  std::string method = "GET";
  // Path and query, as they go over the wire.
  std::string target;
  // "Name: value".
  std::vector<std::string> headers;
  std::string body;
  // For the whole exchange; infinite for streams.
  absl::Duration timeout = absl::InfiniteDuration();
};

struct HttpResponse {
  int code = 0;
  std::string body;
};

// HTTP exchanges with one server by libcurl, all on one thread of its own, over connections that are kept
// open. The thread sleeps until a socket or a caller wakes it. Safe from any thread.
class HttpEngine {
 public:
  struct Options {
    // "http://host:port" or "https://host:port", without a slash at the end.
    std::string base_url;
    // If set, connections go to this unix socket and the URL's host is only a name.
    std::string unix_socket;
    // PEM files. The server's certificate is always checked, against the system's authorities if `ca` is
    // empty.
    std::string ca;
    std::string certificate;
    std::string key;
    absl::Duration connect_timeout = absl::Seconds(10);
  };

  // What a transfer calls, on the engine's thread; must not block.
  struct Callbacks {
    // A piece of the body, with the code of the response; null to have it all in the answer.
    std::function<void(int code, absl::string_view piece)> data;
    // Once, last, unless the transfer was cancelled. Unavailable: no connection, or it broke;
    // DeadlineExceeded.
    std::function<void(absl::StatusOr<HttpResponse>)> done;
  };
  class Transfer;

  // Internal if libcurl cannot be set up.
  static absl::StatusOr<std::unique_ptr<HttpEngine>> Start(Options options);
  // Ends all transfers: those still running are done with Cancelled.
  ~HttpEngine();

  std::shared_ptr<Transfer> Begin(HttpRequest request, Callbacks callbacks);
  // Drops the connection of a transfer that still runs. A callback may be running when it returns.
  void Cancel(const std::shared_ptr<Transfer>& transfer);
  // Begins and waits until it is done. Not on the engine's thread.
  absl::StatusOr<HttpResponse> Perform(HttpRequest request);

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
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::shared_ptr<Transfer>> running_;  // the engine's thread only
  std::thread thread_;
};

}  // namespace xpu
