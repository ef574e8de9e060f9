#include "test/component/pipeline/lab.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace xpu::testing {
namespace {

// Pods of one network, in the order of their addresses.
const std::vector<std::vector<std::string>>& Networks() {
  static const auto* const kNetworks =
      new std::vector<std::vector<std::string>>{{"a", "b", "c"}, {"x", "y"}, {"z"}};
  return *kNetworks;
}

const std::vector<std::string>& NetworkOf(const std::string& pod) {
  return *std::find_if(Networks().begin(), Networks().end(), [&](const std::vector<std::string>& network) {
    return std::find(network.begin(), network.end(), pod) != network.end();
  });
}

int NumberOf(const std::string& pod) {
  const std::vector<std::string>& network = NetworkOf(pod);
  return static_cast<int>(std::find(network.begin(), network.end(), pod) - network.begin()) + 1;
}

// Another pod of the same network.
std::string PeerOf(const std::string& pod) {
  const std::vector<std::string>& network = NetworkOf(pod);
  return network[0] == pod ? network[1] : network[0];
}

}  // namespace

std::string PipelineTest::Ip4Of(const std::string& pod) { return absl::StrCat("10.0.0.", NumberOf(pod)); }
std::string PipelineTest::Ip6Of(const std::string& pod) { return absl::StrCat("2001:db8::", NumberOf(pod)); }
std::string PipelineTest::LinkLocalOf(const std::string& pod) {
  return absl::StrFormat("fe80::ff:fe00:%x", pod[0] - 'a' + 10);
}

void PipelineTest::SetUp() {
  auto ovs = StartOvs();
  ASSERT_TRUE(ovs.ok()) << ovs.status();
  ovs_ = *std::move(ovs);
  AddBridge(&model_, "red", 0x11, {"10.0.0.0/24", "2001:db8::/64"});
  AddBridge(&model_, "blue", 0x22, {"10.0.0.0/24", "2001:db8::/64"});
  for (const std::vector<std::string>& network : Networks()) {
    for (const std::string& name : network) ASSERT_NO_FATAL_FAILURE(AddPod(name));
  }
  ChangeModel();
  switch_ = std::make_unique<OvsSwitch>(OvsSwitchOptions{.ovsdb_remote = ovs_->remote(),
                                                         .openflow_dir = ovs_->openflow_dir(),
                                                         .bridge = "br-xpu",
                                                         .datapath_type = "netdev",
                                                         .owner = "pipeline-test"});
  switch_->Start([this] {
    absl::MutexLock lock(&mutex_);
    ++changes_;
  });
  ASSERT_NO_FATAL_FAILURE(Apply());
}

void PipelineTest::AddPod(const std::string& name) {
  const std::string mac = absl::StrFormat("02:00:00:00:00:%02x", name[0] - 'a' + 10);
  const std::string representor = "rep-" + name;
  auto pod = Pod::Create(representor, mac, ovs_->netns());
  ASSERT_TRUE(pod.ok()) << pod.status();
  pods_[name] = *std::move(pod);
  const uint32_t ofport = static_cast<uint32_t>(pods_.size());
  if (name == "z") {
    AddUnboundPort(&model_, representor, ofport, mac, "");
    return;
  }
  AddBoundPort(&model_, representor, ofport, mac, NetworkOf(name)[0] == "a" ? "red" : "blue",
               {Ip4Of(name) + "/24", Ip6Of(name) + "/64"});
}

void PipelineTest::Apply() {
  ASSERT_NO_FATAL_FAILURE(ApplyModel());
  // Open vSwitch goes through the decisions it has cached within some milliseconds of a change, in a thread
  // that tells nobody when it is done. This drops them at once.
  ASSERT_TRUE(ovs_->Appctl({"revalidator/purge"}).ok());
}

void PipelineTest::ApplyModel() {
  for (int rounds = 0; rounds < 4;) {
    const int seen = Changes();
    const absl::StatusOr<SwitchSnapshot> snapshot = switch_->Snapshot();
    if (!snapshot.ok()) {
      ASSERT_TRUE(AwaitChange(seen)) << snapshot.status();
      continue;
    }
    const SwitchPlan plan = MakePlan(model_, *snapshot);
    if (plan.empty()) return;
    const ApplyResult result = switch_->Apply(plan);
    ASSERT_TRUE(result.ports.ok()) << result.ports;
    ASSERT_TRUE(result.flows.ok()) << result.flows;
    ++rounds;
  }
  FAIL() << "the plan is not empty after it was applied";
}

int PipelineTest::Changes() {
  absl::MutexLock lock(&mutex_);
  return changes_;
}

bool PipelineTest::AwaitChange(int seen) {
  absl::MutexLock lock(&mutex_);
  const auto changed = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return changes_ != seen; };
  return mutex_.AwaitWithTimeout(absl::Condition(&changed), absl::Seconds(30));
}

void PipelineTest::AwaitLoss() {
  for (int seen = Changes(); switch_->Snapshot().ok(); seen = Changes())
    ASSERT_TRUE(AwaitChange(seen)) << "the switch is still there";
}

std::string PipelineTest::Datagram(const std::string& from, const std::string& to) {
  return UdpFrame({.eth_dst = MacOf(to),
                   .eth_src = MacOf(from),
                   .src = Ip4Of(from),
                   .dst = Ip4Of(to),
                   .payload = absl::StrCat("datagram ", next_content_++)});
}

void PipelineTest::Follow(const std::string& from, const std::string& to) {
  const std::string marker = Datagram(from, to);
  pod(from).Send(marker);
  auto frames = pod(to).ReceiveUntil(marker);
  ASSERT_TRUE(frames.ok()) << frames.status();
  arrived_[to].insert(arrived_[to].end(), frames->begin(), frames->end());
}

std::vector<std::string> PipelineTest::Arrived(const std::string& from, const std::string& to) {
  if (NetworkOf(from).size() == 1) {
    // Nothing of an isolated port can show the way. The switch polls its ports in turn: in the turn after the
    // one that took the first datagram, it has polled all of them.
    Follow(PeerOf(to), to);
    Follow(PeerOf(to), to);
  } else if (from != to && NetworkOf(from) == NetworkOf(to)) {
    Follow(from, to);
  } else {
    Follow(from, PeerOf(from));
    Follow(PeerOf(to), to);
  }
  return std::exchange(arrived_[to], {});
}

std::vector<std::string> PipelineTest::ReachedBy(const std::string& from, const std::string& frame) {
  arrived_.clear();
  pod(from).Send(frame);
  std::vector<std::string> reached;
  for (const auto& [name, pod] : pods_) {
    if (NetworkOf(name).size() == 1) continue;
    const std::vector<std::string> frames = Arrived(from, name);
    if (std::find(frames.begin(), frames.end(), frame) != frames.end()) reached.push_back(name);
  }
  return reached;
}

}  // namespace xpu::testing
