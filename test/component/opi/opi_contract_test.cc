// The client over gRPC, with the real services of the xPU agent behind it, keeps the contract of OpiClient.

#include <memory>

#include "common/opi/opi_client_contract.h"
#include "common/opi/opi_names.h"
#include "gtest/gtest.h"
#include "test/lib/agent/agent_on_fakes.h"

namespace xpu {
namespace {

class AgentHarness : public OpiClientHarness {
 public:
  OpiClient& client() override { return agent_.client(); }
  void Disconnect() override { agent_.Stop(); }
  void Reconnect() override { agent_.Start(); }
  void RemoveRepresentor(const std::string& port_id) override {
    agent_.representors().Remove(PortFunction::FromPortId(port_id)->ToPhysPortName());
  }
  void AddRepresentor(const std::string& port_id) override {
    const std::string name = PortFunction::FromPortId(port_id)->ToPhysPortName();
    agent_.representors().Add(name, name);
  }

 private:
  // With tunnels to other cards, which have room for what pods send.
  static testing::AgentOnFakes::Options Options() {
    testing::AgentOnFakes::Options options;
    options.adjust = [](XpuAgentOptions& agent) {
      agent.tunnel = Tunnel{.local = IpAddress::Parse("192.0.2.1").value(), .underlay_mtu = 9000};
    };
    return options;
  }

  testing::AgentOnFakes agent_{Options()};
};

std::unique_ptr<OpiClientHarness> MakeAgent() { return std::make_unique<AgentHarness>(); }
INSTANTIATE_TEST_SUITE_P(Agent, OpiClientContract, ::testing::Values(&MakeAgent));
INSTANTIATE_TEST_SUITE_P(Agent, OpiClientRoutingContract, ::testing::Values(&MakeAgent));

}  // namespace
}  // namespace xpu
