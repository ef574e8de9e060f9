#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "control-plane/apiserver/api_server.h"

namespace xpu::apiserver {

// An API server on a thread of its own, on a unix socket in a temporary folder, for tests. Everything of it
// is gone when this is.
class TestApiServer {
 public:
  explicit TestApiServer(ApiServerOptions options = {}, Clock& clock = Clock::Real());
  ~TestApiServer();

  // "unix:/tmp/.../api.sock"; it stays the same over Restart().
  const std::string& endpoint() const { return endpoint_; }
  // All of them, with the real ports: those of the options first.
  const std::vector<std::string>& endpoints() const { return endpoints_; }
  // Makes every version up to now too old for a watch.
  void Compact();
  // Waits until so many watches run; false after a generous deadline.
  bool WaitForWatchers(size_t count);
  // Ends the server and starts one on the same file: connections break, objects stay.
  void Restart();

 private:
  void StartThread();
  void StopThread();

  std::string folder_;
  std::string endpoint_;
  std::vector<std::string> endpoints_;
  ApiServerOptions options_;
  Clock& clock_;
  struct Running;
  std::unique_ptr<Running> running_;
};

}  // namespace xpu::apiserver
