#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/base/event_loop.h"
#include "common/sys/fake/fault_plan.h"
#include "common/sys/net_namespaces.h"
#include "common/sys/netlink.h"
#include "common/sys/pci_bus.h"

namespace xpu {

// One world in memory behind FakeNetNamespaces, FakeNetlinkFactory and FakePciBus: namespaces with
// interfaces, and PCI functions that own some of them. It begins with one namespace, the process's own
// ("root"), which holds only "lo". Must outlive every fake that stands on it. Safe from any thread.
//
// faults() knows the methods "Open" and "Current" (namespaces), those of Netlink, and "List", "Get" and
// "SetNumVfs" (PCI).
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
  // Adds a function to the PCI bus with its netdevs (function.netdevs, in the root namespace).
  void AddPciFunction(const PciFunction& function);
  // Adds a card: a physical function with one interface, that may have `total_vfs` virtual ones at the
  // following addresses, with interfaces "<pf_name>v0" and on.
  void AddCard(const PciAddress& address, const std::string& pf_name, int total_vfs);
  // The function vanishes, with its interfaces.
  void RemovePciFunction(const PciAddress& address);

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
  absl::Status SetNumVfs(const PciAddress& physical_function, int count) override;

 private:
  FakeKernel& kernel_;
};

}  // namespace xpu
