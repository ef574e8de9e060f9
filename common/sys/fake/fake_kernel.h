#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/base/event_loop.h"
#include "common/sys/devlink.h"
#include "common/sys/fake/fault_plan.h"
#include "common/sys/net_namespaces.h"
#include "common/sys/netlink.h"
#include "common/sys/pci_bus.h"

namespace xpu {

// One world in memory behind FakeNetNamespaces, FakeNetlinkFactory, FakePciBus and FakeDevlink: namespaces
// with interfaces, and PCI functions and subfunctions that own some of them. It begins with one namespace,
// the process's own ("root"), which holds only "lo". Must outlive every fake that stands on it. Safe from any
// thread.
//
// faults() knows the methods "Open" and "Current" (namespaces), and those of Netlink, PciBus and Devlink by
// their names.
class FakeKernel {
 public:
  // The insides, for the fakes only.
  struct State;

  FakeKernel();
  ~FakeKernel();
  FakeKernel(const FakeKernel&) = delete;
  FakeKernel& operator=(const FakeKernel&) = delete;

  FaultPlan& faults() { return faults_; }

  // --- Setting the scene; none of these fails by plan.

  // Makes a namespace that can be opened at `path`.
  std::shared_ptr<NetNamespace> AddNamespace(const std::string& path);
  // A namespace that no path leads to.
  std::shared_ptr<NetNamespace> AddNamespace();
  // A file at `path` that is no network namespace.
  void AddOtherFile(const std::string& path);
  // Unlinks `path`. Without a handle on it the namespace dies as in the kernel: veth in it vanish with their
  // peers, interfaces of hardware go back to the root namespace (as "dev<ifindex>" if their name is taken
  // there).
  void RemoveNamespace(const std::string& path);
  std::shared_ptr<NetNamespace> root();

  // An interface without hardware, up or not as `up` says. Returns its ifindex.
  int AddLink(const std::shared_ptr<NetNamespace>& ns, const std::string& name, const MacAddress& mac,
              bool up = false);
  // Removes an interface wherever it is, as when hardware is unplugged.
  void UnplugLink(const MacAddress& mac);
  // Pulls the cable of an interface without a peer, or plugs it in again: it has carrier while it is up and
  // plugged in, as it is at first.
  void PlugCable(const MacAddress& mac, bool plugged);
  // Plugs a function into the PCI bus, with its netdevs (function.netdevs, in the root namespace), which are
  // there whenever its driver (function.driver) holds it.
  void AddPciFunction(const PciFunction& function);
  // Plugs in a card: a physical function with one interface, that may have `total_vfs` virtual ones at the
  // following addresses, with interfaces "<pf_name>v0" and on, each in an IOMMU group of its own; and as many
  // subfunctions as SetMaxSubfunctions allows (at first 64), with interfaces "<pf_name>s<number>".
  void AddCard(const PciAddress& address, const std::string& pf_name, int total_vfs);
  // 0: the card makes no subfunctions.
  void SetMaxSubfunctions(const PciAddress& physical_function, int count);
  // Changes what sysfs says of a function, e.g. its RDMA devices, and tells the monitors. Not its address.
  void ChangePciFunction(const PciAddress& address, const std::function<void(PciFunction&)>& change);
  // The function vanishes as when it is pulled, with its virtual functions, subfunctions and interfaces.
  void RemovePciFunction(const PciAddress& address);
  // Drivers that are loaded: those of the functions that were added, "vfio-pci", and this one.
  void AddDriver(const std::string& driver);
  // Ports of functions as devlink shows them, beside those of subfunctions; instead of those before.
  void SetDevlinkPorts(const std::vector<DevlinkPort>& ports);
  // The driver of a physical function takes none of these for its VFs, and does not tell them: of "mac",
  // "vlan", "spoofchk", "trust", "link_state" and "rate".
  void RefuseVfSettings(const PciAddress& physical_function, std::set<std::string> names);

  // --- Looking at it.

  // Routes of an interface, in the order in which they were added; empty if there is no such interface.
  std::vector<Route> Routes(const std::shared_ptr<NetNamespace>& ns, const std::string& name);
  // The interface with this MAC, whichever namespace it is in.
  struct Found {
    uint64_t ns_inode;
    Link link;
  };
  absl::StatusOr<Found> FindLink(const MacAddress& mac);

 private:
  friend class FakeNetNamespaces;
  friend class FakeNetlink;
  friend class FakeNetlinkFactory;
  friend class FakePciBus;
  friend class FakeDevlink;
  FaultPlan faults_;
  std::shared_ptr<State> state_;
};

class FakeNetNamespaces final : public NetNamespaces {
 public:
  explicit FakeNetNamespaces(FakeKernel& kernel) : kernel_(kernel) {}
  absl::StatusOr<std::shared_ptr<NetNamespace>> Open(const std::string& path) override;
  absl::StatusOr<std::shared_ptr<NetNamespace>> Current() override;

 private:
  FakeKernel& kernel_;
};

class FakeNetlinkFactory final : public NetlinkFactory {
 public:
  explicit FakeNetlinkFactory(FakeKernel& kernel) : kernel_(kernel) {}
  // Fails by plan as "OpenNetlink".
  absl::StatusOr<std::unique_ptr<Netlink>> Open(const std::shared_ptr<NetNamespace>& ns) override;

 private:
  FakeKernel& kernel_;
};

class FakePciBus final : public PciBus {
 public:
  explicit FakePciBus(FakeKernel& kernel) : kernel_(kernel) {}
  absl::StatusOr<std::vector<PciFunction>> List() override;
  absl::StatusOr<PciFunction> Get(const PciAddress& address) override;
  absl::StatusOr<std::vector<Subfunction>> Subfunctions(const PciAddress& parent) override;
  absl::StatusOr<std::vector<std::string>> Netdevs(const FunctionId& function) override;
  absl::Status SetNumVfs(const PciAddress& physical_function, int count) override;
  absl::Status BindDriver(const PciAddress& address, const std::string& driver) override;
  absl::StatusOr<std::unique_ptr<Monitor>> MonitorFunctions(
      EventLoop& loop, std::function<void(const PciAddress& address, bool gone)> changed) override;

 private:
  FakeKernel& kernel_;
};

class FakeDevlink final : public Devlink {
 public:
  explicit FakeDevlink(FakeKernel& kernel) : kernel_(kernel) {}
  absl::StatusOr<std::vector<DevlinkSf>> ListSfs(const PciAddress& parent) override;
  absl::Status AddSf(const PciAddress& parent, uint32_t number) override;
  absl::Status ConfigureSf(const PciAddress& parent, uint32_t number, const MacAddress& mac) override;
  absl::Status ActivateSf(const PciAddress& parent, uint32_t number) override;
  absl::Status RemoveSf(const PciAddress& parent, uint32_t number) override;
  absl::StatusOr<std::vector<DevlinkPort>> ListPorts() override;
  absl::Status SetFunctionMac(const DevlinkPort& port, const MacAddress& mac) override;

 private:
  FakeKernel& kernel_;
};

}  // namespace xpu
