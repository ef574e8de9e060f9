// The attacher on the kernel's own network namespaces and interfaces: a veth stands for a function, its peer
// in another namespace for the representor. Journal and card are in memory.

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/base/unique_fd.h"
#include "common/sys/announce.h"
#include "common/sys/files.h"
#include "common/sys/in_namespace.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/ipam/exec_ipam.h"
#include "host-agent/testing/fault_run.h"
#include "host-agent/testing/world.h"

namespace xpu {
namespace {

using ::testing::IsEmpty;

constexpr int kVfs = 2;

MacAddress MacOf(int i) {
  return *MacAddress::FromBytes(std::string("\x02\x00\x00\x00\x01", 5) + static_cast<char>(i));
}

// The functions of a card as sysfs shows them, with veths for interfaces: a function has the one whose peer
// is its representor.
class VethBus final : public PciBus {
 public:
  VethBus(NetlinkFactory& netlinks, const PciAddress& pf) : netlinks_(netlinks), pf_(pf) {}
  void SetRepresentor(const PciAddress& function, int ifindex) { representors_[function] = ifindex; }

  absl::StatusOr<std::vector<PciFunction>> List() override {
    std::vector<PciFunction> functions{
        {.address = pf_, .pci_class = 0x020000, .num_vfs = kVfs, .total_vfs = kVfs}};
    for (const auto& [address, ifindex] : representors_) functions.push_back(*Get(address));
    return functions;
  }
  absl::StatusOr<PciFunction> Get(const PciAddress& address) override {
    const auto representor = representors_.find(address);
    if (representor == representors_.end()) return absl::NotFoundError("no such function");
    PciFunction function{.address = address,
                         .pci_class = 0x020000,
                         .physical_function = pf_,
                         .vf_index = address.function - 2};
    const auto links = (*netlinks_.Open(nullptr))->ListLinks();
    for (const Link& link : *links) {
      if (link.kind == "veth" && link.lower_ifindex == representor->second) function.netdevs = {link.name};
    }
    return function;
  }
  absl::StatusOr<std::vector<Subfunction>> Subfunctions(const PciAddress&) override {
    return std::vector<Subfunction>();
  }
  absl::Status SetNumVfs(const PciAddress&, int) override { return absl::UnimplementedError("fixed"); }
  absl::Status BindDriver(const PciAddress&, const std::string&) override {
    return absl::UnimplementedError("fixed");
  }
  absl::StatusOr<std::unique_ptr<Monitor>> MonitorFunctions(
      EventLoop&, std::function<void(const PciAddress& address, bool gone)>) override {
    return absl::UnimplementedError("fixed");
  }

 private:
  NetlinkFactory& netlinks_;
  const PciAddress pf_;
  std::map<PciAddress, int> representors_;
};

class KernelWorld final : public World {
 public:
  KernelWorld() {
    std::string pattern = (std::filesystem::temp_directory_path() / "xpu-attach-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    dpu_ = *NewNetNamespace();
    for (int i = 0; i < kVfs; ++i) Plug(i, "pf0vf" + std::to_string(i));
  }
  ~KernelWorld() override {
    for (const std::string& path : pods_) EXPECT_TRUE(RemoveBoundNamespace(path).ok());
    for (int i = 0; i < kVfs; ++i) {
      if (const std::optional<Link> link = AtHome(i)) {
        EXPECT_TRUE((*netlinks_.Open(nullptr))->DeleteLink(link->ifindex).ok());
      }
    }
    std::filesystem::remove_all(folder_);
  }

  // Makes a function's interface, as an emulated card does at first and when one has died with its namespace.
  void Plug(int i, const std::string& representor) {
    const absl::Status made =
        (*netlinks_.Open(nullptr))
            ->CreateVeth("p0v" + std::to_string(i), MacOf(i), representor, MacOf(100 + i), dpu_);
    ASSERT_TRUE(made.ok()) << made;
    const auto dpu = *netlinks_.Open(dpu_);
    const Link link = *dpu->GetLink(representor);
    LinkChange up;
    up.up = true;
    ASSERT_TRUE(dpu->ChangeLink(link.ifindex, up).ok());
    bus_.SetRepresentor(vf(i), link.ifindex);
  }

  PciBus& bus() override { return bus_; }
  NetlinkFactory& netlinks() override { return netlinks_; }
  NetNamespaces& namespaces() override { return namespaces_; }
  PciAddress pf() const override { return PciAddress{0, 3, 0, 0}; }
  PciAddress vf(int i) const override { return PciAddress{0, 3, 0, static_cast<uint8_t>(2 + i)}; }
  std::string MakePod(const std::string& name) override {
    pods_.push_back(folder_ + "/" + name);
    EXPECT_TRUE(CreateBoundNamespace(pods_.back()).ok());
    return pods_.back();
  }
  void RemovePod(const std::string& path) override { EXPECT_TRUE(RemoveBoundNamespace(path).ok()); }
  const std::shared_ptr<NetNamespace>& dpu() const { return dpu_; }

 private:
  NetlinkFactoryReal netlinks_;
  NetNamespacesReal namespaces_;
  VethBus bus_{netlinks_, PciAddress{0, 3, 0, 0}};
  std::string folder_;
  std::shared_ptr<NetNamespace> dpu_;
  std::vector<std::string> pods_;
};

class KernelTest : public ::testing::Test {
 protected:
  // The process, which stands for the host, gets a namespace of its own. Threads that are started later are
  // in it.
  static void SetUpTestSuite() { ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "this needs root"; }

  KernelTest() { Restart(); }
  void Restart() { agent_ = std::make_unique<Incarnation>(world_); }
  absl::Status ChangeInPod(const std::string& pod, const std::string& ifname, const LinkChange& change) {
    const auto netlink = *world_.netlinks().Open(*world_.namespaces().Open(pod));
    return netlink->ChangeLink(netlink->GetLink(ifname)->ifindex, change);
  }

  KernelWorld world_;
  std::unique_ptr<Incarnation> agent_;
};

TEST_F(KernelTest, AFunctionGoesIntoAPodAndComesBackAsItWas) {
  const std::string pod = world_.MakePod("web");
  const AtRest home = LookAtRest(world_);
  AttachRequest request = agent_->Request(1, pod);
  request.mac = *MacAddress::Parse("02:00:00:00:00:99");
  const auto row = agent_->attacher->Add(request);
  ASSERT_TRUE(row.ok()) << row.status();
  ExpectAttached(world_, pod);
  EXPECT_EQ(world_.InPod(pod, "net1")->mac, *request.mac);
  EXPECT_FALSE(world_.AtHome(1).has_value());

  ASSERT_TRUE(agent_->Del(1, pod).ok());
  ExpectNothingLeft(world_, home, pod);
}

TEST_F(KernelTest, NeighboursAreToldThroughTheRepresentor) {
  const std::string pod = world_.MakePod("web");
  // Hears all that the function sends.
  UniqueFd ear;
  ASSERT_TRUE(InNamespace(world_.dpu(), [&]() -> absl::Status {
                ear.Reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ARP)));
                sockaddr_ll address{};
                address.sll_family = AF_PACKET;
                address.sll_protocol = htons(ETH_P_ARP);
                address.sll_ifindex = static_cast<int>(if_nametoindex("pf0vf0"));
                if (bind(ear.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
                  return absl::ErrnoToStatus(errno, "bind");
                }
                const timeval patience{.tv_sec = 20};
                setsockopt(ear.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
                return absl::OkStatus();
              }).ok());
  Announcer announcer;
  HostSide host(world_.bus(), world_.netlinks(), world_.namespaces(),
                std::bind_front(&Announcer::Announce, &announcer));
  Attacher attacher({.allocator = *agent_->allocator,
                     .inventory = *agent_->inventory,
                     .host = host,
                     .sessions = {{"card0", agent_->session.get()}}});
  ASSERT_TRUE(attacher.Add(agent_->Request(0, pod)).ok());
  std::string frame(128, '\0');
  const ssize_t size = recv(ear.get(), frame.data(), frame.size(), 0);
  ASSERT_GT(size, 0) << "no announcement came";
  const std::string expected = ArpAnnouncement(MacOf(0), *IpAddress::Parse("10.0.0.2"));
  EXPECT_EQ(frame.substr(0, expected.size()), expected);
  EXPECT_TRUE(attacher.Del(world_.vf(0), "c-web", "net1").ok());
}

TEST_F(KernelTest, TheDefaultRouteLeadsToTheGateway) {
  const std::string pod = world_.MakePod("web");
  ASSERT_TRUE(agent_->Add(0, pod).ok());
  // The kernel routes a datagram to anywhere, or refuses to connect the socket.
  EXPECT_TRUE(InNamespace(*world_.namespaces().Open(pod), []() -> absl::Status {
                const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                sockaddr_in far{};
                far.sin_family = AF_INET;
                far.sin_port = htons(9);
                far.sin_addr.s_addr = htonl(0xc6336401);  // 198.51.100.1
                if (connect(fd.get(), reinterpret_cast<sockaddr*>(&far), sizeof far) != 0) {
                  return absl::ErrnoToStatus(errno, "connect");
                }
                sockaddr_in own{};
                socklen_t size = sizeof own;
                getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &size);
                return own.sin_addr.s_addr == htonl(0x0a000002)
                           ? absl::OkStatus()
                           : absl::InternalError("another source address");
              }).ok());
  EXPECT_TRUE(agent_->Del(0, pod).ok());
}

TEST_F(KernelTest, APodThatForbidsIpv6AtFirstGetsItsAddress) {
  const std::string pod = world_.MakePod("web");
  ASSERT_TRUE(InNamespace(*world_.namespaces().Open(pod), []() -> absl::Status {
                for (const char* of : {"all", "default"}) {
                  std::ofstream file(absl::StrCat("/proc/sys/net/ipv6/conf/", of, "/disable_ipv6"));
                  file << "1" << std::flush;
                  if (!file) return absl::InternalError("cannot write");
                }
                return absl::OkStatus();
              }).ok());
  const auto row = agent_->Add(0, pod);
  ASSERT_TRUE(row.ok()) << row.status();
  ExpectAttached(world_, pod);
  EXPECT_TRUE(agent_->Del(0, pod).ok());
}

// Debian's plugins, in the pod's real namespace.
class PluginTest : public KernelTest {
 protected:
  AttachRequest WithPlugin(int i, const std::string& pod, const std::string& type, const std::string& more) {
    AttachRequest request = agent_->Request(i, pod);
    request.ipam = IpamCall{
        .type = type,
        .path = "/usr/lib/cni",
        .config = absl::StrCat(R"({"cniVersion":"1.1.0","name":"blue","type":"xpu-cni","ipam":{"type":")",
                               type, R"(",)", more, "}}")};
    return request;
  }

  TemporaryDirectory books_ = *TemporaryDirectory::Make();
  ExecIpamRunner runner_;
  Attacher attacher_{{.allocator = *agent_->allocator,
                      .inventory = *agent_->inventory,
                      .host = *agent_->host,
                      .sessions = {{"card0", agent_->session.get()}},
                      .ipam = &runner_}};
};

TEST_F(PluginTest, HostLocalGivesAddressesAndGetsThemBack) {
  const std::string pod = world_.MakePod("web");
  const AttachRequest request = WithPlugin(
      0, pod, "host-local",
      absl::StrCat(
          R"("dataDir":")", books_.path(),
          R"(","ranges":[[{"subnet":"10.0.0.0/24","rangeStart":"10.0.0.100","gateway":"10.0.0.1"}]],)",
          R"("routes":[{"dst":"0.0.0.0/0"},{"dst":"192.0.2.0/24","gw":"10.0.0.9"}])"));
  const auto row = attacher_.Add(request);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(row->addresses.front().ToString(), "10.0.0.100/24");
  EXPECT_THAT(world_.AddressesInPod(pod, "net1"), ::testing::UnorderedElementsAreArray(row->addresses));
  const std::string book = books_.path() + "/blue/10.0.0.100";
  EXPECT_TRUE(std::filesystem::exists(book));
  const auto again = attacher_.Add(request);
  EXPECT_TRUE(again.ok() && *again == *row);
  const absl::Status checked = attacher_.Check(request, row->result);
  EXPECT_TRUE(checked.ok()) << checked;
  ASSERT_TRUE(attacher_.Del(world_.vf(0), "c-web", "net1").ok());
  EXPECT_FALSE(std::filesystem::exists(book));
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
}

TEST_F(PluginTest, StaticGivesWhatItIsTold) {
  const std::string pod = world_.MakePod("web");
  const auto row = attacher_.Add(WithPlugin(
      0, pod, "static", R"("addresses":[{"address":"10.0.0.44/24"},{"address":"2001:db8::44/64"}])"));
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_THAT(world_.AddressesInPod(pod, "net1"),
              ::testing::UnorderedElementsAre(*InterfaceAddress::Parse("10.0.0.44/24"),
                                              *InterfaceAddress::Parse("2001:db8::44/64")));
  ASSERT_TRUE(attacher_.Del(world_.vf(0), "c-web", "net1").ok());
}

TEST_F(PluginTest, APluginThatFailsLeavesTheFunctionAtHome) {
  const std::string pod = world_.MakePod("web");
  const auto row = attacher_.Add(WithPlugin(0, pod, "static", R"("addresses":[{"address":"nonsense"}])"));
  EXPECT_THAT(std::string(row.status().message()), ::testing::HasSubstr("IPAM plugin static: "));
  EXPECT_TRUE(world_.AtHome(0).has_value());
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
}

TEST_F(KernelTest, OfSeveralDefaultRoutesTheFirstCounts) {
  const std::string pod = world_.MakePod("web");
  ASSERT_TRUE(agent_->Add(0, pod).ok());
  AttachRequest second = agent_->Request(1, pod);
  second.attachment.ifname = "net2";
  second.mtu = 1300;
  second.routes = {{.destination = *IpPrefix::Parse("192.0.2.0/24")}};
  const auto row = agent_->attacher->Add(second);
  ASSERT_TRUE(row.ok()) << row.status();
  const auto netlink = *world_.netlinks().Open(*world_.namespaces().Open(pod));
  EXPECT_EQ(netlink->ListRoutes(netlink->GetLink("net1")->ifindex)->size(), 2u);
  const auto routes = netlink->ListRoutes(netlink->GetLink("net2")->ifindex);
  ASSERT_EQ(routes->size(), 1u);
  EXPECT_EQ(routes->front().destination, second.routes[0].destination);
  EXPECT_EQ(routes->front().gateway, *IpAddress::Parse("10.0.0.1"));
  EXPECT_EQ(world_.InPod(pod, "net2")->mtu, 1300u);
  const absl::Status checked = agent_->attacher->Check(second, row->result);
  EXPECT_TRUE(checked.ok()) << checked;
  EXPECT_TRUE(agent_->Del(0, pod).ok());
  EXPECT_TRUE(agent_->attacher->Release(second.function, second.attachment).ok());
}

TEST_F(KernelTest, ARenamedInterfaceIsFound) {
  const std::string pod = world_.MakePod("web");
  const AtRest home = LookAtRest(world_);
  ASSERT_TRUE(agent_->Add(1, pod).ok());
  LinkChange rename;
  rename.name = "renamed";
  ASSERT_TRUE(ChangeInPod(pod, "net1", rename).ok());
  Restart();
  agent_->Recover();
  EXPECT_TRUE(world_.InPod(pod, "renamed").has_value()) << "a pod that runs was touched";
  ASSERT_TRUE(agent_->Del(1, pod).ok());
  ExpectNothingLeft(world_, home, pod);
}

TEST_F(KernelTest, ANamespaceThatIsGoneTakesTheVethWithItAndTheNewOneIsFree) {
  const std::string pod = world_.MakePod("web");
  ASSERT_TRUE(agent_->Add(0, pod).ok());
  world_.RemovePod(pod);
  ASSERT_TRUE(agent_->Del(0, pod).ok());
  EXPECT_THAT(world_.Ports(), IsEmpty());
  ASSERT_TRUE(agent_->allocator->Find(world_.vf(0)).has_value()) << "its interface has to be waited for";
  world_.Plug(0, "new0");
  agent_->attacher->Settle(world_.vf(0));
  EXPECT_FALSE(agent_->allocator->Find(world_.vf(0)).has_value());
  EXPECT_TRUE(agent_->Add(0, world_.MakePod("next")).ok());
}

TEST_F(KernelTest, NamesThatAreTakenAreNoHarm) {
  const std::string pod = world_.MakePod("web");
  const auto in_pod = *world_.netlinks().Open(*world_.namespaces().Open(pod));
  ASSERT_TRUE(in_pod->CreateVeth("net1", MacOf(50), "other", MacOf(51), nullptr).ok());
  EXPECT_FALSE(agent_->Add(0, pod).ok());
  EXPECT_TRUE(world_.AtHome(0).has_value());
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
  ASSERT_TRUE(in_pod->DeleteLink(in_pod->GetLink("other")->ifindex).ok());

  ASSERT_TRUE(agent_->Add(0, pod).ok());
  const auto at_home = *world_.netlinks().Open(nullptr);
  ASSERT_TRUE(at_home->CreateVeth("p0v0", MacOf(52), "p0v0peer", MacOf(53), nullptr).ok());
  ASSERT_TRUE(agent_->Del(0, pod).ok());
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
  ASSERT_TRUE(world_.AtHome(0).has_value());
  EXPECT_EQ(world_.AtHome(0)->name, "x000003002");
  EXPECT_EQ(world_.AtHome(0)->mac, MacOf(0));
  ASSERT_TRUE(at_home->DeleteLink(at_home->GetLink("p0v0peer")->ifindex).ok());
}

TEST_F(KernelTest, TheHostsOwnNamespaceIsNoPod) {
  const auto added = agent_->Add(0, "/proc/self/ns/net");
  EXPECT_THAT(std::string(added.status().message()), ::testing::HasSubstr("the host's own"));
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
}

// The same as on the kernel in memory, for the operations that touch interfaces.
class KernelFaultTest : public KernelTest, public ::testing::WithParamInterface<FaultPoint::Mode> {
 protected:
  void Run(const FaultOperation& operation) {
    const Fault fault{"fault", GetParam(), absl::InternalError("fault")};
    agent_.reset();
    int n = 0;
    // Taken back in turn by a DEL and by a GC.
    while (RunWithFault(world_, world_.MakePod("pod" + std::to_string(n)), operation, fault, n / 2 + 1,
                        n % 2 == 0 ? TakenBackBy::kDel : TakenBackBy::kGc) &&
           !HasFailure()) {
      ++n;
    }
    EXPECT_GT(n, 10);
  }
};

TEST_P(KernelFaultTest, AnAddThatFailsLeavesNothing) {
  Run({"Add", true, [](Incarnation&, const std::string&) {},
       [](Incarnation& agent, const std::string& pod) { return agent.Add(kFaultVf, pod).status(); }});
}

TEST_P(KernelFaultTest, ADelThatFailsLeavesNothingInTheEnd) {
  Run({"Del", false,
       [](Incarnation& agent, const std::string& pod) { ASSERT_TRUE(agent.Add(kFaultVf, pod).ok()); },
       [](Incarnation& agent, const std::string& pod) { return agent.Del(kFaultVf, pod); }});
}

INSTANTIATE_TEST_SUITE_P(Modes, KernelFaultTest,
                         ::testing::Values(FaultPoint::Mode::kErrorBefore, FaultPoint::Mode::kErrorAfter,
                                           FaultPoint::Mode::kKillBefore, FaultPoint::Mode::kKillAfter));

}  // namespace
}  // namespace xpu
