#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "common/base/unique_fd.h"
#include "gtest/gtest.h"
#include "test/component/pipeline/frames.h"
#include "test/component/pipeline/pod.h"
#include "test/lib/ovs/test_ovs.h"
#include "xpu-agent/datapath/ovs/ovs_switch.h"
#include "xpu-agent/plan/plan_testing.h"

namespace xpu::testing {

// Sees every frame on an interface, in both directions, and can send some.
class Wire {
 public:
  static absl::StatusOr<std::unique_ptr<Wire>> Open(const TestNetns& netns, const std::string& interface);

  // What has passed since the last call, until a frame has `marker` in it; DeadlineExceeded after 30 s
  // without one.
  absl::StatusOr<std::vector<std::string>> SeenUntil(const std::string& marker);
  void Send(const std::string& frame);

 private:
  Wire() = default;
  UniqueFd socket_;
};

// Which datapath cards have. The kernel's needs a kernel that has it, and hands flows to tc (skip_hw).
enum class CardDatapath { kUserSpace, kKernel };

// A card with a switch of its own, planned from `model` and applied by the agent's own Switch, which sends
// tunnels over "br-underlay" (the kernel's datapath: "p0") and has the uplink "uplink" if the fabric has one.
class LabCard {
 public:
  // `number` from 0; the underlay's interface leads into `fabric` as "underlay<number>", that of the uplink
  // as "lan<number>".
  static absl::StatusOr<std::unique_ptr<LabCard>> Create(int number, const TestNetns& fabric,
                                                         CardDatapath datapath);

  // A bound port of a new pod in `bridge`, on the switch.
  absl::StatusOr<std::unique_ptr<Pod>> AddPod(const std::string& name, const std::string& mac,
                                              const std::string& bridge,
                                              const std::vector<std::string>& addresses);
  // Plans and applies until there is nothing left to do, and returns when every packet meets the new flows.
  void Apply();

  const std::string& vtep() const { return vtep_; }
  // MAC of the underlay's interface.
  const std::string& underlay_mac() const { return underlay_mac_; }
  TestOvs& ovs() { return *ovs_; }
  Wire& underlay() { return *underlay_; }
  Wire& lan() { return *lan_; }

  Model model;
  // Plans for a switch that can do this, instead of what its own can.
  std::optional<SwitchAbilities> abilities;

 private:
  LabCard() = default;
  // Gives the underlay's interface, or the bridge that it is on, the tunnel's address.
  absl::Status MakeTunnelEnd(const std::string& interface);

  int number_ = 0;
  std::string vtep_;
  std::string underlay_mac_;
  std::unique_ptr<TestOvs> ovs_;
  std::unique_ptr<Wire> underlay_;
  std::unique_ptr<Wire> lan_;
  absl::Mutex mutex_;
  int changes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<OvsSwitch> switch_;
};

// Three cards on a fabric of two kernel bridges, underlay and lan.
class CardsTest : public ::testing::Test {
 protected:
  static constexpr int kCards = 3;
  void SetUp() override;
  virtual CardDatapath Datapath() const { return CardDatapath::kUserSpace; }

  LabCard& card(int number) { return *cards_[number]; }
  // Puts the ports of each card into the models of the others, where these have the same bridge, and applies
  // all.
  void Connect();
  // A datagram between two pods as the one would send it.
  static std::string Datagram(const std::string& from_mac, const std::string& from, const std::string& to_mac,
                              const std::string& to, const std::string& text);
  // What a frame looks like inside a tunnel, from the fabric to a card.
  std::string Encapsulated(const std::string& from_vtep, const LabCard& to, uint32_t vni,
                           const std::string& frame);

  std::unique_ptr<TestNetns> fabric_;
  std::vector<std::unique_ptr<LabCard>> cards_;
};

}  // namespace xpu::testing
