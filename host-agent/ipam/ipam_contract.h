#pragma once

// What every IpamRunner promises, as tests. Instantiate it for one that is real and one that is fake:
//   INSTANTIATE_TEST_SUITE_P(Fake, IpamContract, ::testing::Values(&MakeFakeHarness));

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/cni/cni_error.h"
#include "host-agent/ipam/ipam.h"

namespace xpu {

// A plugin with the six addresses of 10.9.0.0/29, of which 10.9.0.1 is the gateway.
class IpamHarness {
 public:
  virtual ~IpamHarness() = default;
  virtual IpamRunner& runner() = 0;
  virtual IpamCall call() = 0;
};

class IpamContract : public ::testing::TestWithParam<std::unique_ptr<IpamHarness> (*)()> {
 protected:
  static Attachment Of(const std::string& container) {
    return {.container_id = container, .ifname = "net1", .netns = "/run/netns/" + container};
  }
  std::string Give(const std::string& container) {
    const auto result = runner_.Add(call_, Of(container));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() && result->addresses.size() == 1 ? result->addresses[0].address.ToString() : "";
  }

  std::unique_ptr<IpamHarness> harness_ = GetParam()();
  IpamRunner& runner_ = harness_->runner();
  const IpamCall call_ = harness_->call();
};

TEST_P(IpamContract, GivesAddressesWithGatewayAndRoutes) {
  const auto result = runner_.Add(call_, Of("web"));
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->addresses.size(), 1u);
  EXPECT_EQ(result->addresses[0].address.ToString(), "10.9.0.2/29");
  EXPECT_EQ(result->addresses[0].gateway, *IpAddress::Parse("10.9.0.1"));
  ASSERT_EQ(result->routes.size(), 1u);
  EXPECT_EQ(result->routes[0].destination.ToString(), "0.0.0.0/0");
}

TEST_P(IpamContract, GivesEveryAddressOnce) {
  EXPECT_NE(Give("web"), Give("db"));
  const auto again = runner_.Add(call_, Of("web"));
  EXPECT_EQ(static_cast<uint32_t>(ToCniFailure(again.status()).code), 999u) << again.status();
}

TEST_P(IpamContract, GivesNoMoreThanThereIsAndTheErrorIsThePlugins) {
  for (const char* container : {"a", "b", "c", "d", "e"}) Give(container);
  const auto none = runner_.Add(call_, Of("f"));
  ASSERT_FALSE(none.ok());
  const CniFailure failure = ToCniFailure(none.status());
  EXPECT_EQ(static_cast<uint32_t>(failure.code), 999u);
  EXPECT_THAT(failure.msg, ::testing::HasSubstr("no IP addresses available"));
  ASSERT_TRUE(runner_.Del(call_, Of("c")).ok());
  EXPECT_EQ(Give("f"), "10.9.0.4/29");
}

TEST_P(IpamContract, TakesBackAsOftenAsOneLikes) {
  EXPECT_TRUE(runner_.Del(call_, Of("web")).ok()) << "never given";
  Give("web");
  EXPECT_TRUE(runner_.Del(call_, Of("web")).ok());
  EXPECT_TRUE(runner_.Del(call_, Of("web")).ok());
  EXPECT_NE(Give("web"), "");
}

TEST_P(IpamContract, ChecksWhetherAnAddressIsGiven) {
  EXPECT_FALSE(runner_.Check(call_, Of("web")).ok());
  Give("web");
  const absl::Status checked = runner_.Check(call_, Of("web"));
  EXPECT_TRUE(checked.ok()) << checked;
}

TEST_P(IpamContract, NewCommandsAreNoErrorForAPluginThatDoesNotKnowThem) {
  EXPECT_EQ(runner_.Gc(call_), absl::OkStatus());
  EXPECT_EQ(runner_.Status(call_), absl::OkStatus());
}

}  // namespace xpu
