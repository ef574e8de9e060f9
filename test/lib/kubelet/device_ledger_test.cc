#include "test/lib/kubelet/device_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace xpu::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kVf[] = "xpu.opiproject.org/vf";

v1beta1::ListAndWatchResponse List(const std::vector<std::pair<std::string, std::string>>& devices) {
  v1beta1::ListAndWatchResponse list;
  for (const auto& [id, health] : devices) {
    v1beta1::Device* device = list.add_devices();
    device->set_id(id);
    device->set_health(health);
  }
  return list;
}

class DeviceLedgerTest : public ::testing::Test {
 protected:
  DeviceLedgerTest() {
    ledger_.Connected(kVf);
    ledger_.Received(kVf, List({{"a", "Healthy"}, {"b", "Healthy"}, {"c", "Unhealthy"}}));
  }
  absl::StatusCode ChooseCode(const std::string& container, int count) {
    return ledger_.Choose(container, kVf, count).status().code();
  }

  const absl::Time now_ = absl::UnixEpoch();
  DeviceLedger ledger_{absl::Minutes(5)};
};

TEST_F(DeviceLedgerTest, OnlyHealthyDevicesThatNobodyHoldsCanBeChosen) {
  EXPECT_THAT(ledger_.Choose("one", kVf, 1)->available, ElementsAre("a", "b"));
  ledger_.Hold("one", kVf, {.ids = {"a"}});
  EXPECT_THAT(ledger_.Choose("two", kVf, 1)->available, ElementsAre("b"));
  EXPECT_EQ(ChooseCode("two", 2), absl::StatusCode::kResourceExhausted);
  ledger_.Release("one");
  EXPECT_THAT(ledger_.Choose("two", kVf, 2)->available, ElementsAre("a", "b"));
}

TEST_F(DeviceLedgerTest, AContainerThatComesAgainKeepsItsDevices) {
  HeldDevices held{.ids = {"b"}};
  (*held.response.mutable_envs())["NAME"] = "value";
  ledger_.Hold("one", kVf, held);
  const auto choice = ledger_.Choose("one", kVf, 1);
  ASSERT_NE(choice->held, nullptr);
  EXPECT_EQ(choice->held->response.envs().at("NAME"), "value");
  EXPECT_EQ(ChooseCode("one", 2), absl::StatusCode::kFailedPrecondition);
  ledger_.Received(kVf, List({{"a", "Healthy"}, {"b", "Unhealthy"}}));
  EXPECT_EQ(ChooseCode("one", 1), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DeviceLedgerTest, WhatCannotBeChosenIsAnError) {
  EXPECT_EQ(ledger_.Choose("one", "other.org/vf", 1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ChooseCode("one", 0), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ChooseCode("one", 3), absl::StatusCode::kResourceExhausted);
  ledger_.Disconnected(kVf, now_);
  EXPECT_EQ(ChooseCode("one", 1), absl::StatusCode::kResourceExhausted);
}

TEST_F(DeviceLedgerTest, UnhealthyDevicesAreCapacityOnly) {
  const auto capacity = ledger_.GetCapacity(kVf, now_);
  EXPECT_EQ(capacity.capacity, 3);
  EXPECT_EQ(capacity.allocatable, 2);
}

TEST_F(DeviceLedgerTest, DevicesOfAnEndedPluginAreForgottenAfterTheGrace) {
  ledger_.Disconnected(kVf, now_);
  EXPECT_EQ(ledger_.GetCapacity(kVf, now_ + absl::Minutes(5)).capacity, 3);
  EXPECT_EQ(ledger_.GetCapacity(kVf, now_ + absl::Minutes(5)).allocatable, 0);
  EXPECT_EQ(ledger_.GetCapacity(kVf, now_ + absl::Minutes(5) + absl::Seconds(1)).capacity, 0);
  EXPECT_THAT(ledger_.Devices(kVf), IsEmpty());
}

TEST_F(DeviceLedgerTest, APluginThatComesBackInTimeIsNotForgotten) {
  ledger_.Disconnected(kVf, now_);
  ledger_.Connected(kVf);
  EXPECT_EQ(ledger_.GetCapacity(kVf, now_ + absl::Hours(1)).capacity, 3);
  EXPECT_TRUE(ledger_.IsConnected(kVf));
}

TEST_F(DeviceLedgerTest, WhoHoldsWhatOutlivesARestart) {
  HeldDevices held{.ids = {"a"}};
  (*held.response.mutable_envs())["NAME"] = "value";
  ledger_.Hold("one", kVf, held);
  DeviceLedger next(absl::Minutes(5));
  ASSERT_TRUE(next.FromJson(ledger_.ToJson(), now_).ok());
  EXPECT_THAT(next.Held(kVf), ElementsAre("a"));
  // Devices do not count before the plugin is back.
  EXPECT_EQ(next.GetCapacity(kVf, now_).capacity, 0);
  EXPECT_FALSE(next.IsConnected(kVf));
  next.Connected(kVf);
  next.Received(kVf, List({{"a", "Healthy"}, {"b", "Healthy"}}));
  EXPECT_EQ(next.Choose("one", kVf, 1)->held->response.envs().at("NAME"), "value");
  EXPECT_THAT(next.Choose("two", kVf, 1)->available, ElementsAre("b"));
}

TEST_F(DeviceLedgerTest, ADamagedCheckpointChangesNothing) {
  ledger_.Hold("one", kVf, {.ids = {"a"}});
  for (const char* text :
       {"", "[]", "{}", R"({"PodDeviceEntries": 1, "RegisteredDevices": {}})",
        R"({"PodDeviceEntries": [{"ContainerName": "x", "ResourceName": "y", "DeviceIDs": ["z"],
                               "AllocResp": "!"}], "RegisteredDevices": {}})"}) {
    EXPECT_EQ(ledger_.FromJson(text, now_).code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_THAT(ledger_.Held(kVf), ElementsAre("a"));
}

}  // namespace
}  // namespace xpu::testing
