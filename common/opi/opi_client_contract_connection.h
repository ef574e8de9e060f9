#pragma once

// The part of the contract of OpiClient that is about the connection and the news of ports.

#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "common/opi/opi_client_contract_fixture.h"
#include "common/opi/port_news.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {

#define EXPECT_CODE(expression, want) EXPECT_EQ((expression).code(), absl::StatusCode::want)

TEST_P(OpiClientContract, WithoutConnectionCallsAreUnavailable) {
  ASSERT_TRUE(opi().CreateBridgePort("host0-0", PortSpec(1), 1).ok());
  harness_->Disconnect();
  EXPECT_CODE(opi().ListBridgePorts().status(), kUnavailable);
  EXPECT_CODE(opi().UnbindPort(Unbind("bridgePorts/host0-0", 1, true)), kUnavailable);
}

TEST_P(OpiClientContract, TheObserverIsToldOfTheConnectionComingAndGoing) {
  absl::Mutex mu;
  std::vector<bool> seen;
  auto last_is = [&](bool connected) {
    absl::MutexLock lock(&mu);
    auto is = [&] { return !seen.empty() && seen.back() == connected; };
    return mu.AwaitWithTimeout(absl::Condition(&is), absl::Seconds(20));
  };
  opi().ObserveConnection([&](bool connected) {
    absl::MutexLock lock(&mu);
    seen.push_back(connected);
  });
  EXPECT_TRUE(last_is(true));
  harness_->Disconnect();
  EXPECT_TRUE(last_is(false));
  harness_->Reconnect();
  EXPECT_TRUE(last_is(true));
  EXPECT_EQ(opi().ListBridgePorts().status(), absl::OkStatus());
  opi().ObserveConnection(nullptr);
  size_t told = seen.size();
  harness_->Disconnect();
  EXPECT_CODE(opi().ListBridgePorts().status(), kUnavailable);
  EXPECT_EQ(seen.size(), told);
}

TEST_P(OpiClientContract, TheWatcherIsToldHowAllRepresentorsAre) {
  PortNews news;
  opi().WatchPorts(news.Observer());
  ASSERT_TRUE(news.AwaitPort("host0-7", true));
  const auto all = news.last();
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->ports_size(), 8);
  harness_->RemoveRepresentor("host0-3");
  EXPECT_TRUE(news.AwaitPort("host0-3", false));
  EXPECT_TRUE(news.AwaitPort("host0-4", true));
  harness_->AddRepresentor("host0-3");
  EXPECT_TRUE(news.AwaitPort("host0-3", true));
  opi().WatchPorts(nullptr);
}

TEST_P(OpiClientContract, TheWatcherIsToldThatTheAgentIsGoneAndHowItIsOnceBack) {
  PortNews news;
  opi().WatchPorts(news.Observer());
  ASSERT_TRUE(news.AwaitPort("host0-0", true));
  harness_->Disconnect();
  EXPECT_TRUE(news.AwaitGone());
  harness_->RemoveRepresentor("host0-3");
  harness_->Reconnect();
  EXPECT_TRUE(news.AwaitPort("host0-0", true));
  opi().WatchPorts(nullptr);
}

TEST_P(OpiClientContract, AnotherWatcherTakesThePlaceOfTheFirst) {
  PortNews first, second;
  opi().WatchPorts(first.Observer());
  ASSERT_TRUE(first.AwaitPort("host0-0", true));
  opi().WatchPorts(second.Observer());
  EXPECT_TRUE(second.AwaitPort("host0-0", true));
  const size_t heard = first.count();
  opi().WatchPorts(nullptr);
  const size_t heard_second = second.count();
  PortNews third;
  opi().WatchPorts(third.Observer());
  EXPECT_TRUE(third.AwaitPort("host0-0", true));
  harness_->RemoveRepresentor("host0-3");
  EXPECT_TRUE(third.AwaitPort("host0-3", false));
  EXPECT_EQ(first.count(), heard);
  EXPECT_EQ(second.count(), heard_second);
  opi().WatchPorts(nullptr);
}

#undef EXPECT_CODE

}  // namespace xpu
