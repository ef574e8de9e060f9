#pragma once

// The insides of FakeKernel, for the fakes only.

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/sys/fake/fake_kernel.h"

namespace xpu {

struct FakeLink {
  Link link;
  uint64_t ns = 0;
  // Number of the other end of a veth; 0 for none.
  int peer = 0;
  // Whether something is at the other end of the cable.
  bool plugged = true;
  // Whose interface it is; none without hardware.
  std::optional<FunctionId> owner;
  std::vector<InterfaceAddress> addresses;
  // As they were asked for.
  std::vector<Route> routes;
};

// The driver that a function has by itself, and the interfaces that this one makes.
struct FakeNative {
  std::string driver;
  std::vector<std::pair<std::string, MacAddress>> links;
};

struct FakeSf {
  DevlinkSf port;
  // Empty while it is not active.
  std::string auxiliary_device;
};

class FakeMonitor;
class FakeFunctionMonitor;

// Everything is guarded by mu. Methods that end in Locked need it.
struct FakeKernel::State : std::enable_shared_from_this<State> {
  static constexpr uint64_t kRoot = 1;

  struct Namespace {
    int handles = 0;
    int paths = 0;
  };

  absl::Mutex mu;
  std::map<uint64_t, Namespace> namespaces ABSL_GUARDED_BY(mu);
  // By namespace: a kernel gives an interface that comes a new index, also if one that has gone leaves its
  // own.
  std::map<uint64_t, int> last_index ABSL_GUARDED_BY(mu);
  // 0: a file that is no namespace.
  std::map<std::string, uint64_t> paths ABSL_GUARDED_BY(mu);
  uint64_t next_inode ABSL_GUARDED_BY(mu) = kRoot;
  // By a number that a link keeps wherever it goes.
  std::map<int, FakeLink> links ABSL_GUARDED_BY(mu);
  int next_link ABSL_GUARDED_BY(mu) = 1;
  int next_mac ABSL_GUARDED_BY(mu) = 2;
  std::map<PciAddress, PciFunction> functions ABSL_GUARDED_BY(mu);
  // Names of PFs' interfaces, for naming those of their VFs.
  std::map<PciAddress, std::string> pf_names ABSL_GUARDED_BY(mu);
  std::map<PciAddress, FakeNative> natives ABSL_GUARDED_BY(mu);
  std::set<std::string> drivers ABSL_GUARDED_BY(mu);
  std::map<PciAddress, int> max_subfunctions ABSL_GUARDED_BY(mu);
  std::map<PciAddress, std::map<uint32_t, FakeSf>> subfunctions ABSL_GUARDED_BY(mu);
  int next_auxiliary ABSL_GUARDED_BY(mu) = 2;
  // Without those of subfunctions.
  std::vector<DevlinkPort> devlink_ports ABSL_GUARDED_BY(mu);
  // By VF.
  std::map<PciAddress, VfSettings> vf_settings ABSL_GUARDED_BY(mu);
  // By PF.
  std::map<PciAddress, std::set<std::string>> refused_settings ABSL_GUARDED_BY(mu);
  std::list<FakeMonitor*> monitors ABSL_GUARDED_BY(mu);
  std::list<FakeFunctionMonitor*> function_monitors ABSL_GUARDED_BY(mu);

  uint64_t AddNamespaceLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  std::shared_ptr<NetNamespace> HandleLocked(uint64_t inode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Lets it die if nothing holds it any more.
  void ReapLocked(uint64_t inode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  // Takes link.name and link.mac; chooses the ifindex. Returns the link's number.
  int AddLinkLocked(uint64_t ns, const Link& link, std::optional<FunctionId> owner)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Null if there is none.
  FakeLink* ByNameLocked(uint64_t ns, const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  FakeLink* ByIndexLocked(uint64_t ns, int ifindex) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // With what depends on its peer filled in.
  Link ViewLocked(const FakeLink& link) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Removes it, and its peer.
  void RemoveLinkLocked(int number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void RemoveLinksOfLocked(const FunctionId& owner) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Moves it and brings it down; `name` is free there.
  void MoveLocked(FakeLink& link, uint64_t ns, const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void SetUpLocked(FakeLink& link, bool up) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Tells the monitors of its namespace.
  void TellLocked(const FakeLink& link, bool gone) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  PciFunction ViewLocked(const PciFunction& function) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Names of the interfaces that a function has in the root namespace.
  std::vector<std::string> NetdevsLocked(const FunctionId& owner) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Adds it with the interfaces of its native driver, and tells.
  void AddFunctionLocked(const PciFunction& function, FakeNative native) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // An interface in the root namespace.
  void AddLinkOfLocked(const FunctionId& owner, const std::string& name, const MacAddress& mac)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Removes it with its VFs, subfunctions and interfaces, and tells.
  void RemoveFunctionLocked(const PciAddress& address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Tells the monitors of functions what has become of it.
  void TellLocked(const PciAddress& address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Locally administered, different for each call.
  MacAddress NewMacLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
};

class FakeFunctionMonitor final : public PciBus::Monitor {
 public:
  using Changed = std::function<void(const PciAddress& address, bool gone)>;
  FakeFunctionMonitor(std::shared_ptr<FakeKernel::State> state, EventLoop& loop, Changed changed);
  ~FakeFunctionMonitor() override;
  void Tell(const PciAddress& address, bool gone);

 private:
  std::shared_ptr<FakeKernel::State> state_;
  EventLoop& loop_;
  std::shared_ptr<Changed> changed_;
};

class FakeNetNamespace final : public NetNamespace {
 public:
  FakeNetNamespace(std::shared_ptr<FakeKernel::State> state, uint64_t inode)
      : state_(std::move(state)), inode_(inode) {}
  ~FakeNetNamespace() override;
  uint64_t inode() const override { return inode_; }
  int fd() const override { return -1; }

 private:
  std::shared_ptr<FakeKernel::State> state_;
  uint64_t inode_;
};

class FakeMonitor final : public Netlink::Monitor {
 public:
  FakeMonitor(std::shared_ptr<FakeKernel::State> state, std::shared_ptr<NetNamespace> ns, EventLoop& loop,
              std::function<void(const Link& link, bool gone)> changed);
  ~FakeMonitor() override;
  uint64_t inode() const { return ns_->inode(); }
  void Tell(const Link& link, bool gone);

 private:
  std::shared_ptr<FakeKernel::State> state_;
  std::shared_ptr<NetNamespace> ns_;
  EventLoop& loop_;
  std::shared_ptr<std::function<void(const Link& link, bool gone)>> changed_;
};

// As the kernel sees it (dev_valid_name).
bool IsValidLinkName(const std::string& name);

}  // namespace xpu
