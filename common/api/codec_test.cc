#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/api/api.h"
#include "xpu/api/v1alpha1/netdev.pb.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu::api {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using v1alpha1::Netdev;
using v1alpha1::Network;

json Blue() {
  return json::parse(R"({
    "apiVersion": "xpu.opiproject.org/v1alpha1", "kind": "Network",
    "metadata": {"name": "blue", "namespace": "default", "labels": {"a": "b"}},
    "spec": {"vni": 100, "prefixes": ["10.0.0.0/24", "2001:db8::/64"], "mtu": 1500},
    "status": {"cards": [{"card": "card0", "ports": 2, "confirmedGeneration": 7}]}})");
}

std::vector<std::string> Fields(const FieldErrors& errors) {
  std::vector<std::string> fields;
  for (const FieldError& error : errors) fields.push_back(error.field);
  return fields;
}

TEST(CodecTest, ReadsSpecAndStatus) {
  absl::StatusOr<Network> network = Decode<Network>(Blue());
  ASSERT_TRUE(network.ok()) << network.status();
  EXPECT_EQ(network->spec().vni(), 100);
  EXPECT_THAT(network->spec().prefixes(), ElementsAre("10.0.0.0/24", "2001:db8::/64"));
  ASSERT_EQ(network->status().cards_size(), 1);
  EXPECT_EQ(network->status().cards(0).confirmed_generation(), 7);
}

TEST(CodecTest, WritesWhatItReads) {
  json object = Blue();
  json again = Encode(*Decode<Network>(object));
  EXPECT_EQ(again["spec"], object["spec"]);
  EXPECT_EQ(again["status"], object["status"]);
  EXPECT_EQ(again.size(), 2u);
}

TEST(CodecTest, LeavesOutWhatIsEmpty) {
  EXPECT_EQ(Encode(Network()), json::object());
  Netdev netdev;
  netdev.mutable_spec()->set_host("node-1");
  netdev.mutable_spec()->mutable_pod();
  netdev.mutable_status();
  EXPECT_EQ(Encode(netdev), json::parse(R"({"spec": {"host": "node-1"}})"));
}

TEST(CodecTest, ANullIsAnAbsentField) {
  json object = Blue();
  object["spec"]["mtu"] = nullptr;
  object["status"] = nullptr;
  absl::StatusOr<Network> network = Decode<Network>(object);
  ASSERT_TRUE(network.ok()) << network.status();
  EXPECT_EQ(network->spec().mtu(), 0);
  EXPECT_FALSE(network->has_status());
}

TEST(CodecTest, AllWrongFieldsAreNamedAtOnce) {
  json object = Blue();
  object["spec"]["vni"] = "100";
  object["spec"]["prefixes"][1] = 7;
  object["spec"]["colour"] = "blue";
  object["status"]["cards"][0]["ports"] = 1.5;
  object["extra"] = true;
  Network network;
  EXPECT_THAT(Fields(DecodeMessage(object, &network)),
              ::testing::UnorderedElementsAre("spec.vni", "spec.prefixes[1]", "spec.colour",
                                              "status.cards[0].ports", "extra"));
}

TEST(CodecTest, TheErrorNamesTheObjectAndTheField) {
  json object = Blue();
  object["spec"]["vni"] = "100";
  absl::Status status = Decode<Network>(object).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "Network default/blue is not valid: spec.vni: must be a whole number, not a string");
}

TEST(CodecTest, AnUnknownFieldIsAnsweredWithTheKnownOnes) {
  json object = Blue();
  object["spec"]["prefix"] = "10.0.0.0/24";
  EXPECT_THAT(std::string(Decode<Network>(object).status().message()),
              HasSubstr("spec.prefix: unknown field; known here: dns, gateways, mtu, prefixes, vni, vrf"));
  // Names as protobuf writes them are unknown, too.
  json status = Blue();
  status["status"]["cards"][0]["confirmed_generation"] = 1;
  EXPECT_FALSE(Decode<Network>(status).ok());
}

TEST(CodecTest, NumbersKeepAllTheirBits) {
  json object = Blue();
  object["status"]["cards"][0]["ports"] = INT64_MAX;
  EXPECT_EQ(Decode<Network>(object)->status().cards(0).ports(), INT64_MAX);
  object["status"]["cards"][0]["ports"] = INT64_MIN;
  EXPECT_EQ(Decode<Network>(object)->status().cards(0).ports(), INT64_MIN);
  object["status"]["cards"][0]["ports"] = static_cast<uint64_t>(INT64_MAX) + 1;
  EXPECT_FALSE(Decode<Network>(object).ok());
}

TEST(CodecTest, AnythingElseIsRefusedWithoutHarm) {
  for (const char* text : {"null", "7", "\"x\"", "[]", "true", R"({"spec": 7})", R"({"spec": []})",
                           R"({"spec": {"prefixes": {}}})", R"({"spec": {"prefixes": [null]}})",
                           R"({"status": {"cards": [[]]}})"}) {
    EXPECT_FALSE(Decode<Network>(json::parse(text)).ok()) << text;
  }
}

TEST(CodecTest, DescribesWhatItCanOfAnyValue) {
  EXPECT_EQ(Describe(Blue()), "Network default/blue");
  EXPECT_EQ(Describe(json::parse(R"({"kind": "Namespace", "metadata": {"name": "x"}})")), "Namespace x");
  EXPECT_EQ(Describe(json::parse(R"({"kind": 7, "metadata": []})")), "object");
  EXPECT_EQ(Describe(json(7)), "object");
}

}  // namespace
}  // namespace xpu::api
