#pragma once

#include <functional>
#include <list>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace xpu {

// For tests: an HTTP/1.1 server on a unix socket that answers what it is told to, also what no server should.
class ScriptServer {
 public:
  struct Request {
    std::string method;
    std::string target;
    // Lower case, one "name: value" per line.
    std::string headers;
    std::string body;
  };
  struct Reply {
    // Sent as they are, one after the other.
    std::vector<std::string> pieces;
    // Close the connection afterwards, without having said so.
    bool close = false;
    // Send nothing and keep the connection until the client gives up.
    bool hang = false;
  };
  using Script = std::function<Reply(const Request&)>;

  // A complete response.
  static Reply Respond(int code, const std::string& body);
  // The head of a chunked response, and one chunk.
  static std::string ChunkedHead(int code);
  static std::string Chunk(const std::string& data);

  // `script` is called on a thread for each connection.
  explicit ScriptServer(Script script);
  ~ScriptServer();

  std::string endpoint() const { return "unix:" + path_; }
  std::vector<Request> requests() const;
  int connections() const;

 private:
  void Accept();
  void Serve(int fd);

  const Script script_;
  std::string folder_;
  std::string path_;
  int listener_ = -1;
  mutable absl::Mutex mu_;
  std::vector<Request> requests_ ABSL_GUARDED_BY(mu_);
  std::list<int> open_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mu_);
  int connections_ ABSL_GUARDED_BY(mu_) = 0;
  std::thread acceptor_;
};

}  // namespace xpu
