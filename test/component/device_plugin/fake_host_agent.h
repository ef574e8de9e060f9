#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "xpu/hostagent/v1/host_agent.pb.h"

namespace xpu {

// The host agent's HostAgentService for tests: tells the functions that the test sets. Safe from any thread.
class FakeHostAgent {
 public:
  using Functions = std::vector<hostagent::v1::Function>;
  using OnAllocate = std::function<absl::Status(const std::vector<std::string>& addresses,
                                                hostagent::v1::AllocateResponse& response)>;

  // A healthy function of card "card0", or of the card that `pf` says.
  static hostagent::v1::Function Function(const std::string& address, absl::string_view pf = "0000:03:00.0",
                                          int numa_node = -1);

  // Serves on "unix:/path" once Start() is called.
  explicit FakeHostAgent(std::string address);
  ~FakeHostAgent();

  void Start();
  // Ends every stream and call, as a process that ends does. What was set stays.
  void Stop();
  // Sends the list to all who watch, also if it is the same. `claims`: how many functions containers hold.
  void Set(Functions functions, int claims = 0);
  // Without one every Allocate succeeds. Runs on a thread of the server.
  void SetAllocate(OnAllocate on_allocate);

 private:
  class Service;

  const std::string address_;
  std::shared_ptr<Service> service_;
  struct Server;
  std::unique_ptr<Server> server_;
};

}  // namespace xpu
