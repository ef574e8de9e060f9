#include "control-plane/broker/broker_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace xpu::broker {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kGood[] = R"(
origin: tenant-a
source: {kubeconfig: /etc/xpu/tenant.kubeconfig, context: hosts}
target: {server: "https://infra:6443", caFile: /ca.pem, tokenFile: /token}
lease: {cluster: target, namespace: tenant-a, name: xpu-broker, durationSeconds: 20}
policies:
- kinds: [Netdev, networks]
  namespaces:
  - {source: default, target: tenant-a}
  - {source: old, target: tenant-a-old, drain: true}
- otherKinds:
  - {group: example.org, version: v1, kind: Thing, plural: things, withoutStatus: true}
  namespaces: [{source: default, target: tenant-a}]
  labelSelector: share=yes
  annotations: ["example.org/"]
)";

TEST(BrokerConfigTest, SaysWhatIsCopiedWhere) {
  const auto config = ReadBrokerConfig(kGood, "broker.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->origin.name, "tenant-a");
  EXPECT_EQ(config->source.kubeconfig, "/etc/xpu/tenant.kubeconfig");
  EXPECT_EQ(config->source.context, "hosts");
  EXPECT_EQ(config->target.server, "https://infra:6443");
  EXPECT_EQ(config->target.token_file, "/token");
  ASSERT_TRUE(config->lease);
  EXPECT_FALSE(config->lease->in_source);
  EXPECT_EQ(config->lease->duration, absl::Seconds(20));
  EXPECT_EQ(config->lease->name, (ResourceName{"tenant-a", "xpu-broker"}));
  ASSERT_EQ(config->syncs.size(), 3u);
  EXPECT_EQ(config->syncs[0].kind.plural, "netdevs");
  ASSERT_EQ(config->syncs[0].namespaces.size(), 2u);
  EXPECT_EQ(config->syncs[0].namespaces[0].target, "tenant-a");
  EXPECT_TRUE(config->syncs[0].namespaces[1].drain);
  EXPECT_EQ(config->syncs[1].kind.plural, "networks");
  EXPECT_TRUE(config->syncs[1].has_status);
  EXPECT_EQ(config->syncs[2].kind, (ResourceKind{"example.org", "v1", "Thing", "things"}));
  EXPECT_FALSE(config->syncs[2].has_status);
  EXPECT_EQ(config->syncs[2].label_selector, "share=yes");
  EXPECT_THAT(config->syncs[2].origin.annotations, ElementsAre("example.org/"));
  EXPECT_EQ(config->syncs[2].origin.name, "tenant-a");
}

TEST(BrokerConfigTest, TheExampleCanBeRead) {
  std::ifstream file(XPU_SAMPLE_CONFIG);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto config = ReadBrokerConfig(text, "broker.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->syncs.size(), 5u);
}

std::string Error(const std::string& text) {
  const auto config = ReadBrokerConfig(text, "broker.yaml");
  EXPECT_TRUE(absl::IsInvalidArgument(config.status())) << config.status();
  return std::string(config.status().message());
}

TEST(BrokerConfigTest, MistakesAreListedWithTheirPlaces) {
  EXPECT_THAT(Error("{}"), AllOf(HasSubstr("broker.yaml"), HasSubstr("origin: must be set"),
                                 HasSubstr("policies: must be set"), HasSubstr("source: must be set")));
  EXPECT_THAT(Error(absl::StrCat(kGood, "more: 1\n")), HasSubstr("more"));
  EXPECT_THAT(
      Error(R"(
origin: a
source: {kubeconfig: x, server: "unix:/y"}
target: {kubeconfig: x, tokenFile: t, keyFile: k}
policies:
- kinds: [Netdev, netdevs, Node, Nothing]
  namespaces: [{source: a, target: b}, {source: c, target: b}]
  labelSelector: "a in"
)"),
      AllOf(HasSubstr("source: must have either server or kubeconfig"), HasSubstr("target: has files"),
            HasSubstr("certificateFile"), HasSubstr("policies[0].kinds[1]: netdevs is there already"),
            HasSubstr("policies[0].kinds[2]: Node belongs to the whole cluster"),
            HasSubstr("policies[0].kinds[3]: \"Nothing\" is no kind"),
            HasSubstr("policies[0].namespaces[1].target: b is a target of Netdev objects already"),
            HasSubstr("policies[0].labelSelector")));
  EXPECT_THAT(Error(R"(
origin: a
source: {kubeconfig: s}
target: {kubeconfig: t}
policies: [{namespaces: [{source: a, target: b}]}]
)"),
              HasSubstr("policies[0].kinds: must name at least one kind"));
  EXPECT_THAT(Error("a: 1\n---\nb: 2\n"), HasSubstr("one document"));
}

}  // namespace
}  // namespace xpu::broker
