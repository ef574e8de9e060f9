#include "control-plane/xpuctl/session.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Parsed(const std::vector<std::string>& words) {
  const auto targets = ParseTargets(words);
  EXPECT_TRUE(targets.ok()) << targets.status();
  std::vector<std::string> lines;
  if (!targets.ok()) return lines;
  for (const Target& target : *targets) lines.push_back(target.kind->resource.kind + "/" + target.name);
  return lines;
}

TEST(ParseTargetsTest, TakesEveryFormAPersonWrites) {
  EXPECT_THAT(Parsed({"networks"}), ElementsAre("Network/"));
  EXPECT_THAT(Parsed({"Network", "blue", "red"}), ElementsAre("Network/blue", "Network/red"));
  EXPECT_THAT(Parsed({"xnet/blue", "netdev/a"}), ElementsAre("Network/blue", "Netdev/a"));
  EXPECT_THAT(Parsed({"networks,xnd,namespaces"}), ElementsAre("Network/", "Netdev/", "Namespace/"));
}

TEST(ParseTargetsTest, AnUnknownKindListsTheKnownOnes) {
  const absl::Status status = ParseTargets({"pods"}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(status.message(), HasSubstr("\"pods\""));
  EXPECT_THAT(status.message(), HasSubstr("networks (xnet)"));
  EXPECT_THAT(status.message(), HasSubstr("netdevs (xnd)"));
}

TEST(ParseTargetsTest, RefusesWhatIsNeitherForm) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{},
                                             {"network/"},
                                             {"/blue"},
                                             {"a/b/c"},
                                             {"network/blue", "red"},
                                             {"network", "x/y"},
                                             {"network", ""},
                                             {"networks,netdevs", "blue"}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseTargets(words).status()));
  }
}

TEST(SessionTest, LabelsNameTheGroup) {
  EXPECT_EQ(Label(**FindKindByName("xnet"), "blue"), "network.xpu.opiproject.org/blue");
  EXPECT_EQ(Label(**FindKindByName("namespaces"), "default"), "namespace/default");
}

}  // namespace
}  // namespace xpu
