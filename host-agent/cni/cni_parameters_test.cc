#include "host-agent/cni/cni_parameters.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/cni/cni_error.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

// Expects an error with that code whose message or details say `words`.
void ExpectError(const absl::Status& status, CniCode code, const std::string& words) {
  ASSERT_FALSE(status.ok());
  const CniFailure failure = ToCniFailure(status);
  EXPECT_EQ(failure.code, code) << status;
  EXPECT_THAT(failure.msg + "\n" + failure.details, HasSubstr(words));
}

TEST(CniArgs, NamesThePod) {
  const auto args = ParseCniArgs(
      "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web-1;"
      "K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=1-2;FOO=a=b");
  ASSERT_TRUE(args.ok()) << args.status();
  EXPECT_EQ(args->pod_namespace, "ns");
  EXPECT_EQ(args->pod_name, "web-1");
  EXPECT_TRUE(ParseCniArgs("").ok());
}

TEST(CniArgs, WhatIsUnknownIsRefusedUnlessToldToIgnoreIt) {
  ExpectError(ParseCniArgs("FOO=bar").status(), CniCode::kInvalidEnvironment, "FOO");
  EXPECT_TRUE(ParseCniArgs("FOO=bar;IgnoreUnknown=true").ok());
  ExpectError(ParseCniArgs("FOO=bar;IgnoreUnknown=0").status(), CniCode::kInvalidEnvironment, "FOO");
}

TEST(CniArgs, WhatIsNoPairIsRefused) {
  ExpectError(ParseCniArgs("K8S_POD_NAME").status(), CniCode::kInvalidEnvironment, "CNI_ARGS");
  ExpectError(ParseCniArgs("=x").status(), CniCode::kInvalidEnvironment, "CNI_ARGS");
}

TEST(CniParameters, ContainerIdIsCheckedAsTheSpecificationSays) {
  for (const char* id : {"", "-a", "_a", "a b", "a/b", "../x"}) {
    ExpectError(CheckParameters({id, "/run/netns/x", "net1", ""}, true), CniCode::kInvalidEnvironment,
                "CNI_CONTAINERID");
  }
  EXPECT_TRUE(CheckParameters({"0a_b.c-D", "/run/netns/x", "net1", ""}, true).ok());
}

TEST(CniParameters, InterfaceNameIsCheckedAsTheSpecificationSays) {
  for (const char* ifname :
       {"", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\nb", "sixteen-letters-", "\x01"}) {
    ExpectError(CheckParameters({"c", "/run/netns/x", ifname, ""}, true), CniCode::kInvalidEnvironment,
                "CNI_IFNAME");
  }
  EXPECT_TRUE(CheckParameters({"c", "/run/netns/x", "fifteen-letters", ""}, true).ok());
}

TEST(CniParameters, OnlyAddNeedsANamespace) {
  ExpectError(CheckParameters({"c", "", "net1", ""}, true), CniCode::kInvalidEnvironment, "CNI_NETNS");
  ExpectError(CheckParameters({"c", "netns/x", "net1", ""}, true), CniCode::kInvalidEnvironment, "CNI_NETNS");
  ExpectError(CheckParameters({"c", std::string("/run\0/x", 7), "net1", ""}, true),
              CniCode::kInvalidEnvironment, "CNI_NETNS");
  EXPECT_TRUE(CheckParameters({"c", "", "net1", ""}, false).ok());
}

TEST(CniArgs, MayAskForAMacAndAnAddress) {
  const auto args = ParseCniArgs("MAC=02:00:00:00:00:01;IP=10.0.0.5/24");
  ASSERT_TRUE(args.ok()) << args.status();
  EXPECT_EQ(args->mac, "02:00:00:00:00:01");
  EXPECT_EQ(args->ip, "10.0.0.5/24");
}

}  // namespace
}  // namespace xpu
