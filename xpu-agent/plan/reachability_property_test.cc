// Random sequences of object changes: after each, what can reach what through the compiled flows is exactly
// what the reference network says.
#include <algorithm>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/test_seed.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/plan/flow_interpreter_testing.h"
#include "xpu-agent/plan/plan_testing.h"
#include "xpu-agent/plan/reference_network_testing.h"

namespace xpu {
namespace {

using Endpoint = ReferenceNetwork::Endpoint;

constexpr int kPorts = 7;
constexpr int kBridges = 4;
constexpr int kVrfs = 2;
constexpr int kSubnets = 3;

// Models of few names and numbers, so that objects often get into each other's way.
class RandomNetwork {
 public:
  explicit RandomNetwork(uint64_t seed) : random_(seed) {
    for (int i = 0; i < kPorts; ++i) {
      const std::string id = absl::StrCat("p", i);
      model_.representors[id] = {.interface = id, .ofport = static_cast<uint32_t>(i + 1)};
    }
  }
  const Model& model() const { return model_; }

  // Creates, changes or deletes one object; says which.
  std::string Step() {
    switch (Below(9)) {
      case 8:
        return Function(absl::StrCat("f", Below(3)));
      case 0:
        return Bridge(absl::StrCat("b", Below(kBridges)));
      case 1:
        return Vrf(absl::StrCat("v", Below(kVrfs)));
      case 2:
      case 3:
        return Svi(absl::StrCat("s", Below(kBridges)));
      default:
        return Port(absl::StrCat("p", Below(kPorts)));
    }
  }

  // An address that something may have.
  IpAddress Address() {
    const int subnet = Below(kSubnets);
    const int host = Below(5) == 0 ? 254 : 1 + Below(5);
    const std::string text = Below(2) == 0 ? absl::StrFormat("10.%d.0.%d", subnet, host)
                                           : absl::StrFormat("2001:db8:%d::%x", subnet, host);
    return IpAddress::Parse(text).value();
  }
  int Below(int n) { return static_cast<int>(random_() % n); }

 private:
  std::string Bridge(const std::string& id) {
    if (model_.bridges.contains(id) && Below(3) == 0) {
      model_.bridges.erase(id);
      return "delete bridge " + id;
    }
    LogicalBridge& bridge = model_.bridges[id];
    bridge.id = id;
    bridge.network_key = 1 + static_cast<uint32_t>(id[1] - '0');
    // What tells the networks apart in a function that is for all of them.
    bridge.vlan_id = 10 * bridge.network_key;
    bridge.prefixes.clear();
    bridge.gateways.clear();
    if (Below(2) == 0) bridge.prefixes.push_back(IpPrefix::Parse("10.0.0.0/16").value());
    if (Below(4) == 0) bridge.gateways.push_back(Address());
    return "bridge " + id;
  }
  std::string Function(const std::string& id) {
    if (model_.network_functions.contains(id) && Below(2) == 0) {
      model_.network_functions.erase(id);
      return "delete function " + id;
    }
    NetworkFunction& function = model_.network_functions[id];
    function = {.id = id, .position = static_cast<uint32_t>(Below(2))};
    for (NetworkFunctionPort* side : {&function.input, &function.output}) {
      side->port = absl::StrCat("p", Below(kPorts));
      const auto port = model_.ports.find(side->port);
      if (port != model_.ports.end() && Below(6) != 0) side->mac = port->second.mac;
    }
    if (Below(3) != 0) function.logical_bridge = absl::StrCat("b", Below(kBridges));
    return absl::StrCat("function ", id, " from ", function.input.port, " to ", function.output.port, " of ",
                        function.logical_bridge);
  }
  std::string Vrf(const std::string& id) {
    if (model_.vrfs.contains(id) && Below(3) == 0) {
      model_.vrfs.erase(id);
      return "delete vrf " + id;
    }
    AddVrf(&model_, id, 1 + static_cast<uint32_t>(id[1] - '0'));
    return "vrf " + id;
  }
  std::string Svi(const std::string& id) {
    if (model_.svis.contains(id) && Below(3) == 0) {
      model_.svis.erase(id);
      return "delete svi " + id;
    }
    const int subnet = Below(kSubnets);
    std::vector<std::string> gateways;
    if (Below(4) != 0) gateways.push_back(absl::StrFormat("10.%d.0.254/24", subnet));
    if (Below(4) != 0) gateways.push_back(absl::StrFormat("2001:db8:%d::fe/64", Below(kSubnets)));
    model_.svis.erase(id);
    xpu::Svi& svi =
        AddSvi(&model_, id, absl::StrCat("v", Below(kVrfs)), absl::StrCat("b", Below(kBridges)), gateways);
    if (Below(3) == 0) svi.mac = Mac();
    return absl::StrCat("svi ", id, " of ", svi.logical_bridge, " in ", svi.vrf);
  }
  std::string Port(const std::string& id) {
    if (model_.ports.contains(id) && Below(4) == 0) {
      model_.ports.erase(id);
      return "delete port " + id;
    }
    BridgePort& port = model_.ports[id];
    port = {.id = id, .mac = Mac()};
    if (Below(8) != 0) port.logical_bridges = {absl::StrCat("b", Below(kBridges))};
    port.bound = Below(4) != 0;
    for (int i = Below(3); port.bound && i > 0; --i) {
      const IpAddress address = Address();
      port.addresses.push_back({address, address.is_v4() ? 24 : 64});
    }
    // Which changes the flows, and not who reaches whom.
    if (Below(3) == 0) port.bandwidth = {.ingress = {1'000'000}, .egress = {1'000'000}};
    return absl::StrCat(port.bound ? "bound" : "unbound", " port ", id);
  }
  MacAddress Mac() {
    return MacAddress::Parse(absl::StrFormat("02:00:00:00:00:%02x", 1 + Below(2 * kPorts))).value();
  }

  std::mt19937_64 random_;
  Model model_;
};

class Reachability : public ::testing::Test {
 protected:
  // What leaves the switch through a port, at last: what a network function is given comes out of its other
  // port as it is. `crossed_` gets the ports that functions were given something at.
  FlowInterpreter::Outputs Run(const TestPacket& packet) {
    crossed_.clear();
    FlowInterpreter::Outputs left;
    std::vector<TestPacket> under_way = {packet};
    while (!under_way.empty()) {
      const auto outputs = interpreter_->Run(under_way.back());
      under_way.pop_back();
      EXPECT_TRUE(outputs.ok()) << outputs.status();
      if (!outputs.ok() || crossed_.size() > 20) return {};
      for (const auto& [port, frame] : *outputs) {
        // The agent sends errors to where the packet came from, and nothing on.
        if (port == FlowInterpreter::kController) continue;
        const std::optional<uint32_t> other_side = reference_->OtherSide(port);
        if (!other_side.has_value()) {
          left.emplace_back(port, frame);
          continue;
        }
        crossed_.push_back(port);
        TestPacket& again = under_way.emplace_back(frame);
        for (const Field field :
             {Field::kReg0, Field::kReg1, Field::kReg2, Field::kReg3, Field::kReg4, Field::kMetadata})
          again[field] = 0;
        again[Field::kInPort] = *other_side;
      }
    }
    EXPECT_LE(crossed_.size(), 12u) << "in circles: " << packet.ToString();
    return left;
  }
  // The ports that a packet is given functions at on its way from one network to the other.
  static std::vector<uint32_t> Crossings(const ReferenceNetwork& reference, const std::string& from,
                                         const std::string& to) {
    std::vector<uint32_t> ports;
    const auto out = reference.FunctionsOf(from).value_or(ReferenceNetwork::Functions());
    for (const auto& [inner, outer] : out) ports.push_back(inner);
    const auto in = reference.FunctionsOf(to).value_or(ReferenceNetwork::Functions());
    for (auto hop = in.rbegin(); hop != in.rend(); ++hop) ports.push_back(hop->second);
    return ports;
  }
  std::set<uint32_t> Reached(const TestPacket& packet) {
    std::set<uint32_t> ports;
    for (const auto& [port, frame] : Run(packet)) {
      EXPECT_TRUE(ports.insert(port).second) << "twice to " << port << ": " << packet.ToString();
    }
    return ports;
  }

  void Check(const Model& model, RandomNetwork* random) {
    const FlowTable flows = CompileFlows(model, AllOfports(model));
    auto interpreter = FlowInterpreter::Make(flows);
    ASSERT_TRUE(interpreter.ok()) << interpreter.status();
    interpreter_ = &*interpreter;
    const ReferenceNetwork reference(model);
    reference_ = &reference;
    CheckIsolated(model, reference);
    for (const Endpoint& from : reference.endpoints()) {
      for (const Endpoint& to : reference.endpoints()) {
        for (const IpAddress& address : to.addresses) CheckPair(reference, from, to, address, random);
        if (to.addresses.empty()) CheckPair(reference, from, to, random->Address(), random);
        if (HasFailure()) return;
      }
      CheckRouter(reference, from, random->Address(), random);
      CheckFlood(reference, from, random);
    }
  }

  // Nothing passes from a port that is in no network.
  void CheckIsolated(const Model& model, const ReferenceNetwork& reference) {
    for (const auto& [id, representor] : model.representors) {
      const bool in = std::any_of(reference.endpoints().begin(), reference.endpoints().end(),
                                  [&](const Endpoint& endpoint) { return endpoint.port == id; });
      // What functions may send is another matter.
      if (in || reference.IsFunctionPort(id)) continue;
      const auto port = model.ports.find(id);
      const MacAddress mac = port == model.ports.end() ? MacAddress({2, 0, 0, 0, 0, 1}) : port->second.mac;
      for (const Endpoint& to : reference.endpoints()) {
        EXPECT_EQ(Reached(UdpPacket(representor.ofport, mac, to.mac, IpAddress::Parse("10.0.0.1").value(),
                                    IpAddress::Parse("10.0.0.2").value())),
                  std::set<uint32_t>())
            << id;
      }
    }
  }

  // `from` sends to an address of `to`, from its own addresses and from others'.
  void CheckPair(const ReferenceNetwork& reference, const Endpoint& from, const Endpoint& to,
                 const IpAddress& destination, RandomNetwork* random) {
    for (const IpAddress& source : SourcesOf(from, to, destination, random)) {
      const bool may = reference.MaySendFrom(from, source);
      TestPacket packet = UdpPacket(from.ofport, from.mac, to.mac, source, destination);
      const ReferenceNetwork::Router* router = reference.RouterOf(from.bridge);
      // What has the MAC of a port elsewhere and of the router here is for the router: see below.
      if (router == nullptr || router->mac != to.mac) {
        EXPECT_EQ(Reached(packet), may ? reference.Switched(from, to.mac) : std::set<uint32_t>())
            << packet.ToString();
        EXPECT_THAT(crossed_, ::testing::IsEmpty()) << "from port to port: " << packet.ToString();
      }
      packet[Field::kEthSrc] = NumberOf(to.mac);
      if (to.mac != from.mac) {
        EXPECT_EQ(Reached(packet), std::set<uint32_t>()) << packet.ToString();
      }
      CheckRoute(reference, from, source, destination);
    }
  }

  void CheckRoute(const ReferenceNetwork& reference, const Endpoint& from, const IpAddress& source,
                  const IpAddress& destination) {
    const ReferenceNetwork::Router* router = reference.RouterOf(from.bridge);
    if (router == nullptr) return;
    TestPacket packet = UdpPacket(from.ofport, from.mac, router->mac, source, destination);
    const Endpoint* owner = reference.Routed(from, source, destination);
    const FlowInterpreter::Outputs outputs = Run(packet);
    ASSERT_EQ(outputs.size(), owner == nullptr ? 0u : 1u) << packet.ToString();
    if (owner != nullptr) {
      EXPECT_EQ(crossed_, Crossings(reference, from.bridge, owner->bridge)) << packet.ToString();
    }
    packet[Field::kTtl] = 1;
    EXPECT_EQ(Reached(packet), std::set<uint32_t>()) << packet.ToString();
    if (owner == nullptr) return;
    const auto& [port, frame] = outputs[0];
    EXPECT_EQ(port, owner->ofport) << packet.ToString();
    EXPECT_EQ(frame[Field::kEthDst], NumberOf(owner->mac));
    EXPECT_EQ(frame[Field::kEthSrc], NumberOf(reference.RouterOf(owner->bridge)->mac));
    EXPECT_EQ(frame.Get(Field::kTtl), 63u);
  }

  void CheckRouter(const ReferenceNetwork& reference, const Endpoint& from, const IpAddress& target,
                   RandomNetwork* random) {
    const IpAddress source = SourcesOf(from, from, target, random).front();
    if (const ReferenceNetwork::Router* router = reference.RouterOf(from.bridge); router != nullptr) {
      for (const IpAddress& address : {target, IpAddress::LinkLocalFromMac(router->mac)}) {
        if (address.family() != source.family()) continue;
        const auto outputs = Run(EchoRequestPacket(from.ofport, from.mac, router->mac, source, address));
        const bool answers = reference.RouterAnswers(from, source, address);
        const bool answered = outputs.size() == 1 && outputs[0].first == from.ofport;
        EXPECT_EQ(answered, answers) << from.port << " pings " << address.ToString();
      }
    }
    // The guard's business is tried above; here it is asked with an address that passes.
    if (!reference.MaySendFrom(from, source) || source.family() != target.family()) return;
    // Nobody asks for an address of its own but to announce it.
    if (from.addresses.contains(target)) return;
    const TestPacket question = target.is_v4() ? ArpRequestPacket(from.ofport, from.mac, source, target)
                                               : SolicitationPacket(from.ofport, from.mac, source, target);
    const std::optional<MacAddress> mac = reference.Resolved(from, target);
    const auto outputs = Run(question);
    const bool answered = outputs.size() == 1 && outputs[0].first == from.ofport;
    EXPECT_EQ(answered, mac.has_value()) << question.ToString();
    if (!answered || !mac.has_value()) return;
    const TestPacket& answer = outputs[0].second;
    EXPECT_EQ(answer[target.is_v4() ? Field::kArpSha : Field::kNdTll], NumberOf(*mac)) << question.ToString();
  }

  void CheckFlood(const ReferenceNetwork& reference, const Endpoint& from, RandomNetwork* random) {
    const IpAddress target = IpAddress::Parse("255.255.255.255").value();
    const IpAddress source = SourcesOf(from, from, target, random).front();
    TestPacket packet = UdpPacket(from.ofport, from.mac, from.mac, source, target);
    packet[Field::kEthDst] = 0xffff'ffff'ffff;
    EXPECT_EQ(Reached(packet),
              reference.MaySendFrom(from, source) ? reference.Flooded(from) : std::set<uint32_t>())
        << packet.ToString();
  }

  // Of the family of `destination`: own addresses, the peer's, and one drawn.
  static std::vector<IpAddress> SourcesOf(const Endpoint& from, const Endpoint& to,
                                          const IpAddress& destination, RandomNetwork* random) {
    std::vector<IpAddress> sources;
    const auto add = [&](const IpAddress& address) {
      if (address.family() == destination.family()) sources.push_back(address);
    };
    for (const IpAddress& address : from.addresses) add(address);
    for (const IpAddress& address : to.addresses) add(address);
    while (sources.empty()) add(random->Address());
    add(random->Address());
    return sources;
  }

  const FlowInterpreter* interpreter_ = nullptr;
  const ReferenceNetwork* reference_ = nullptr;
  std::vector<uint32_t> crossed_;
};

TEST_F(Reachability, IsWhatTheReferenceSaysAfterEachChange) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  RandomNetwork random(seed);
  std::vector<std::string> history;
  for (int step = 0; step < 400; ++step) {
    history.push_back(random.Step());
    Check(random.model(), &random);
    if (!HasFailure()) continue;
    std::string steps;
    for (const std::string& line : history) absl::StrAppend(&steps, line, "\n");
    FAIL() << "after step " << step << ":\n" << steps;
  }
}

}  // namespace
}  // namespace xpu
