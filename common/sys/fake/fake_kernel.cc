#include "common/sys/fake/fake_kernel.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/sys/fake/fake_state.h"

namespace xpu {

FakeKernel::FakeKernel() : state_(std::make_shared<State>()) {
  absl::MutexLock lock(&state_->mu);
  state_->AddNamespaceLocked();
  state_->drivers.insert("vfio-pci");
}

FakeKernel::~FakeKernel() = default;

std::shared_ptr<NetNamespace> FakeKernel::AddNamespace(const std::string& path) {
  absl::MutexLock lock(&state_->mu);
  const uint64_t inode = state_->AddNamespaceLocked();
  state_->paths[path] = inode;
  state_->namespaces[inode].paths = 1;
  return state_->HandleLocked(inode);
}

std::shared_ptr<NetNamespace> FakeKernel::AddNamespace() {
  absl::MutexLock lock(&state_->mu);
  return state_->HandleLocked(state_->AddNamespaceLocked());
}

void FakeKernel::AddOtherFile(const std::string& path) {
  absl::MutexLock lock(&state_->mu);
  state_->paths[path] = 0;
}

void FakeKernel::RemoveNamespace(const std::string& path) {
  absl::MutexLock lock(&state_->mu);
  const auto found = state_->paths.find(path);
  if (found == state_->paths.end()) return;
  const uint64_t inode = found->second;
  state_->paths.erase(found);
  if (inode == 0) return;
  --state_->namespaces[inode].paths;
  state_->ReapLocked(inode);
}

std::shared_ptr<NetNamespace> FakeKernel::root() {
  absl::MutexLock lock(&state_->mu);
  return state_->HandleLocked(State::kRoot);
}

int FakeKernel::AddLink(const std::shared_ptr<NetNamespace>& ns, const std::string& name,
                        const MacAddress& mac, bool up) {
  absl::MutexLock lock(&state_->mu);
  Link link;
  link.name = name;
  link.mac = mac;
  link.mtu = 1500;
  link.up = up;
  return state_->links[state_->AddLinkLocked(ns->inode(), link, std::nullopt)].link.ifindex;
}

void FakeKernel::UnplugLink(const MacAddress& mac) {
  absl::MutexLock lock(&state_->mu);
  for (const auto& [number, link] : state_->links) {
    if (link.link.mac != mac) continue;
    state_->RemoveLinkLocked(number);
    return;
  }
}

void FakeKernel::PlugCable(const MacAddress& mac, bool plugged) {
  absl::MutexLock lock(&state_->mu);
  for (auto& [number, link] : state_->links) {
    if (link.link.mac != mac || link.plugged == plugged) continue;
    link.plugged = plugged;
    state_->TellLocked(link, false);
  }
}

void FakeKernel::AddPciFunction(const PciFunction& function) {
  absl::MutexLock lock(&state_->mu);
  FakeNative native{function.driver, {}};
  for (const std::string& name : function.netdevs) native.links.emplace_back(name, state_->NewMacLocked());
  PciFunction added = function;
  if (added.link_type.empty()) added.link_type = "ether";
  state_->AddFunctionLocked(added, std::move(native));
}

void FakeKernel::AddCard(const PciAddress& address, const std::string& pf_name, int total_vfs) {
  PciFunction pf;
  pf.address = address;
  pf.vendor = 0x15b3;
  pf.device = 0xa2dc;
  pf.pci_class = 0x020000;
  pf.driver = "mlx5_core";
  pf.total_vfs = total_vfs;
  pf.serial = absl::StrCat("FAKE-", address.ToString());
  pf.netdevs = {pf_name};
  {
    absl::MutexLock lock(&state_->mu);
    state_->pf_names[address] = pf_name;
    state_->max_subfunctions[address] = 64;
  }
  AddPciFunction(pf);
}

void FakeKernel::SetDevlinkPorts(const std::vector<DevlinkPort>& ports) {
  absl::MutexLock lock(&state_->mu);
  state_->devlink_ports = ports;
}

void FakeKernel::SetMaxSubfunctions(const PciAddress& physical_function, int count) {
  absl::MutexLock lock(&state_->mu);
  state_->max_subfunctions[physical_function] = count;
}

void FakeKernel::ChangePciFunction(const PciAddress& address,
                                   const std::function<void(PciFunction&)>& change) {
  absl::MutexLock lock(&state_->mu);
  const auto found = state_->functions.find(address);
  if (found == state_->functions.end()) return;
  change(found->second);
  state_->TellLocked(address);
}

void FakeKernel::RemovePciFunction(const PciAddress& address) {
  absl::MutexLock lock(&state_->mu);
  state_->RemoveFunctionLocked(address);
}

void FakeKernel::AddDriver(const std::string& driver) {
  absl::MutexLock lock(&state_->mu);
  state_->drivers.insert(driver);
}

void FakeKernel::RefuseVfSettings(const PciAddress& physical_function, std::set<std::string> names) {
  absl::MutexLock lock(&state_->mu);
  state_->refused_settings[physical_function] = std::move(names);
}

std::vector<Route> FakeKernel::Routes(const std::shared_ptr<NetNamespace>& ns, const std::string& name) {
  absl::MutexLock lock(&state_->mu);
  const FakeLink* link = state_->ByNameLocked(ns->inode(), name);
  return link == nullptr ? std::vector<Route>() : link->routes;
}

absl::StatusOr<FakeKernel::Found> FakeKernel::FindLink(const MacAddress& mac) {
  absl::MutexLock lock(&state_->mu);
  for (const auto& [number, link] : state_->links) {
    if (link.link.mac == mac) return Found{link.ns, state_->ViewLocked(link)};
  }
  return absl::NotFoundError(absl::StrCat("no interface has MAC ", mac.ToString()));
}

absl::StatusOr<std::shared_ptr<NetNamespace>> FakeNetNamespaces::Open(const std::string& path) {
  if (absl::Status status = kernel_.faults_.Check("Open"); !status.ok()) return status;
  absl::MutexLock lock(&kernel_.state_->mu);
  const auto found = kernel_.state_->paths.find(path);
  if (found == kernel_.state_->paths.end()) {
    return absl::NotFoundError(absl::StrCat("network namespace ", path, ": No such file or directory"));
  }
  if (found->second == 0)
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a network namespace"));
  return kernel_.state_->HandleLocked(found->second);
}

absl::StatusOr<std::shared_ptr<NetNamespace>> FakeNetNamespaces::Current() {
  if (absl::Status status = kernel_.faults_.Check("Current"); !status.ok()) return status;
  return kernel_.root();
}

}  // namespace xpu
