// The golden plans, flow by flow, against libopenvswitch's own printer: what the planner writes is what the
// switch reports, or the agent would push the same flow again for ever.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "xpu-agent/datapath/ovs/canonical_flow.h"

namespace xpu {
namespace {

std::vector<std::string> GoldenFlows() {
  std::vector<std::string> flows;
  for (const auto& entry : std::filesystem::directory_iterator(XPU_GOLDEN_DIR)) {
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      if (absl::StartsWith(line, "+ table=")) flows.push_back(line.substr(2));
    }
  }
  std::sort(flows.begin(), flows.end());
  flows.erase(std::unique(flows.begin(), flows.end()), flows.end());
  return flows;
}

TEST(CanonicalFlows, AreWhatTheSwitchPrints) {
  const std::vector<std::string> flows = GoldenFlows();
  EXPECT_GT(flows.size(), 50u);
  for (const std::string& flow : flows) {
    const auto canonical = CanonicalFlow(flow);
    ASSERT_TRUE(canonical.ok()) << flow << ": " << canonical.status();
    EXPECT_EQ(FlowToText(canonical->first, canonical->second), flow);
  }
}

}  // namespace
}  // namespace xpu
