#include "device-plugin/pool_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/sys/files.h"
#include "device-plugin/pool_selection.h"

namespace xpu {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kPrefix[] = "intel.com";

absl::StatusOr<PoolConfigs> Parse(absl::string_view json) {
  return ParsePoolConfigs(json, {.resource_prefix = kPrefix});
}
// A configuration of one resource "net".
absl::StatusOr<PoolConfigs> ParseOne(absl::string_view more) {
  return Parse(
      absl::StrCat(R"({"resourceList": [{"resourceName": "net")", more.empty() ? "" : ", ", more, "}]}"));
}
std::string ErrorOf(const absl::StatusOr<PoolConfigs>& configs) {
  EXPECT_EQ(configs.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(configs.status().message());
}

// A host with cards of several makers.
PluginFunctions Host() {
  PluginFunctions functions;
  const auto add = [&](const std::string& bus, const std::string& pf, int count, const PluginFunction& like) {
    for (int i = 0; i < count; ++i) {
      PluginFunction function = like;
      function.id = absl::StrCat("0000:", bus, ":02.", i);
      function.pf_address = absl::StrCat("0000:", bus, ":00.0");
      function.pf_name = pf;
      function.index = i;
      functions.push_back(function);
    }
  };
  add("86", "ens1f0", 4, {.vendor = "8086", .device = "154c", .driver = "vfio-pci", .link_type = "ether"});
  add("87", "ens1f1", 4, {.vendor = "8086", .device = "154c", .driver = "vfio-pci", .link_type = "ether"});
  add("88", "ens2", 2, {.vendor = "8086", .device = "154c", .driver = "iavf", .link_type = "ether"});
  const PluginFunction mellanox{.vendor = "15b3",
                                .device = "101e",
                                .driver = "mlx5_core",
                                .link_type = "ether",
                                .rdma_devices = {"mlx5_0"}};
  add("3c", "ens3f0np0", 8, mellanox);
  add("03", "p0", 8, mellanox);
  add("04", "p1", 2, mellanox);
  PluginFunction connect_x5 = mellanox;
  connect_x5.device = "1018";
  add("3b", "ens4", 2, connect_x5);
  connect_x5.link_type = "infiniband";
  add("5e", "ib0", 4, connect_x5);
  for (int number : {88, 99, 101}) {
    PluginFunction sf = mellanox;
    sf.kind = PluginFunction::Kind::kSf;
    sf.device = "a2dc";
    sf.id = absl::StrCat("0000:03:00.0-sf", number);
    sf.index = number;
    sf.pf_name = "p0";
    sf.auxiliary_device = absl::StrCat("mlx5_core.sf.", number - 80);
    functions.push_back(sf);
  }
  return functions;
}

std::string Describe(const PoolConfigs& configs) {
  const PoolAssignment assignment = AssignFunctions(configs.pools, Host());
  std::string text;
  for (size_t i = 0; i < configs.pools.size(); ++i) {
    const PoolConfig& pool = configs.pools[i];
    absl::StrAppend(&text, "resource ", pool.resource, pool.exclude_topology ? ", without topology" : "",
                    pool.allocate_policy == AllocatePolicy::kSpread ? ", spread" : ", packed", "\n");
    for (const auto& [function, info] : pool.additional_info) {
      absl::StrAppend(&text, "  info of ", function, ": ",
                      absl::StrJoin(info, ", ", absl::PairFormatter("=")), "\n");
    }
    for (const PoolMember& member : assignment.members[i]) {
      absl::StrAppend(&text, "  ", member.function.id, member.share_rdma ? " rdma" : "",
                      member.need_vhost_net ? " vhost-net" : "", "\n");
    }
  }
  for (const std::string& overlap : assignment.overlaps) absl::StrAppend(&text, "overlap: ", overlap, "\n");
  for (const std::string& warning : configs.warnings) absl::StrAppend(&text, "warning: ", warning, "\n");
  return text;
}

// Configurations as they are found in the field, and which functions of a host they select.
TEST(PoolConfigGoldenTest, ConfigurationsOfTheFieldSelectWhatTheySay) {
  std::set<fs::path> files;
  for (const auto& entry : fs::directory_iterator(XPU_GOLDEN_DIR)) {
    if (entry.path().extension() == ".json") files.insert(entry.path());
  }
  ASSERT_FALSE(files.empty());
  for (const fs::path& file : files) {
    SCOPED_TRACE(file);
    const auto configs = Parse(*ReadFile(file));
    ASSERT_TRUE(configs.ok()) << configs.status();
    const std::string expected = fs::path(file).replace_extension(".txt");
    if (getenv("XPU_RENEW_GOLDEN") != nullptr) std::ofstream(expected) << Describe(*configs);
    const auto golden = ReadFile(expected);
    ASSERT_TRUE(golden.ok()) << golden.status();
    EXPECT_EQ(Describe(*configs), *golden);
  }
}

TEST(PoolConfigTest, DefaultsAreThoseOfThePeer) {
  const auto configs = ParseOne("");
  ASSERT_TRUE(configs.ok()) << configs.status();
  const PoolConfig& pool = configs->pools[0];
  EXPECT_EQ(pool.resource, "intel.com/net");
  EXPECT_EQ(pool.device_type, PoolDeviceType::kNetDevice);
  EXPECT_FALSE(pool.exclude_topology);
  EXPECT_EQ(pool.allocate_policy, AllocatePolicy::kPacked);
  EXPECT_THAT(pool.selectors, IsEmpty());
  EXPECT_THAT(configs->warnings, IsEmpty());
}

TEST(PoolConfigTest, ThePolicyOfThePoolGoesBeforeThatOfAll) {
  const auto policy = [](absl::string_view more) {
    return ParsePoolConfigs(absl::StrCat(R"({"resourceList": [{"resourceName": "net")", more, "}]}"),
                            {.resource_prefix = kPrefix, .allocate_policy = AllocatePolicy::kSpread})
        ->pools[0]
        .allocate_policy;
  };
  EXPECT_EQ(policy(""), AllocatePolicy::kSpread);
  EXPECT_EQ(policy(R"(, "allocatePolicy": "packed")"), AllocatePolicy::kPacked);
}

TEST(PoolConfigTest, SelectorsAreReadWhole) {
  const auto configs = ParseOne(R"("selectors": {"vendors": ["0x15B3"], "pfNames": ["p0#0,2-4", "p1"],
                                   "rootDevices": ["0000:03:00.0#7"], "pciAddresses": ["0000:0A:00.2"],
                                   "linkTypes": ["ether"], "isRdma": true, "needVhostNet": true})");
  ASSERT_TRUE(configs.ok()) << configs.status();
  const PoolSelector& selector = configs->pools[0].selectors[0];
  EXPECT_THAT(selector.vendors, ElementsAre("15b3"));
  EXPECT_THAT(selector.pci_addresses, ElementsAre("0000:0a:00.2"));
  ASSERT_EQ(selector.pf_names.size(), 2u);
  EXPECT_EQ(selector.pf_names[0].parent, "p0");
  EXPECT_THAT(selector.pf_names[0].ranges, ElementsAre(std::pair(0, 0), std::pair(2, 4)));
  EXPECT_THAT(selector.pf_names[1].ranges, IsEmpty());
  EXPECT_THAT(selector.root_devices[0].ranges, ElementsAre(std::pair(7, 7)));
  EXPECT_TRUE(selector.is_rdma);
  EXPECT_TRUE(selector.need_vhost_net);
}

struct Bad {
  const char* more;
  // What the message names.
  const char* key;
  const char* why;
};

TEST(PoolConfigTest, ErrorsNameResourceKeyAndWhatIsWrong) {
  for (const Bad& bad : {
           Bad{R"("deviceType": "accelerator")", "deviceType", "not offered"},
           Bad{R"("deviceType": "gpu")", "deviceType", "neither netDevice nor auxNetDevice"},
           Bad{R"("deviceType": 7)", "deviceType", "must be a string, not 7"},
           Bad{R"("excludeTopology": "true")", "excludeTopology", "without quotation marks"},
           Bad{R"("allocatePolicy": "best")", "allocatePolicy", "neither packed nor spread"},
           Bad{R"("selectors": "all")", "selectors", "must be an object"},
           Bad{R"("selectors": [{}, 3])", "selectors[1]", "must be an object, not 3"},
           Bad{R"("selectors": {"vendors": "8086"})", "selectors: vendors", "list of strings"},
           Bad{R"("selectors": {"vendors": [8086]})", "selectors: vendors", "strings only, not 8086"},
           Bad{R"("selectors": {"devices": ["15b"]})", "devices", "four hexadecimal digits"},
           Bad{R"("selectors": {"pciAddresses": ["86:00.0"]})", "pciAddresses", "no PCI address"},
           Bad{R"("selectors": [{"pfNames": ["p0#"]}])", "selectors[0]: pfNames",
               "neither an index nor a range"},
           Bad{R"("selectors": {"pfNames": ["p0#4-2"]})", "pfNames", "\"4-2\""},
           Bad{R"("selectors": {"pfNames": ["p0#1-2-3"]})", "pfNames", "\"1-2-3\""},
           Bad{R"("selectors": {"pfNames": ["p0#-1"]})", "pfNames", "\"-1\""},
           Bad{R"("selectors": {"pfNames": ["#1"]})", "pfNames", "interface of a physical function"},
           Bad{R"("selectors": {"rootDevices": ["p0#1"]})", "rootDevices",
               "PCI address of a physical function"},
           Bad{R"("selectors": {"isRdma": 1})", "isRdma", "true or false"},
           Bad{R"("selectors": {"vdpaType": "vhost"})", "vdpaType", "vDPA devices are not offered"},
           Bad{R"("selectors": {"ddpProfiles": ["GTPv1"]})", "ddpProfiles", "DDP profile"},
           Bad{R"("selectors": {"pKeys": ["0x1"]})", "pKeys", "partition key"},
           Bad{R"("selectors": {"acpiIndexes": ["101"]})", "acpiIndexes", "use pfNames or pciAddresses"},
           Bad{R"("additionalInfo": [])", "additionalInfo", "must be an object"},
           Bad{R"("additionalInfo": {"*": "x"})", "additionalInfo: \"*\"", "must be an object"},
           Bad{R"("additionalInfo": {"*": {"port": 1}})", "additionalInfo: \"*\"",
               "\"port\" must be a string"},
       }) {
    EXPECT_THAT(ErrorOf(ParseOne(bad.more)),
                AllOf(HasSubstr("resource intel.com/net"), HasSubstr(bad.key), HasSubstr(bad.why)))
        << bad.more;
  }
}

TEST(PoolConfigTest, ErrorsWithoutAResourceNameThePlace) {
  EXPECT_THAT(ErrorOf(Parse("{")), HasSubstr("no JSON"));
  EXPECT_THAT(ErrorOf(Parse("\xff")), HasSubstr("no JSON"));
  EXPECT_THAT(ErrorOf(Parse("[]")), HasSubstr("must be an object"));
  EXPECT_THAT(ErrorOf(Parse("{}")), HasSubstr("resourceList"));
  EXPECT_THAT(ErrorOf(Parse(R"({"resourceList": []})")), HasSubstr("at least one"));
  EXPECT_THAT(ErrorOf(Parse(R"({"resourceList": [{"resourceName": "a"}, {}]})")),
              AllOf(HasSubstr("resourceList[1]"), HasSubstr("resourceName is missing")));
  EXPECT_THAT(ErrorOf(Parse(R"({"resourceList": [{"resourceName": "a b"}]})")),
              AllOf(HasSubstr("resourceList[0]"), HasSubstr("intel.com/a b")));
  EXPECT_THAT(ErrorOf(Parse(R"({"resourceList": [{"resourceName": "a"}, {"resourceName": "a"}]})")),
              AllOf(HasSubstr("intel.com/a"), HasSubstr("twice")));
}

TEST(PoolConfigTest, OneNameUnderTwoPrefixesIsTwoResources) {
  const auto configs = Parse(R"({"resourceList": [{"resourceName": "a"}, {"resourceName": "a",
                                                                          "resourcePrefix": "acme.com"}]})");
  ASSERT_TRUE(configs.ok()) << configs.status();
  EXPECT_EQ(configs->pools[1].resource, "acme.com/a");
}

TEST(PoolConfigTest, WhatNobodyKnowsIsWarnedOf) {
  const auto configs = ParseOne(R"("sriovMode": true, "selectors": [{"pfnames": ["p0"], "pfName": "p0"}])");
  ASSERT_TRUE(configs.ok()) << configs.status();
  EXPECT_EQ(configs->pools[0].selectors[0].pf_names.size(), 1u) << "keys are known in any case";
  EXPECT_THAT(configs->warnings, ElementsAre(AllOf(HasSubstr("selectors[0]"), HasSubstr("\"pfName\"")),
                                             AllOf(HasSubstr("intel.com/net"), HasSubstr("\"sriovMode\""))));
}

}  // namespace
}  // namespace xpu
