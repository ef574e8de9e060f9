#pragma once

#include <list>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/base/unique_fd.h"

namespace xpu::testing {

// A request to an API server as its authorizer sees it.
struct ApiRequest {
  // "get", "list", "watch", "create", "update", "patch", "delete".
  std::string verb;
  std::string group;
  // "netdevs", "netdevs/status".
  std::string resource;

  std::string ToString() const;
  friend auto operator<=>(const ApiRequest&, const ApiRequest&) = default;
};

// Of a request line; empty fields for what is no resource (/healthz, discovery).
ApiRequest ReadApiRequest(const std::string& method, const std::string& target);

// Stands between programs and the unix socket of an API server, and writes down what each program asks. The
// first write of each sort by each of ours ("xpu-...") does its work and is then answered with a conflict, as
// when another client was quicker: so what a program asks only then is asked, too. HTTP/1.1. Safe from any
// thread.
class RequestRecorder {
 public:
  // Takes the place of the server at `path`; connections that are there stay with the server. Puts it back
  // when it goes, which ends all connections through it.
  static absl::StatusOr<std::unique_ptr<RequestRecorder>> Interpose(const std::string& path);
  ~RequestRecorder();

  // Of the programs whose name (comm, proc(5)) is `program`.
  std::set<ApiRequest> RequestsOf(const std::string& program) const;

 private:
  struct Connection {
    UniqueFd client;
    UniqueFd server;
    std::thread thread;
  };

  explicit RequestRecorder(std::string path) : path_(std::move(path)) {}
  void Accept();
  void Serve(Connection& connection);
  // Writes it down; true if it is to be answered with a conflict.
  bool Note(const std::string& program, const ApiRequest& request);

  const std::string path_;
  UniqueFd listener_;
  std::thread acceptor_;
  mutable absl::Mutex mu_;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::list<Connection> connections_ ABSL_GUARDED_BY(mu_);
  std::set<std::pair<std::string, ApiRequest>> requests_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu::testing
