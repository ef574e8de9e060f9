#pragma once

// What every Representors must do. Include it in one file of a test program and say
//   INSTANTIATE_TEST_SUITE_P(Fake, RepresentorsContract, ::testing::Values(&MakeHarness));

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/core/representors.h"

namespace xpu {

// A machine without representors to begin with.
class RepresentorsHarness {
 public:
  virtual ~RepresentorsHarness() = default;
  virtual Representors& representors() = 0;
  virtual void Add(const std::string& phys_port_name, const std::string& interface) = 0;
  virtual void Remove(const std::string& phys_port_name, const std::string& interface) = 0;
  // As somebody on the DPU does it by hand.
  virtual void SetUp(const std::string& interface, bool up) = 0;
};

class RepresentorsContract : public ::testing::TestWithParam<std::unique_ptr<RepresentorsHarness> (*)()> {
 protected:
  RepresentorsContract() : harness_(GetParam()()) {}
  Representors& representors() { return harness_->representors(); }
  std::unique_ptr<RepresentorsHarness> harness_;
};

TEST_P(RepresentorsContract, FindsAnInterfaceByItsPort) {
  EXPECT_EQ(representors().Find("pf0vf3").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(representors().List().value(), ::testing::IsEmpty());
  harness_->Add("pf0vf3", "eth3");
  harness_->Add("pf0vf30", "eth30");
  EXPECT_EQ(representors().Find("pf0vf3").value(), "eth3");
  EXPECT_THAT(representors().List().value(),
              ::testing::ElementsAre(::testing::Pair("pf0vf3", "eth3"), ::testing::Pair("pf0vf30", "eth30")));
}

TEST_P(RepresentorsContract, FindsItsNewNameWhenItCameBackUnderAnother) {
  harness_->Add("pf0vf3", "eth3");
  ASSERT_EQ(representors().Find("pf0vf3").value(), "eth3");
  harness_->Remove("pf0vf3", "eth3");
  EXPECT_EQ(representors().Find("pf0vf3").status().code(), absl::StatusCode::kNotFound);
  harness_->Add("pf0vf3", "eth9");
  EXPECT_EQ(representors().Find("pf0vf3").value(), "eth9");
}

TEST_P(RepresentorsContract, PreparesAsOftenAsAsked) {
  harness_->Add("pf0vf3", "eth3");
  const auto first = representors().Prepare("eth3", 0, 0);
  ASSERT_EQ(first.status(), absl::OkStatus());
  EXPECT_TRUE(first->up);
  for (const uint32_t mtu : {9000u, 1500u}) {
    const auto again = representors().Prepare("eth3", mtu, first->index);
    ASSERT_EQ(again.status(), absl::OkStatus());
    EXPECT_EQ(again->index, first->index);
    EXPECT_TRUE(again->up);
  }
  harness_->Remove("pf0vf3", "eth3");
  harness_->Add("pf0vf3", "eth3");
  const auto anew = representors().Prepare("eth3", 0, first->index);
  ASSERT_EQ(anew.status(), absl::OkStatus());
  EXPECT_NE(anew->index, first->index);
  EXPECT_TRUE(anew->up);
}

TEST_P(RepresentorsContract, WhatWasReadyAndWasSetDownStaysDown) {
  harness_->Add("pf0vf3", "eth3");
  const auto first = representors().Prepare("eth3", 0, 0);
  ASSERT_EQ(first.status(), absl::OkStatus());
  harness_->SetUp("eth3", false);
  const auto down = representors().Prepare("eth3", 9000, first->index);
  ASSERT_EQ(down.status(), absl::OkStatus());
  EXPECT_EQ(down->index, first->index);
  EXPECT_FALSE(down->up);
  harness_->SetUp("eth3", true);
  EXPECT_TRUE(representors().Prepare("eth3", 0, first->index)->up);
  // Who does not know whether it was ready makes it so.
  harness_->SetUp("eth3", false);
  EXPECT_TRUE(representors().Prepare("eth3", 0, 0)->up);
}

TEST_P(RepresentorsContract, TellsOfThoseThatGoUpAndDown) {
  harness_->Add("pf0vf3", "eth3");
  const auto first = representors().Prepare("eth3", 0, 0);
  ASSERT_EQ(first.status(), absl::OkStatus());
  EventLoop loop;
  bool was_down = false;
  auto watcher = representors().Watch(loop, [&] {
    const auto now = representors().Prepare("eth3", 0, first->index);
    ASSERT_EQ(now.status(), absl::OkStatus());
    if (!now->up && !was_down) {
      was_down = true;
      harness_->SetUp("eth3", true);
    } else if (now->up && was_down) {
      loop.Stop();
    }
  });
  ASSERT_EQ(watcher.status(), absl::OkStatus());
  loop.Post([&] { harness_->SetUp("eth3", false); });
  const EventLoop::Handle limit = loop.After(absl::Seconds(20), [&] {
    ADD_FAILURE() << "not told";
    loop.Stop();
  });
  loop.Run();
  EXPECT_TRUE(was_down);
}

TEST_P(RepresentorsContract, TellsOfThoseThatComeAndGo) {
  EventLoop loop;
  std::string seen;
  auto watcher = representors().Watch(loop, [&] {
    std::string now = representors().Find("pf0vf3").value_or("none");
    if (now == "eth3" && seen.empty()) {
      seen = now;
      harness_->Remove("pf0vf3", "eth3");
    } else if (now == "none" && seen == "eth3") {
      loop.Stop();
    }
  });
  ASSERT_EQ(watcher.status(), absl::OkStatus());
  loop.Post([&] { harness_->Add("pf0vf3", "eth3"); });
  EventLoop::Handle limit = loop.After(absl::Seconds(20), [&] {
    ADD_FAILURE() << "not told";
    loop.Stop();
  });
  loop.Run();
  EXPECT_EQ(seen, "eth3");
  // Nobody is told any more.
  watcher->reset();
  harness_->Add("pf0vf4", "eth4");
}

}  // namespace xpu
