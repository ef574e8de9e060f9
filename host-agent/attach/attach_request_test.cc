// What an ADD may ask for: settings of the physical function, vfio, subfunctions, IPAM plugins, VLANs.

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/attach/attacher.h"
#include "host-agent/cni/cni_error.h"
#include "host-agent/testing/world.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// The whole of what an ADD may ask for.
class AttachRequestTest : public ::testing::Test {
 protected:
  void Restart() { agent_ = std::make_unique<Incarnation>(world_); }
  absl::StatusOr<ClaimRow> Add(const AttachRequest& request) { return agent_->attacher->Add(request); }
  absl::Status Check(const AttachRequest& request, const std::string& result) {
    return agent_->attacher->Check(request, result);
  }
  std::vector<Route> RoutesInPod(const std::string& ifname = "net1") {
    return world_.kernel.Routes(*world_.namespaces().Open(pod_), ifname);
  }
  // What it answers, for people.
  static std::string Words(const absl::Status& status) {
    const CniFailure failure = ToCniFailure(status);
    return absl::StrCat(static_cast<uint32_t>(failure.code), " ", failure.msg, " ", failure.details);
  }

  FakeWorld world_;
  const std::string pod_ = world_.MakePod("web");
  std::unique_ptr<Incarnation> agent_ = std::make_unique<Incarnation>(world_);
};

TEST_F(AttachRequestTest, ThePhysicalFunctionOfACardWithoutAnAgentIsToldAllAndPutBack) {
  world_.endpoint = "";
  Restart();
  const VfSettings before = world_.Kept(0);
  AttachRequest request = agent_->Request(0, pod_);
  request.mac = *MacAddress::Parse("02:00:00:00:00:99");
  request.settings = {.vlan = VfSettings::Vlan{.id = 7, .qos = 2, .protocol = 0x88a8},
                      .spoof_check = !before.spoof_check.value_or(false),
                      .trust = true,
                      .link_state = VfSettings::LinkState::kEnable,
                      .min_tx_rate = 10,
                      .max_tx_rate = 100};
  const auto row = Add(request);
  ASSERT_TRUE(row.ok()) << row.status();
  VfSettings expected = request.settings;
  expected.mac = request.mac;
  EXPECT_TRUE(world_.Kept(0) == expected);
  EXPECT_TRUE(row->settings_before == before);
  const int writes = world_.journal.calls();
  EXPECT_TRUE(Add(request).ok());
  EXPECT_EQ(world_.journal.calls(), writes) << "all of it is there already";

  ASSERT_TRUE(agent_->Del(0, pod_).ok());
  EXPECT_TRUE(world_.Kept(0) == before);
}

TEST_F(AttachRequestTest, TheCardKeepsWhatThePodAsksForBothWays) {
  const VfSettings before = world_.Kept(0);
  AttachRequest request = agent_->Request(0, pod_);
  request.attachment.bandwidth = {.ingress = {.rate = 10'000'000, .burst = 2'147'483'647},
                                  .egress = {.rate = 20'000'000}};
  const auto row = Add(request);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_TRUE(world_.Kept(0) == before) << "nothing on the host is to limit it a second time";
  const auto bindings = world_.opi.ListPortBindings();
  ASSERT_TRUE(bindings.ok() && bindings->size() == 1u);
  const agent::v1::Bandwidth& kept = bindings->front().pod_bandwidth();
  EXPECT_EQ(kept.ingress_rate(), 10'000'000u);
  EXPECT_EQ(kept.ingress_burst(), 2'147'483'647u);
  EXPECT_EQ(kept.egress_rate(), 20'000'000u);
  EXPECT_EQ(kept.egress_burst(), 0u);
  ASSERT_TRUE(agent_->Del(0, pod_).ok());
}

TEST_F(AttachRequestTest, WithoutAnAgentThePhysicalFunctionLimitsWhatIsSentAndNothingElse) {
  world_.endpoint = "";
  Restart();
  const VfSettings before = world_.Kept(0);
  AttachRequest request = agent_->Request(0, pod_);
  request.attachment.network.clear();
  request.attachment.network_namespace.clear();
  request.attachment.vlan = 0;
  request.settings.max_tx_rate = 500;
  request.attachment.bandwidth.egress = {.rate = 20'999'999, .burst = 1};
  ASSERT_TRUE(Add(request).ok());
  EXPECT_EQ(world_.Kept(0).max_tx_rate, 20u);
  ASSERT_TRUE(agent_->Del(0, pod_).ok());
  EXPECT_TRUE(world_.Kept(0) == before);
  // Of two limits the smaller; and one is no limit that is 0.
  request.settings.max_tx_rate = 7;
  ASSERT_TRUE(Add(request).ok());
  EXPECT_EQ(world_.Kept(0).max_tx_rate, 7u);
  ASSERT_TRUE(agent_->Del(0, pod_).ok());
  request.settings.max_tx_rate.reset();
  request.attachment.bandwidth.egress.rate = 1;
  ASSERT_TRUE(Add(request).ok());
  EXPECT_EQ(world_.Kept(0).max_tx_rate, 1u);
  ASSERT_TRUE(agent_->Del(0, pod_).ok());

  request.settings.min_tx_rate = 30;
  EXPECT_THAT(Words(Add(request).status()), HasSubstr("min_tx_rate 30 is more than"));
  request.settings.min_tx_rate.reset();
  request.attachment.bandwidth.ingress.rate = 5;
  EXPECT_THAT(Words(Add(request).status()), ::testing::AllOf(HasSubstr("runtimeConfig.bandwidth.ingressRate"),
                                                             HasSubstr("ingress-bandwidth")));
  EXPECT_TRUE(world_.Kept(0) == before);
}

TEST_F(AttachRequestTest, OnlyWhatIsDifferentIsSetAndJournaled) {
  AttachRequest request = agent_->Request(0, pod_);
  request.settings.trust = world_.Kept(0).trust;
  request.settings.max_tx_rate = 5;
  const auto row = Add(request);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_TRUE(row->settings_before == VfSettings{.max_tx_rate = 0});
}

TEST_F(AttachRequestTest, TheCardsAgentTagsAlone) {
  const VfSettings before = world_.Kept(0);
  AttachRequest request = agent_->Request(0, pod_);
  request.settings = {.vlan = VfSettings::Vlan{.id = 7}, .trust = true};
  const auto row = Add(request);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(world_.Kept(0).vlan, before.vlan) << "frames would have two tags";
  EXPECT_EQ(world_.Kept(0).trust, true);
  EXPECT_FALSE(row->settings_before.vlan.has_value());
  const absl::Status checked = Check(request, row->result);
  EXPECT_TRUE(checked.ok()) << checked;
  ASSERT_TRUE(agent_->Del(0, pod_).ok());

  // What it cannot do is not done by halves.
  request.settings.vlan->qos = 3;
  EXPECT_THAT(Words(Add(request).status()), HasSubstr("2 vlanQoS: the card's xPU agent tags"));
  request.settings.vlan->protocol = 0x88a8;
  EXPECT_THAT(Words(Add(request).status()), HasSubstr("2 vlanQoS, vlanProto: the card's"));
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
}

TEST_F(AttachRequestTest, WhereNobodyTagsAVlanIsRefused) {
  world_.endpoint = "";
  world_.kernel.RefuseVfSettings(world_.pf(), {"vlan"});
  Restart();
  AttachRequest request = agent_->Request(0, pod_);
  request.settings.vlan = VfSettings::Vlan{.id = 7};
  EXPECT_THAT(Words(Add(request).status()), HasSubstr("2 vlan: nothing on this host"));
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
  // To leave frames as they are takes nobody.
  request.settings.vlan = VfSettings::Vlan{.id = 0};
  const absl::Status untagged = Add(request).status();
  EXPECT_TRUE(untagged.ok()) << untagged;
}

TEST_F(AttachRequestTest, MacAndVlanAreTheCardsWhereThePhysicalFunctionTakesNone) {
  world_.kernel.RefuseVfSettings(world_.pf(), {"mac", "vlan", "spoofchk", "trust", "link_state", "rate"});
  AttachRequest request = agent_->Request(0, pod_);
  request.mac = *MacAddress::Parse("02:00:00:00:00:99");
  request.settings.vlan = VfSettings::Vlan{.id = 7};
  const auto row = Add(request);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(world_.Bindings()[0].mac_address(), request.mac->ToBytes());
  EXPECT_EQ(world_.InPod(pod_, "net1")->mac, *request.mac);
  EXPECT_TRUE(row->settings_before.empty());
  EXPECT_TRUE(Check(request, row->result).ok());
}

TEST_F(AttachRequestTest, WhatNobodyCanSetIsNamed) {
  world_.kernel.RefuseVfSettings(world_.pf(), {"trust", "rate"});
  AttachRequest request = agent_->Request(0, pod_);
  request.settings = {.spoof_check = true, .trust = true, .max_tx_rate = 7};
  EXPECT_THAT(Words(Add(request).status()), HasSubstr("2 trust, max_tx_rate: nothing on this host can set"));
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
}

TEST_F(AttachRequestTest, AFunctionOfVfioStaysAndTheCardGetsItsMac) {
  world_.BindVfio(0);
  Restart();
  AttachRequest request = agent_->Request(0, pod_);
  request.mac = *MacAddress::Parse("02:00:00:00:00:99");
  const VfSettings before = world_.Kept(0);
  const auto row = Add(request);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_TRUE(row->vfio);
  EXPECT_THAT(world_.InterfacesOf(pod_), IsEmpty());
  EXPECT_EQ(world_.Kept(0).mac, request.mac);
  EXPECT_EQ(world_.Bindings()[0].mac_address(), request.mac->ToBytes());
  EXPECT_THAT(row->result, HasSubstr(R"({"name":"net1","mac":"02:00:00:00:00:99")"));
  EXPECT_THAT(row->result, HasSubstr(R"("pciID":"0000:03:00.2")"));
  EXPECT_THAT(row->result, HasSubstr("10.0.0.2/24"));
  EXPECT_THAT(agent_->announced, IsEmpty());
  const absl::Status checked = Check(request, row->result);
  EXPECT_TRUE(checked.ok()) << checked;

  // A restart finds nothing to look at, which is no reason to take it back.
  Restart();
  agent_->Recover();
  EXPECT_EQ(world_.Bindings().size(), 1u);
  ASSERT_TRUE(agent_->Del(0, pod_).ok());
  EXPECT_TRUE(world_.Kept(0) == before);
  EXPECT_THAT(world_.Ports(), IsEmpty());
}

TEST_F(AttachRequestTest, AFunctionOfVfioGetsAMacIfItHasNoneAndKeepsIt) {
  world_.BindVfio(0);
  Restart();
  const auto claimed = agent_->attacher->Claim(world_.vf(0), nullptr);
  ASSERT_TRUE(claimed.ok()) << claimed.status();
  EXPECT_TRUE(claimed->mac.IsUnicast());
  const auto row = agent_->Add(0, pod_);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(row->mac, claimed->mac);
  EXPECT_EQ(world_.Kept(0).mac, row->mac);
  EXPECT_TRUE(agent_->Del(0, pod_).ok());
}

TEST_F(AttachRequestTest, AFunctionOfVfioWhosePodIsGoneIsTakenBackAtAStart) {
  world_.BindVfio(0);
  Restart();
  ASSERT_TRUE(agent_->Add(0, pod_).ok());
  Restart();
  world_.RemovePod(pod_);
  agent_->Recover();
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
}

TEST_F(AttachRequestTest, ASubfunctionGoesAndComesBack) {
  world_.SubstituteSf(0, 88);
  Restart();
  const Link home = *world_.AtHome(0);
  const auto row = agent_->Add(0, pod_);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(row->port, "host0-sf88");
  EXPECT_TRUE(world_.InPod(pod_, "net1").has_value());
  // An interface of a virtual function under the same parent is not it.
  AttachRequest other = agent_->Request(1, pod_);
  other.attachment.ifname = "net2";
  ASSERT_TRUE(Add(other).ok());
  ASSERT_TRUE(agent_->Del(0, pod_).ok());
  EXPECT_EQ(world_.AtHome(0)->name, home.name);
  EXPECT_THAT(world_.InterfacesOf(pod_), ElementsAre("net2"));

  AttachRequest request = agent_->Request(0, pod_);
  request.settings.trust = true;
  EXPECT_THAT(Words(Add(request).status()), HasSubstr("2 trust: nothing on this host"));
}

TEST_F(AttachRequestTest, ASubfunctionWhoseNameIsTakenGetsOneThatFits) {
  world_.SubstituteSf(0, 4000000000);
  Restart();
  const Link home = *world_.AtHome(0);
  ClaimRow row;
  row.function = world_.function(0);
  row.host_ifname = home.name;
  row.host_mac = row.mac = home.mac;
  row.attachment = agent_->Request(0, pod_).attachment;
  ASSERT_TRUE(agent_->host->MoveIn(row, home, *world_.namespaces().Open(pod_)).ok());
  world_.kernel.AddLink(world_.kernel.root(), home.name, *MacAddress::Parse("02:00:00:00:00:42"));
  const auto restored = agent_->host->Restore(row);
  ASSERT_TRUE(restored.ok() && *restored) << restored.status();
  EXPECT_LE(world_.AtHome(0)->name.size(), 15u);
  EXPECT_TRUE(world_.AtHome(0)->name.starts_with("x")) << world_.AtHome(0)->name;
}

TEST_F(AttachRequestTest, APluginGivesTheAddressesAndGetsThemBack) {
  const AttachRequest request = agent_->RequestWithIpam(0, pod_);
  const auto row = Add(request);
  ASSERT_TRUE(row.ok()) << row.status();
  // The Network has IPv6 prefixes too, and gives of those itself.
  EXPECT_THAT(world_.AddressesInPod(pod_, "net1"),
              UnorderedElementsAre(*InterfaceAddress::Parse("10.0.0.2/24"),
                                   *InterfaceAddress::Parse("2001:db8::2/64")));
  ASSERT_EQ(RoutesInPod().size(), 1u) << "only what the plugin says";
  EXPECT_EQ(RoutesInPod()[0].gateway, *IpAddress::Parse("10.0.0.1"));
  EXPECT_EQ(world_.ipam.Given().size(), 1u);
  const absl::Status checked = Check(request, row->result);
  EXPECT_TRUE(checked.ok()) << checked;
  EXPECT_THAT(world_.ipam.Commands(), ElementsAre("ADD c-web net1", "CHECK c-web net1"));
  ASSERT_TRUE(agent_->Del(0, pod_).ok());
  EXPECT_THAT(world_.ipam.Given(), IsEmpty());
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
}

TEST_F(AttachRequestTest, APluginsErrorIsTheAnswerAndNothingIsLeft) {
  world_.ipam.SetError(CniErrorStatus(static_cast<CniCode>(999), "no IP addresses available"));
  EXPECT_EQ(Words(Add(agent_->RequestWithIpam(0, pod_)).status()), "999 no IP addresses available ");
  EXPECT_THAT(world_.InterfacesOf(pod_), IsEmpty());
  EXPECT_TRUE(world_.AtHome(0).has_value());
  EXPECT_THAT(world_.Ports(), IsEmpty());
}

TEST_F(AttachRequestTest, APluginThatTakesNothingBackHoldsUpNeitherInterfaceNorPort) {
  ASSERT_TRUE(Add(agent_->RequestWithIpam(0, pod_)).ok());
  world_.ipam.SetError(absl::UnavailableError("its store is away"));
  ASSERT_TRUE(agent_->Del(0, pod_).ok());
  EXPECT_TRUE(world_.AtHome(0).has_value());
  EXPECT_THAT(world_.Ports(), IsEmpty());
  EXPECT_THAT(agent_->attacher->StuckReason(world_.vf(0)), HasSubstr("its store is away"));
  EXPECT_THAT(Words(agent_->Add(0, world_.MakePod("db")).status()), HasSubstr("11 "));
  // Known to the next process, too.
  Restart();
  world_.ipam.SetError(absl::OkStatus());
  agent_->Recover();
  EXPECT_THAT(world_.ipam.Given(), IsEmpty());
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
  EXPECT_EQ(agent_->attacher->StuckReason(world_.vf(0)), "");
}

TEST_F(AttachRequestTest, AFunctionThatIsWantedDoesNotWaitForAPluginThatIsNoMore) {
  ASSERT_TRUE(Add(agent_->RequestWithIpam(0, pod_)).ok());
  world_.ipam.SetError(WithCniCode(absl::NotFoundError("no such plugin"), CniCode::kInvalidConfig));
  ASSERT_TRUE(agent_->Del(0, pod_).ok());
  EXPECT_TRUE(agent_->allocator->Find(world_.vf(0)).has_value()) << "it may come again";
  EXPECT_TRUE(agent_->Add(0, world_.MakePod("db")).ok());
}

TEST_F(AttachRequestTest, APluginThatNeedsTheNetworkIsOnlyForThoseThatGiveNoAddresses) {
  AttachRequest request = agent_->RequestWithIpam(0, pod_);
  request.ipam->type = "dhcp";
  EXPECT_THAT(Words(Add(request).status()),
              HasSubstr("7 ipam.type dhcp: network default/blue gives addresses"));
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
}

// A card with networks of VLANs, which writes down what it is asked.
class VlanCard final : public FakeOpiClient {
 public:
  explicit VlanCard(std::vector<std::string>& log) : log_(log) {}
  absl::StatusOr<agent::v1::PortBinding> BindPort(const agent::v1::BindPortRequest& request) override {
    log_.push_back(absl::StrCat("Bind ", request.logical_bridge(), "VLAN ", request.vlan(), " ",
                                absl::StrJoin(request.addresses(), " ")));
    agent::v1::PortBinding binding;
    binding.set_bridge_port(request.bridge_port());
    binding.set_vlan(request.vlan());
    binding.set_mac_address(request.mac_address());
    *binding.mutable_addresses() = request.addresses();
    binding.set_mtu(1500);
    binding.set_claim(request.claim());
    bindings_ = {binding};
    return binding;
  }
  absl::StatusOr<std::vector<agent::v1::PortBinding>> ListPortBindings() override { return bindings_; }

 private:
  std::vector<std::string>& log_;
  std::vector<agent::v1::PortBinding> bindings_;
};

// A plugin that writes down when it was asked, and whether the interface was in the pod then.
class WatchedIpam final : public IpamRunner {
 public:
  WatchedIpam(std::vector<std::string>& log, World& world) : log_(log), world_(world) {}
  absl::StatusOr<IpamResult> Add(const IpamCall& call, const Attachment& attachment) override {
    log_.push_back(absl::StrCat("IPAM ADD", Where(attachment)));
    if (on_add_ != nullptr) on_add_();
    return world_.ipam.Add(call, attachment);
  }
  absl::Status Del(const IpamCall& call, const Attachment& attachment) override {
    log_.push_back(absl::StrCat("IPAM DEL", Where(attachment)));
    return world_.ipam.Del(call, attachment);
  }
  absl::Status Check(const IpamCall& call, const Attachment& attachment) override {
    return world_.ipam.Check(call, attachment);
  }
  absl::Status Gc(const IpamCall& call) override { return world_.ipam.Gc(call); }
  absl::Status Status(const IpamCall& call) override { return world_.ipam.Status(call); }
  // Called in the middle of each ADD.
  void OnAdd(std::function<void()> work) { on_add_ = std::move(work); }

 private:
  std::string Where(const Attachment& attachment) {
    return world_.InPod(attachment.netns, attachment.ifname) ? " with the interface there" : "";
  }
  std::vector<std::string>& log_;
  World& world_;
  std::function<void()> on_add_;
};

class VlanTest : public AttachRequestTest {
 protected:
  AttachRequest Request() {
    AttachRequest request = agent_->RequestWithIpam(0, pod_);
    request.attachment.network.clear();
    request.attachment.vlan = 7;
    return request;
  }

  std::vector<std::string> log_;
  VlanCard card_{log_};
  WatchedIpam ipam_{log_, world_};
  CardSession session_{CardSession::Options{.card = "card0"}, card_, *agent_->allocator,
                       [](const FunctionId&) {}};
  Attacher attacher_{{.allocator = *agent_->allocator,
                      .inventory = *agent_->inventory,
                      .host = *agent_->host,
                      .sessions = {{"card0", &session_}},
                      .ipam = &ipam_}};
};

TEST_F(VlanTest, TheCardTakesTheAddressesOfThePluginAsTheyAre) {
  const AttachRequest request = Request();
  const auto row = attacher_.Add(request);
  ASSERT_TRUE(row.ok()) << row.status();
  ASSERT_EQ(log_.size(), 2u);
  EXPECT_EQ(log_[1], "Bind VLAN 7 10.0.0.2/24");
  EXPECT_THAT(world_.AddressesInPod(pod_, "net1"), ElementsAre(*InterfaceAddress::Parse("10.0.0.2/24")));
  EXPECT_EQ(RoutesInPod().at(0).gateway, *IpAddress::Parse("10.0.0.1"));
  const absl::Status checked = attacher_.Check(request, row->result);
  EXPECT_TRUE(checked.ok()) << checked;
  EXPECT_TRUE(attacher_.Add(request)->claim == row->claim) << "the same again changes nothing";
  EXPECT_TRUE(attacher_.Del(world_.vf(0), "c-web", "net1").ok());
}

TEST_F(AttachRequestTest, DhcpNeedsAnInterface) {
  world_.BindVfio(0);
  Restart();
  EXPECT_THAT(Words(Add(agent_->RequestInVlan(0, pod_, "dhcp")).status()),
              HasSubstr("7 ipam.type dhcp: it asks through the interface"));
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
}

TEST_F(VlanTest, ThePluginRunsDuringTheMove) {
  // Neither ends before the other has begun.
  absl::Notification asked, moving;
  bool met = false;
  ipam_.OnAdd([&] {
    asked.Notify();
    met = moving.WaitForNotificationWithTimeout(absl::Seconds(20));
  });
  world_.kernel.faults().OnCall("ChangeLink", [&] {
    if (moving.HasBeenNotified()) return;
    EXPECT_TRUE(asked.WaitForNotificationWithTimeout(absl::Seconds(20)));
    moving.Notify();
  });
  const auto row = attacher_.Add(Request());
  EXPECT_TRUE(row.ok()) << row.status();
  EXPECT_TRUE(met);
  world_.kernel.faults().OnCall("ChangeLink", nullptr);
  EXPECT_TRUE(attacher_.Del(world_.vf(0), "c-web", "net1").ok());
}

TEST_F(VlanTest, DhcpIsAskedThroughAnInterfaceThatIsInItsNetwork) {
  AttachRequest request = Request();
  request.ipam->type = "dhcp";
  const auto row = attacher_.Add(request);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_TRUE(attacher_.Del(world_.vf(0), "c-web", "net1").ok());
  EXPECT_THAT(log_, ElementsAre("Bind VLAN 7 ", "IPAM ADD with the interface there",
                                "Bind VLAN 7 10.0.0.2/24", "IPAM DEL with the interface there"));
}

TEST_F(AttachRequestTest, MtuRoutesAndDnsAreAsAsked) {
  AttachRequest request = agent_->Request(0, pod_);
  request.mtu = 1300;
  request.routes = {{.destination = *IpPrefix::Parse("192.0.2.0/24")},
                    {.destination = *IpPrefix::Parse("198.51.100.0/24"),
                     .gateway = *IpAddress::Parse("10.0.0.9"),
                     .priority = 50}};
  request.dns = {.nameservers = {"10.0.0.53"}, .search = {"example"}};
  const auto row = Add(request);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(world_.InPod(pod_, "net1")->mtu, 1300u);
  std::vector<std::string> routes;
  for (const Route& route : RoutesInPod()) {
    routes.push_back(absl::StrCat(route.destination.ToString(), " ", route.gateway->ToString(), " ",
                                  route.metric.value_or(0)));
  }
  EXPECT_THAT(routes, UnorderedElementsAre("0.0.0.0/0 10.0.0.1 0", "::/0 2001:db8::1 0",
                                           "192.0.2.0/24 10.0.0.1 0", "198.51.100.0/24 10.0.0.9 50"));
  EXPECT_THAT(row->result, HasSubstr(R"("dns":{"nameservers":["10.0.0.53"],"search":["example"]})"));
  EXPECT_THAT(row->result, HasSubstr(R"("mtu":1300)"));
  EXPECT_TRUE(Check(request, row->result).ok());
  ASSERT_TRUE(agent_->Del(0, pod_).ok());

  request.mtu = 1401;
  EXPECT_THAT(Words(Add(request).status()), HasSubstr("7 mtu 1401 is more than the network's 1400"));
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
}

TEST_F(AttachRequestTest, OfSeveralDefaultRoutesTheFirstCounts) {
  ASSERT_TRUE(agent_->Add(0, pod_).ok());
  AttachRequest second = agent_->Request(1, pod_);
  second.attachment.ifname = "net2";
  const auto row = Add(second);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(RoutesInPod("net1").size(), 2u);
  EXPECT_THAT(RoutesInPod("net2"), IsEmpty());
  EXPECT_THAT(row->result, HasSubstr(R"("routes":[])"));
  EXPECT_TRUE(Check(second, row->result).ok());
}

TEST_F(AttachRequestTest, CheckSaysWhatIsDifferent) {
  AttachRequest request = agent_->Request(0, pod_);
  request.settings.trust = true;
  const auto row = Add(request);
  ASSERT_TRUE(row.ok());
  const absl::Status well = Check(request, row->result);
  EXPECT_TRUE(well.ok()) << well;

  EXPECT_THAT(Words(Check(request, "")),
              HasSubstr("7 interface net1 of container c-web: prevResult: it is missing"));
  EXPECT_THAT(Words(Check(request, R"({"interfaces":[]})")), HasSubstr("has no interface net1"));
  EXPECT_THAT(Words(Check(agent_->Request(1, pod_), row->result)), HasSubstr("3 "));
  EXPECT_THAT(Words(Check(agent_->Request(0, pod_, "red"), row->result)), HasSubstr("network default/red"));

  const auto netlink = *world_.netlinks().Open(*world_.namespaces().Open(pod_));
  const int ifindex = netlink->GetLink("net1")->ifindex;
  const auto change = [&](const LinkChange& wanted) {
    EXPECT_TRUE(netlink->ChangeLink(ifindex, wanted).ok());
  };
  const InterfaceAddress v4 = *InterfaceAddress::Parse("10.0.0.2/24");

  change({.mtu = 1280});
  EXPECT_THAT(Words(Check(request, row->result)), HasSubstr("has MTU 1280 and not 1400"));
  change({.mtu = 1400});
  change({.mac = *MacAddress::Parse("02:00:00:00:00:77")});
  EXPECT_THAT(Words(Check(request, row->result)), HasSubstr("has MAC 02:00:00:00:00:77"));
  change({.mac = row->mac});
  ASSERT_TRUE(netlink->DeleteAddress(ifindex, v4).ok());
  EXPECT_THAT(Words(Check(request, row->result)), HasSubstr("does not have address 10.0.0.2/24"));
  ASSERT_TRUE(netlink->AddAddress(ifindex, v4).ok());
  const Route route{.destination = *IpPrefix::Parse("0.0.0.0/0"), .gateway = *IpAddress::Parse("10.0.0.1")};
  ASSERT_TRUE(netlink->DeleteRoute(ifindex, route).ok());
  EXPECT_THAT(Words(Check(request, row->result)),
              HasSubstr("does not have the route to 0.0.0.0/0 via 10.0.0.1"));
  // Multus takes it away when another interface is to have it, and says so in the result.
  std::string without = row->result;
  const size_t begin = without.find(R"({"dst":"0.0.0.0/0")");
  ASSERT_NE(begin, std::string::npos);
  without.erase(begin, without.find('}', begin) + 2 - begin);
  EXPECT_TRUE(Check(request, without).ok()) << without;
  ASSERT_TRUE(netlink->AddRoute(ifindex, route).ok());
  EXPECT_TRUE(Check(request, row->result).ok());

  const auto host = *world_.netlinks().Open(nullptr);
  ASSERT_TRUE(host->SetVf(host->GetLink("p0")->ifindex, 0, {.trust = false}).ok());
  EXPECT_THAT(Words(Check(request, row->result)), HasSubstr("keeps other settings"));
  ASSERT_TRUE(host->SetVf(host->GetLink("p0")->ifindex, 0, {.trust = true}).ok());
  world_.opi.ForgetAll();
  EXPECT_THAT(Words(Check(request, row->result)), HasSubstr("port host0-0 is in no network"));
  EXPECT_THAT(world_.Bindings(), IsEmpty()) << "a CHECK puts nothing right";
  world_.opi.SetConnected(false);
  EXPECT_THAT(Words(Check(request, row->result)), HasSubstr("11 "));
}

}  // namespace
}  // namespace xpu
