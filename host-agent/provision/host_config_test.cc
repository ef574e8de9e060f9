#include "host-agent/provision/host_config.h"

#include <fstream>
#include <iterator>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kPf[] = R"(
cards:
- name: card0
  endpoint: unix:/run/xpu/xpu-agent.sock
  physicalFunctions:
  - address: "0000:03:00.0"
)";

std::string Refusal(const std::string& text) {
  const auto cards = ReadHostConfig(text, "host-agent.yaml");
  EXPECT_EQ(cards.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(cards.status().message());
}

PfSetup SetupOf(const std::string& more) {
  const auto cards = ReadHostConfig(kPf + more, "host-agent.yaml");
  EXPECT_TRUE(cards.ok()) << cards.status();
  return cards.ok() && cards->size() == 1 ? cards->front().setup : PfSetup();
}

TEST(HostConfig, ACardMayBeUsedAsItIs) {
  const auto cards = ReadHostConfig(kPf, "host-agent.yaml");
  ASSERT_TRUE(cards.ok()) << cards.status();
  EXPECT_EQ(*cards,
            (std::vector<CardConfig>{{"card0", PciAddress{0, 3, 0, 0}, "unix:/run/xpu/xpu-agent.sock"}}));
}

TEST(HostConfig, ReadsAllOfIt) {
  const PfSetup setup = SetupOf(R"(
    vfs: 8
    drivers:
    - {functions: "4-5,7", driver: vfio-pci}
    - {functions: "0", driver: mlx5_core}
    subfunctions:
      numbers: [89, 88]
      mac: 02:00:00:00:01:ff
)");
  EXPECT_EQ(setup.vfs, 8);
  EXPECT_EQ(setup.drivers, (std::map<int, std::string>{
                               {0, "mlx5_core"}, {4, "vfio-pci"}, {5, "vfio-pci"}, {7, "vfio-pci"}}));
  ASSERT_TRUE(setup.sfs.has_value());
  EXPECT_EQ(*setup.sfs, (std::vector<SubfunctionSetup>{{88, *MacAddress::Parse("02:00:00:00:01:ff")},
                                                       {89, *MacAddress::Parse("02:00:00:00:02:00")}}));
}

TEST(HostConfig, NoneIsANumberToo) {
  const PfSetup setup = SetupOf("    vfs: 0\n    subfunctions: {count: 0}\n");
  EXPECT_EQ(setup.vfs, 0);
  ASSERT_TRUE(setup.sfs.has_value());
  EXPECT_THAT(*setup.sfs, SizeIs(0));
  EXPECT_EQ(SetupOf("    subfunctions: {count: 2}\n").sfs, (std::vector<SubfunctionSetup>{{0, {}}, {1, {}}}));
}

TEST(HostConfig, JsonIsReadToo) {
  const auto cards = ReadHostConfig(
      R"({"cards": [{"name": "a", "endpoint": "unix:/x", "physicalFunctions":
          [{"address": "0000:03:00.0", "vfs": 2}, {"address": "0000:03:00.1"}]}]})",
      "host-agent.json");
  ASSERT_TRUE(cards.ok()) << cards.status();
  ASSERT_THAT(*cards, SizeIs(2));
  EXPECT_EQ((*cards)[1].pf, (PciAddress{0, 3, 0, 1}));
  EXPECT_EQ((*cards)[1].name, "a");
}

TEST(HostConfig, NamesEveryFieldThatIsWrong) {
  EXPECT_THAT(Refusal(std::string(kPf) + "    vfs: many\n    colour: blue\n"),
              AllOf(HasSubstr("host-agent.yaml"), HasSubstr("cards[0].physicalFunctions[0].vfs"),
                    HasSubstr("cards[0].physicalFunctions[0].colour"), HasSubstr("unknown field")));
  EXPECT_THAT(Refusal("cards: []"), HasSubstr("cards: must be set"));
  EXPECT_THAT(Refusal("metadata: {}\ncards: []"), HasSubstr("metadata: unknown field"));
  EXPECT_THAT(Refusal(std::string(kPf) + "    vfs: -1\n"), HasSubstr("between 0 and 65535"));
  EXPECT_THAT(Refusal("cards: [{name: Card, endpoint: unix:/x, physicalFunctions: [{address: p0}]}]"),
              AllOf(HasSubstr("cards[0].name"), HasSubstr("cards[0].physicalFunctions[0].address")));
  EXPECT_THAT(Refusal(""), HasSubstr("must hold one document, has 0"));
  EXPECT_THAT(Refusal("cards: ["), HasSubstr("host-agent.yaml:"));
  EXPECT_THAT(Refusal("- a"), HasSubstr("must be an object"));
}

TEST(HostConfig, RangesHaveToMakeSense) {
  for (const char* functions : {"a", "", "4-", "-4", "7-4", "1,,2", "1-2-3", "65535"}) {
    EXPECT_THAT(
        Refusal(absl::StrCat(kPf, "    drivers: [{functions: \"", functions, "\", driver: vfio-pci}]\n")),
        HasSubstr("cards[0].physicalFunctions[0].drivers[0].functions"))
        << functions;
  }
  EXPECT_THAT(Refusal(absl::StrCat(kPf, "    vfs: 4\n    drivers: [{functions: 2-4, driver: vfio-pci}]\n")),
              HasSubstr("names virtual function 4, but there are to be 4 only"));
  EXPECT_THAT(Refusal(absl::StrCat(kPf, "    drivers: [{functions: 2-4, driver: vfio-pci},",
                                   " {functions: \"4\", driver: mlx5_core}]\n")),
              HasSubstr("drivers[1].functions: virtual function 4 has a driver already"));
  for (const char* driver : {"../vfio-pci", "a b", "."}) {
    EXPECT_THAT(Refusal(absl::StrCat(kPf, "    drivers: [{functions: \"1\", driver: \"", driver, "\"}]\n")),
                HasSubstr("drivers[0].driver"));
  }
}

TEST(HostConfig, SubfunctionsHaveToMakeSense) {
  const std::string path = "cards[0].physicalFunctions[0].subfunctions";
  EXPECT_THAT(Refusal(absl::StrCat(kPf, "    subfunctions: {}\n")), HasSubstr(path));
  EXPECT_THAT(Refusal(absl::StrCat(kPf, "    subfunctions: {count: 1, numbers: [1]}\n")), HasSubstr(path));
  EXPECT_THAT(Refusal(absl::StrCat(kPf, "    subfunctions: {numbers: [1, 2, 1]}\n")),
              HasSubstr(path + ".numbers[2]: 1 is there already"));
  EXPECT_THAT(Refusal(absl::StrCat(kPf, "    subfunctions: {numbers: [4294967296]}\n")),
              HasSubstr(path + ".numbers[0]"));
  EXPECT_THAT(Refusal(absl::StrCat(kPf, "    subfunctions: {count: 2, mac: \"fe:ff:ff:ff:ff:ff\"}\n")),
              HasSubstr(path + ".mac"));
}

TEST(HostConfig, WhatContradictsAcrossCardsIsRefused) {
  EXPECT_THAT(Refusal("cards: [{name: a, endpoint: unix:/x, physicalFunctions: [{address: \"0000:03:00.0\"}, "
                      "{address: \"0000:03:00.0\"}]}]"),
              HasSubstr("0000:03:00.0"));
}

TEST(HostConfig, ACardNeedNotHaveAnAgent) {
  const char kText[] = "cards: [{name: nic0, physicalFunctions: [{address: \"0000:03:00.0\"}]}]";
  const auto cards = ReadHostConfig(kText, "host-agent.yaml");
  ASSERT_TRUE(cards.ok()) << cards.status();
  EXPECT_EQ(cards->at(0).endpoint, "");
  const auto credentials = ReadCardCredentials(kText, "host-agent.yaml");
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  EXPECT_THAT(*credentials, SizeIs(0));
}

TEST(HostConfig, ACardBeyondThisMachineHasACredential) {
  const auto card = [](const std::string& name, const std::string& endpoint, const std::string& tls) {
    return "- name: " + name + "\n  endpoint: " + endpoint +
           "\n  physicalFunctions: [{address: \"0000:03:00.0\"}]\n" + tls;
  };
  const std::string tls = "  tls: {certificate: /c, key: /k, ca: /a}\n";
  const auto read = [](const std::string& text) {
    return ReadCardCredentials("cards:\n" + text, "host-agent.yaml");
  };
  EXPECT_EQ(read(card("a", "192.0.2.1:50151", tls) + card("b", "unix:/x", "")).value(),
            (std::map<std::string, TlsFiles>{{"192.0.2.1:50151", {"/c", "/k", "/a"}}}));
  for (const std::string& wrong :
       {card("a", "192.0.2.1:50151", ""), card("a", "unix:/x", tls),
        card("a", "192.0.2.1:50151", "  tls: {certificate: /c, key: /k}\n"),
        card("a", "192.0.2.1:50151", tls) +
            card("b", "192.0.2.1:50151", "  tls: {certificate: /d, key: /k, ca: /a}\n")}) {
    const absl::Status status = read(wrong).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << wrong;
    EXPECT_THAT(std::string(status.message()), HasSubstr("].tls"));
  }
}

TEST(HostConfig, TheSampleIsGood) {
  std::ifstream in(XPU_SAMPLE_CONFIG);
  ASSERT_TRUE(in.is_open()) << XPU_SAMPLE_CONFIG;
  const auto cards = ReadHostConfig(std::string(std::istreambuf_iterator<char>(in), {}), "sample");
  ASSERT_TRUE(cards.ok()) << cards.status();
  EXPECT_THAT(*cards, SizeIs(::testing::Ge(1u)));
}

TEST(CardNamespacesTest, NamesEachNamespaceOfTheCardsOnce) {
  const std::string cards =
      "cards:\n- name: card0\n  endpoint: unix:/run/a\n  physicalFunctions: [{address: \"0000:03:00.0\"}]\n";
  const auto read = [&](const std::string& text) {
    return ReadCardNamespaces(cards + text, "host-agent.yaml");
  };
  EXPECT_EQ(read("").value(), (std::map<std::string, std::string>()));
  EXPECT_EQ(
      read("namespaces: [{source: default, target: a-default}, {source: web, target: a-web}]\n").value(),
      (std::map<std::string, std::string>{{"default", "a-default"}, {"web", "a-web"}}));
  const absl::Status twice =
      read("namespaces: [{source: web, target: a}, {source: web, target: b}, {source: shop, target: a}]\n")
          .status();
  EXPECT_THAT(twice.message(), ::testing::HasSubstr("namespaces[1].source"));
  EXPECT_THAT(twice.message(), ::testing::HasSubstr("namespaces[2].target"));
  EXPECT_FALSE(read("namespaces: [{source: web}]\n").ok());
}

}  // namespace
}  // namespace xpu
