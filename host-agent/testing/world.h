#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/opi/fake_opi_client.h"
#include "common/sys/fake/fake_kernel.h"
#include "host-agent/alloc/allocator.h"
#include "host-agent/alloc/fake_journal.h"
#include "host-agent/attach/attacher.h"
#include "host-agent/attach/host_side.h"
#include "host-agent/inventory/inventory.h"
#include "host-agent/ipam/fake_ipam.h"
#include "host-agent/session/card_session.h"
#include "host-agent/testing/faults.h"

namespace xpu {

// What outlives a host agent's process: the kernel of a host with one card of virtual functions, the
// journal's file, an IPAM plugin for 10.0.0.0/24, and the card's xPU agent with the networks default/blue
// (10.0.0.0/24 and 2001:db8::/64 with gateways, MTU 1400) and default/red (10.0.0.0/24).
class World {
 public:
  World();
  virtual ~World() = default;

  virtual PciBus& bus() = 0;
  virtual NetlinkFactory& netlinks() = 0;
  virtual NetNamespaces& namespaces() = 0;
  virtual PciAddress pf() const = 0;
  virtual PciAddress vf(int i) const = 0;
  // Makes a pod's namespace and returns its path.
  virtual std::string MakePod(const std::string& name) = 0;
  // The path goes, and with it the namespace.
  virtual void RemovePod(const std::string& path) = 0;

  // What the i-th function is: virtual function i, unless there is another in its place.
  FunctionId function(int i) const;
  void Substitute(int i, const FunctionId& function) { substitutes_[i] = function; }
  // What the physical function keeps for virtual function i; nothing set if it does not tell.
  VfSettings Kept(int i);

  // The function's interface in the host's namespace, nothing if it is not there.
  std::optional<Link> AtHome(int i);
  // An interface of a pod; nothing if it is not there.
  std::optional<Link> InPod(const std::string& path, const std::string& ifname);
  std::vector<InterfaceAddress> AddressesInPod(const std::string& path, const std::string& ifname);
  // Everything in a pod's namespace except "lo".
  std::vector<std::string> InterfacesOf(const std::string& path);
  std::vector<agent::v1::PortBinding> Bindings() { return *opi.ListPortBindings(); }
  std::vector<evpn::BridgePort> Ports() { return *opi.ListBridgePorts(); }

  static void MakeNetworks(OpiClient& opi);

  // Where host agents that are started from now on are told that the card's agent is; empty: it has none, as
  // far as they know.
  std::string endpoint = "unix:/x";
  FakeJournal journal;
  FakeOpiClient opi;
  FakeIpamRunner ipam;

 private:
  std::map<int, FunctionId> substitutes_;
};

// All in memory.
class FakeWorld final : public World {
 public:
  // `emulated`: the interfaces do not say which function they are of.
  explicit FakeWorld(bool emulated = false, int vfs = 3);
  PciBus& bus() override { return bus_; }
  NetlinkFactory& netlinks() override { return *netlinks_; }
  NetNamespaces& namespaces() override { return namespaces_; }
  PciAddress pf() const override { return PciAddress{0, 3, 0, 0}; }
  PciAddress vf(int i) const override { return PciAddress{0, 3, 0, static_cast<uint8_t>(2 + i)}; }
  std::string MakePod(const std::string& name) override;
  void RemovePod(const std::string& path) override { kernel.RemoveNamespace(path); }
  // Has vfio-pci hold virtual function i.
  void BindVfio(int i);
  // Makes a subfunction, which is the i-th function from now on.
  void SubstituteSf(int i, uint32_t number);

  FakeKernel kernel;

 private:
  FakePciBus bus_{kernel};
  FakeNetNamespaces namespaces_{kernel};
  std::unique_ptr<NetlinkFactory> netlinks_;
};

// One life of a host agent's parts in a world, without loop, sockets and queues: calls come one by one from
// the test.
class Incarnation {
 public:
  explicit Incarnation(World& world);
  ~Incarnation();

  // What a start does with what it finds, the card being reachable.
  void Recover();
  // As the connection's return does it for every function.
  void SettleAll();

  // A function by its number, a pod by its path; container ids are "c-" and the path's last part.
  AttachRequest Request(int vf, const std::string& pod, const std::string& network = "blue") const;
  // The same with addresses by the world's plugin.
  AttachRequest RequestWithIpam(int vf, const std::string& pod) const;
  // The same in the network of a VLAN, with a plugin of that name.
  AttachRequest RequestInVlan(int vf, const std::string& pod, const std::string& plugin) const;
  absl::StatusOr<ClaimRow> Add(int vf, const std::string& pod, const std::string& network = "blue") {
    return attacher->Add(Request(vf, pod, network));
  }
  absl::Status Del(int vf, const std::string& pod);

  World& world;
  FaultPoint faults;
  FaultyJournal journal{faults, world.journal};
  FaultyPciBus bus{faults, world.bus()};
  FaultyNetNamespaces namespaces{faults, world.namespaces()};
  FaultyNetlinkFactory netlinks{faults, world.netlinks()};
  FaultyOpiClient opi{faults, world.opi};
  FaultyIpamRunner ipam{faults, world.ipam};
  // What neighbours were told.
  std::vector<std::string> announced;
  std::unique_ptr<Allocator> allocator;
  std::unique_ptr<Inventory> inventory;
  std::unique_ptr<HostSide> host;
  std::unique_ptr<CardSession> session;
  std::unique_ptr<Attacher> attacher;
};

}  // namespace xpu
