#include "test/component/pipeline/cards.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace xpu::testing {
namespace {

constexpr char kUnderlay[] = "br-underlay";
constexpr uint16_t kVxlanPort = 4789;

}  // namespace

absl::StatusOr<std::unique_ptr<Wire>> Wire::Open(const TestNetns& netns, const std::string& interface) {
  auto wire = absl::WrapUnique(new Wire());
  absl::Status status;
  netns.Call([&] {
    wire->socket_.Reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    const sockaddr_ll address{.sll_family = AF_PACKET,
                              .sll_protocol = htons(ETH_P_ALL),
                              .sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()))};
    const int on = 1;
    if (bind(wire->socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        setsockopt(wire->socket_.get(), SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) != 0) {
      status = absl::ErrnoToStatus(errno, "packet socket on " + interface);
    }
  });
  XPU_RETURN_IF_ERROR(status);
  return wire;
}

absl::StatusOr<std::vector<std::string>> Wire::SeenUntil(const std::string& marker) {
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  std::vector<std::string> frames;
  while (true) {
    pollfd ready{.fd = socket_.get(), .events = POLLIN};
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0 || poll(&ready, 1, static_cast<int>(left)) == 0) {
      return absl::DeadlineExceededError(
          absl::StrCat("no frame with '", marker, "' passed (", frames.size(), " others did)"));
    }
    std::optional<std::string> frame = ReadFrame(socket_.get(), true);
    if (!frame.has_value()) continue;
    if (absl::StrContains(*frame, marker)) return frames;
    frames.push_back(*std::move(frame));
  }
}

void Wire::Send(const std::string& frame) {
  ASSERT_EQ(send(socket_.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()))
      << std::strerror(errno);
}

absl::Status LabCard::MakeTunnelEnd(const std::string& interface) {
  const TestNetns& netns = ovs_->netns();
  XPU_RETURN_IF_ERROR(netns.Run({"ip", "address", "add", vtep_ + "/24", "dev", interface}).status());
  XPU_RETURN_IF_ERROR(netns.Run({"ip", "link", "set", interface, "up"}).status());
  XPU_ASSIGN_OR_RETURN(const std::string link, netns.Run({"ip", "-j", "link", "show", "dev", interface}));
  underlay_mac_ = nlohmann::json::parse(link)[0].value("address", "");
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LabCard>> LabCard::Create(int number, const TestNetns& fabric,
                                                         CardDatapath datapath) {
  auto card = absl::WrapUnique(new LabCard());
  card->number_ = number;
  card->vtep_ = absl::StrCat("192.0.2.", number + 1);
  XPU_ASSIGN_OR_RETURN(card->ovs_, TestOvs::Start());
  TestNetns& netns = card->ovs_->netns();
  XPU_RETURN_IF_ERROR(netns.Run({"sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"}).status());
  for (const std::string bridge : {"underlay", "lan"}) {
    const std::string outer = absl::StrCat(bridge, number), inner = bridge == "lan" ? "uplink" : "p0";
    XPU_RETURN_IF_ERROR(netns.AddVeth(inner, fabric, outer));
    XPU_RETURN_IF_ERROR(netns.Run({"ip", "link", "set", inner, "mtu", "1600"}).status());
    XPU_RETURN_IF_ERROR(
        fabric.Run({"ip", "link", "set", outer, "mtu", "1600", "master", bridge, "up"}).status());
  }
  TestOvs& ovs = *card->ovs_;
  if (datapath == CardDatapath::kKernel) {
    // The kernel sends tunnels by itself.
    XPU_RETURN_IF_ERROR(card->MakeTunnelEnd("p0"));
  } else {
    XPU_RETURN_IF_ERROR(ovs.Vsctl({"add-br", kUnderlay, "--", "set", "bridge", kUnderlay,
                                   "datapath_type=netdev", "--", "add-port", kUnderlay, "p0"})
                            .status());
    XPU_RETURN_IF_ERROR(card->MakeTunnelEnd(kUnderlay));
    // The way to the other tunnel ends is the kernel's.
    XPU_RETURN_IF_ERROR(ovs.AwaitKernelNews());
    XPU_RETURN_IF_ERROR(ovs.Appctl({"ovs/route/lookup", "192.0.2.254"}).status());
  }
  XPU_ASSIGN_OR_RETURN(card->underlay_, Wire::Open(fabric, absl::StrCat("underlay", number)));
  XPU_ASSIGN_OR_RETURN(card->lan_, Wire::Open(fabric, absl::StrCat("lan", number)));
  card->model.tunnel = Tunnel{.local = Ip(card->vtep_), .underlay_mtu = 1600};
  OvsSwitchOptions options{.ovsdb_remote = ovs.remote(),
                           .openflow_dir = ovs.openflow_dir(),
                           .bridge = "br-xpu",
                           .datapath_type = "netdev",
                           .owner = "cards-test"};
  if (datapath == CardDatapath::kKernel) {
    options.datapath_type = "system";
    options.settings = {{"hw-offload", "true"}, {"tc-policy", "skip_hw"}};
  }
  card->switch_ = std::make_unique<OvsSwitch>(options);
  LabCard* raw = card.get();
  card->switch_->Start([raw] {
    absl::MutexLock lock(&raw->mutex_);
    ++raw->changes_;
  });
  return card;
}

absl::StatusOr<std::unique_ptr<Pod>> LabCard::AddPod(const std::string& name, const std::string& mac,
                                                     const std::string& bridge,
                                                     const std::vector<std::string>& addresses) {
  XPU_ASSIGN_OR_RETURN(auto pod, Pod::Create("rep-" + name, mac, ovs_->netns()));
  AddBoundPort(&model, "rep-" + name, static_cast<uint32_t>(model.ports.size() + 1), mac, bridge, addresses);
  return pod;
}

void LabCard::Apply() {
  for (int rounds = 0; rounds < 4;) {
    int seen;
    {
      absl::MutexLock lock(&mutex_);
      seen = changes_;
    }
    absl::StatusOr<SwitchSnapshot> snapshot = switch_->Snapshot();
    if (!snapshot.ok()) {
      absl::MutexLock lock(&mutex_);
      const auto changed = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return changes_ != seen; };
      ASSERT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&changed), absl::Seconds(10))) << snapshot.status();
      continue;
    }
    for (const auto& [name, port] : snapshot->ports) ASSERT_EQ(port.error, "") << name;
    if (abilities.has_value()) snapshot->abilities = *abilities;
    const SwitchPlan plan = MakePlan(model, *snapshot);
    if (plan.empty()) {
      ASSERT_EQ(ovs_->AwaitKernelNews(), absl::OkStatus());
      ASSERT_TRUE(ovs_->Appctl({"revalidator/purge"}).ok());
      return;
    }
    const ApplyResult result = switch_->Apply(plan);
    ASSERT_TRUE(result.ports.ok()) << result.ports;
    ASSERT_TRUE(result.flows.ok()) << result.flows;
    ++rounds;
  }
  FAIL() << "the plan is not empty after it was applied";
}

void CardsTest::SetUp() {
  auto fabric = TestNetns::Create();
  ASSERT_TRUE(fabric.ok()) << fabric.status();
  fabric_ = *std::move(fabric);
  ASSERT_TRUE(fabric_->Run({"sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"}).ok());
  for (const char* bridge : {"underlay", "lan"}) {
    ASSERT_TRUE(
        fabric_
            ->Run({"ip", "link", "add", bridge, "mtu", "1600", "up", "type", "bridge", "mcast_snooping", "0"})
            .ok());
  }
  for (int i = 0; i < kCards; ++i) {
    auto made = LabCard::Create(i, *fabric_, Datapath());
    ASSERT_TRUE(made.ok()) << made.status();
    cards_.push_back(*std::move(made));
  }
  if (Datapath() == CardDatapath::kKernel) return;
  // Who has which address on the underlay, so that no first packet waits for the answer.
  for (const auto& one : cards_) {
    for (const auto& other : cards_) {
      if (one == other) continue;
      ASSERT_TRUE(one->ovs().Appctl({"tnl/arp/set", kUnderlay, other->vtep(), other->underlay_mac()}).ok());
    }
  }
}

void CardsTest::Connect() {
  for (const auto& one : cards_) {
    one->model.remote_ports.clear();
    for (const auto& other : cards_) {
      if (one == other) continue;
      for (const auto& [id, port] : other->model.ports) {
        if (port.logical_bridges.size() != 1 || !one->model.bridges.contains(port.logical_bridges[0]))
          continue;
        RemotePort& remote = one->model.remote_ports[absl::StrCat(port.logical_bridges[0], "/", id)];
        remote = {.id = id,
                  .logical_bridge = port.logical_bridges[0],
                  .mac = port.mac,
                  .addresses = port.addresses,
                  .vtep = Ip(other->vtep())};
      }
    }
    ASSERT_NO_FATAL_FAILURE(one->Apply());
  }
}

std::string CardsTest::Datagram(const std::string& from_mac, const std::string& from,
                                const std::string& to_mac, const std::string& to, const std::string& text) {
  return UdpFrame({.eth_dst = to_mac, .eth_src = from_mac, .src = from, .dst = to, .payload = text});
}

std::string CardsTest::Encapsulated(const std::string& from_vtep, const LabCard& to, uint32_t vni,
                                    const std::string& frame) {
  std::string header("\x08\0\0\0", 4);
  for (const int shift : {16, 8, 0}) header.push_back(static_cast<char>(vni >> shift));
  header.push_back('\0');
  // A switch in user space takes up where a tunnel end is from what comes from it.
  std::string eth_src = "02:00:00:00:99:01";
  for (const auto& one : cards_) {
    if (one->vtep() == from_vtep) eth_src = one->underlay_mac();
  }
  return UdpFrame({.eth_dst = to.underlay_mac(),
                   .eth_src = eth_src,
                   .src = from_vtep,
                   .dst = to.vtep(),
                   .src_port = 50000,
                   .dst_port = kVxlanPort,
                   .payload = header + frame});
}

}  // namespace xpu::testing
