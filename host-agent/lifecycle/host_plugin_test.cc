#include "host-agent/lifecycle/host_plugin.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

const PciAddress kPf{0, 3, 0, 0};
const PciAddress kOtherPf{0, 3, 0, 1};

class HostPluginTest : public ::testing::Test {
 protected:
  HostPlugin Make(const std::vector<PciAddress>& pfs, const char* endpoint = "192.0.2.7:50152") {
    std::optional<PluginEndpoint> where;
    if (endpoint != nullptr) where = PluginEndpoint::Parse(endpoint).value();
    return HostPlugin(
        {.physical_functions = pfs,
         .functions = [this] { return functions_; },
         .rows = [this] { return rows_; },
         .set_vfs =
             [this](const PciAddress& pf, int count, std::function<void(absl::StatusOr<int>)> done) {
               asked_.emplace_back(pf, count);
               done(count);
             },
         .endpoint = where});
  }
  static absl::StatusOr<PluginEndpoint> Init(HostPlugin& plugin, bool on_card,
                                             const std::string& identifier) {
    absl::StatusOr<PluginEndpoint> answer = absl::UnknownError("no answer");
    plugin.Init(on_card, identifier, [&](absl::StatusOr<PluginEndpoint> got) { answer = std::move(got); });
    return answer;
  }
  static absl::StatusOr<int> SetNumVfs(HostPlugin& plugin, int count) {
    absl::StatusOr<int> answer = absl::UnknownError("no answer");
    plugin.SetNumVfs(count, [&](absl::StatusOr<int> got) { answer = std::move(got); });
    return answer;
  }
  HostFunction Vf(int index, bool healthy) {
    HostFunction function;
    function.id = VirtualFunctionAddress(kPf, 2, 1, index);
    function.pf = kPf;
    function.index = index;
    function.numa_node = 1;
    function.healthy = healthy;
    return function;
  }

  std::vector<HostFunction> functions_ = {Vf(0, true), Vf(1, false)};
  std::vector<ClaimRow> rows_;
  std::vector<std::pair<PciAddress, int>> asked_;
};

TEST_F(HostPluginTest, InitIsAnsweredTheSameAsOftenAsItIsAsked) {
  HostPlugin plugin = Make({kPf});
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Init(plugin, false, "dpu-0").value(), (PluginEndpoint{"192.0.2.7", 50152}));
  }
  EXPECT_EQ(Init(plugin, true, "dpu-0").status().code(), absl::StatusCode::kFailedPrecondition);
  rows_.push_back({.function = functions_[0].id});
  EXPECT_TRUE(Init(plugin, false, "dpu-0").ok());
  EXPECT_EQ(Init(plugin, false, "dpu-1").status().code(), absl::StatusCode::kFailedPrecondition);
  HostPlugin lost = Make({kPf}, nullptr);
  EXPECT_THAT(std::string(Init(lost, false, "dpu-0").status().message()),
              HasSubstr("--dpu-operator-endpoint"));
}

TEST_F(HostPluginTest, DevicesAreTheVirtualFunctions) {
  HostFunction sf;
  sf.id = FunctionId(kPf, 88);
  sf.kind = HostFunction::Kind::kSf;
  functions_.push_back(sf);
  HostPlugin plugin = Make({kPf});
  std::vector<PluginDevice> devices;
  plugin.GetDevices([&](absl::StatusOr<std::vector<PluginDevice>> got) { devices = *std::move(got); });
  ASSERT_EQ(devices.size(), 2u);
  EXPECT_EQ(devices[0].id, "0000:03:00.2");
  EXPECT_TRUE(devices[0].healthy);
  EXPECT_EQ(devices[0].numa_node, 1);
  EXPECT_FALSE(devices[1].healthy);
}

TEST_F(HostPluginTest, TheNumberOfFunctionsIsTheProvisioners) {
  HostPlugin plugin = Make({kPf});
  EXPECT_EQ(SetNumVfs(plugin, 8).value(), 8);
  EXPECT_EQ(asked_, (std::vector<std::pair<PciAddress, int>>{{kPf, 8}}));
}

TEST_F(HostPluginTest, WithSeveralPhysicalFunctionsItIsConfirmedOrRefused) {
  HostPlugin plugin = Make({kPf, kOtherPf});
  EXPECT_EQ(SetNumVfs(plugin, 2).value(), 2);
  EXPECT_EQ(SetNumVfs(plugin, 4).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(asked_.empty());
}

}  // namespace
}  // namespace xpu
