#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "common/rpc/rpc.h"
#include "xpu-agent/agent/agent.h"

namespace xpu {

class AccessPolicy;
class ModelOwner;

// The addresses that the agent serves on, and what it serves there beside OPI's networks: inventory, life
// cycle (the card's side of dpu-operator's vendor plugin), and what was refused.
class AgentEndpoint {
 public:
  // Before deps.loop runs; it follows the files of the credentials. `policy`, `owner` and `services` are not
  // owned and outlive this. Errors of RpcServer::Start and of the options.
  static absl::StatusOr<std::unique_ptr<AgentEndpoint>> Start(const XpuAgentOptions& options, EventLoop& loop,
                                                              ModelOwner& owner, AccessPolicy& policy,
                                                              std::vector<grpc::Service*> services);
  // When the loop does not run any more, or on it.
  ~AgentEndpoint();

  // How the agent's own controllers reach it: like anybody else.
  const std::string& own_address() const { return own_address_; }
  // What health checks hear of the services that change the switch, and of the agent as a whole. Any thread.
  void SetServing(bool serving);
  // Null unless something is served over TCP.
  const std::shared_ptr<TlsCredentials>& credentials() const { return credentials_; }

 private:
  AgentEndpoint();

  std::string own_address_;
  std::shared_ptr<TlsCredentials> credentials_;
  std::unique_ptr<class CardPlugin> plugin_;
  std::vector<std::unique_ptr<grpc::Service>> own_services_;
  std::unique_ptr<class FailedHandshakes> handshakes_;
  // Goes first.
  std::unique_ptr<RpcServer> server_;
};

}  // namespace xpu
