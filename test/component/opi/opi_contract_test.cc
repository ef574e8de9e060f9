// The client over gRPC, with the real services of the xPU agent behind it, keeps the contract of OpiClient.

#include <memory>

#include "common/opi/opi_client_contract.h"
#include "gtest/gtest.h"
#include "test/lib/agent/agent_on_fakes.h"

namespace xpu {
namespace {

class AgentHarness : public OpiClientHarness {
 public:
  OpiClient& client() override { return agent_.client(); }
  void Disconnect() override { agent_.Stop(); }
  void Reconnect() override { agent_.Start(); }

 private:
  testing::AgentOnFakes agent_;
};

std::unique_ptr<OpiClientHarness> MakeAgent() { return std::make_unique<AgentHarness>(); }
INSTANTIATE_TEST_SUITE_P(Agent, OpiClientContract, ::testing::Values(&MakeAgent));

}  // namespace
}  // namespace xpu
