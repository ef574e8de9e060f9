#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"
#include "test/component/pipeline/frames.h"
#include "test/component/pipeline/pod.h"
#include "test/lib/ovs/test_ovs.h"
#include "xpu-agent/datapath/ovs/ovs_switch.h"
#include "xpu-agent/plan/plan_testing.h"

namespace xpu::testing {

// The pipeline on a real Open vSwitch, planned from `model` and applied by the agent's own Switch:
//
//   network red   a, b and c: 10.0.0.1 to .3, 2001:db8::1 to ::3
//   network blue  x and y: 10.0.0.1 and .2, 2001:db8::1 and ::2
//   isolated      z, in no network
//
// MACs are 02:00:00:00:00:0a and so on, by the name of the pod; all ports but the isolated one are bound.
class PipelineTest : public ::testing::Test {
 protected:
  void SetUp() override;
  // Of the switch.
  virtual TestOvs::Clock Clock() const { return TestOvs::Clock::kReal; }
  virtual absl::StatusOr<std::unique_ptr<TestOvs>> StartOvs() const { return TestOvs::Start(Clock()); }
  // Changes the model above before it is on the switch.
  virtual void ChangeModel() {}

  // Plans and applies until there is nothing left to do, and once more to see that there is not.
  void ApplyModel();
  // The same, and returns when every packet from now on is treated by the new flows.
  void Apply();

  // Returns when the Switch has noticed that ovs-vswitchd, which was killed, is gone.
  void AwaitLoss();

  Pod& pod(const std::string& name) { return *pods_.at(name); }
  // The pod's own and what they should be: "02:00:00:00:00:0a", "10.0.0.1", "2001:db8::1".
  std::string MacOf(const std::string& pod) { return pods_.at(pod)->mac(); }
  static std::string Ip4Of(const std::string& pod);
  static std::string Ip6Of(const std::string& pod);
  static std::string LinkLocalOf(const std::string& pod);

  // An honest datagram over IPv4 between two pods of one network, with content never used before.
  std::string Datagram(const std::string& from, const std::string& to);
  // What reached `to` since the last call, with all that `from` has sent. To know when that is through, a
  // datagram follows it: from `from` to `to`, or where there is no such way, from `from` to its peer, and
  // then from a peer of `to` to `to`.
  std::vector<std::string> Arrived(const std::string& from, const std::string& to);
  // Sends a frame from `from` and says which of the pods in networks it reached.
  std::vector<std::string> ReachedBy(const std::string& from, const std::string& frame);

  TestOvs& ovs() { return *ovs_; }
  OvsSwitch& sw() { return *switch_; }

  Model model_;

 private:
  void AddPod(const std::string& name);
  // How often the Switch has told of a change, and a wait until that is no longer so.
  int Changes();
  bool AwaitChange(int seen);
  // Takes a fresh datagram from one pod to another, which proves that all before it is through, and keeps
  // what arrived before it.
  void Follow(const std::string& from, const std::string& to);

  std::unique_ptr<TestOvs> ovs_;
  std::map<std::string, std::unique_ptr<Pod>> pods_;
  absl::Mutex mutex_;
  int changes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<OvsSwitch> switch_;
  int next_content_ = 0;
  // What arrived at each pod and was not asked for yet.
  std::map<std::string, std::vector<std::string>> arrived_;
};

}  // namespace xpu::testing
