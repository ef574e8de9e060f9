#include "common/sys/fake/fake_kernel.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/sys/fake/fake_state.h"

namespace xpu {
namespace {

// Locally administered, different for each number.
MacAddress MacFor(int number) {
  return MacAddress({0x02, 0xfa, 0xce, static_cast<uint8_t>(number >> 16), static_cast<uint8_t>(number >> 8),
                     static_cast<uint8_t>(number)});
}

}  // namespace

FakeKernel::FakeKernel() : state_(std::make_shared<State>()) {
  absl::MutexLock lock(&state_->mu);
  state_->AddNamespaceLocked();
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

void FakeKernel::AddPciFunction(const PciFunction& function) {
  absl::MutexLock lock(&state_->mu);
  state_->functions[function.address] = function;
  for (const std::string& name : function.netdevs) {
    Link link;
    link.name = name;
    link.mac = MacFor(state_->next_link);
    link.mtu = 1500;
    link.parent_device = function.address.ToString();
    state_->AddLinkLocked(State::kRoot, link, function.address);
  }
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
  AddPciFunction(pf);
  absl::MutexLock lock(&state_->mu);
  state_->pf_names[address] = pf_name;
}

void FakeKernel::RemovePciFunction(const PciAddress& address) {
  absl::MutexLock lock(&state_->mu);
  state_->RemoveLinksOfLocked(address);
  state_->functions.erase(address);
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

absl::StatusOr<std::vector<PciFunction>> FakePciBus::List() {
  if (absl::Status status = kernel_.faults_.Check("List"); !status.ok()) return status;
  absl::MutexLock lock(&kernel_.state_->mu);
  std::vector<PciFunction> functions;
  for (const auto& [address, function] : kernel_.state_->functions) {
    if (function.pci_class >> 8 == 0x0200) functions.push_back(kernel_.state_->ViewLocked(function));
  }
  return functions;
}

absl::StatusOr<PciFunction> FakePciBus::Get(const PciAddress& address) {
  if (absl::Status status = kernel_.faults_.Check("Get"); !status.ok()) return status;
  absl::MutexLock lock(&kernel_.state_->mu);
  const auto found = kernel_.state_->functions.find(address);
  if (found == kernel_.state_->functions.end()) {
    return absl::NotFoundError(absl::StrCat("there is no PCI function ", address.ToString()));
  }
  return kernel_.state_->ViewLocked(found->second);
}

absl::Status FakePciBus::SetNumVfs(const PciAddress& physical_function, int count) {
  if (absl::Status status = kernel_.faults_.Check("SetNumVfs"); !status.ok()) return status;
  FakeKernel::State& state = *kernel_.state_;
  absl::MutexLock lock(&state.mu);
  const std::string name = physical_function.ToString();
  const auto found = state.functions.find(physical_function);
  if (found == state.functions.end() || found->second.total_vfs == 0) {
    return absl::NotFoundError(absl::StrCat(name, " is not there or can have no virtual functions"));
  }
  PciFunction& pf = found->second;
  if (count < 0 || count > pf.total_vfs) {
    return absl::OutOfRangeError(absl::StrCat(name, " can have 0 to ", pf.total_vfs, " virtual functions"));
  }
  if (count == pf.num_vfs) return absl::OkStatus();
  if (count != 0 && pf.num_vfs != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, " has ", pf.num_vfs, " virtual functions already"));
  }
  for (int i = 0; i < pf.num_vfs; ++i) {
    const PciAddress address = VirtualFunctionAddress(physical_function, 2, 1, i);
    state.RemoveLinksOfLocked(address);
    state.functions.erase(address);
  }
  for (int i = 0; i < count; ++i) {
    PciFunction vf;
    vf.address = VirtualFunctionAddress(physical_function, 2, 1, i);
    vf.vendor = pf.vendor;
    vf.device = 0x101e;
    vf.pci_class = pf.pci_class;
    vf.driver = pf.driver;
    vf.numa_node = pf.numa_node;
    vf.physical_function = physical_function;
    vf.vf_index = i;
    state.functions[vf.address] = vf;
    Link link;
    link.name = absl::StrCat(state.pf_names[physical_function], "v", i);
    link.mac = MacFor(state.next_link);
    link.mtu = 1500;
    link.parent_device = vf.address.ToString();
    state.AddLinkLocked(FakeKernel::State::kRoot, link, vf.address);
  }
  pf.num_vfs = count;
  return absl::OkStatus();
}

}  // namespace xpu
