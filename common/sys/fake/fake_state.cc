#include "common/sys/fake/fake_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace xpu {

bool IsValidLinkName(const std::string& name) {
  if (name.empty() || name.size() > 15 || name == "." || name == "..") return false;
  return std::none_of(name.begin(), name.end(),
                      [](char c) { return c == '/' || c == ':' || c == ' ' || (c >= '\t' && c <= '\r'); });
}

uint64_t FakeKernel::State::AddNamespaceLocked() {
  const uint64_t inode = next_inode++;
  namespaces[inode];
  Link loopback;
  loopback.name = "lo";
  loopback.mtu = 65536;
  loopback.up = true;
  AddLinkLocked(inode, loopback, std::nullopt);
  return inode;
}

std::shared_ptr<NetNamespace> FakeKernel::State::HandleLocked(uint64_t inode) {
  ++namespaces[inode].handles;
  return std::make_shared<FakeNetNamespace>(shared_from_this(), inode);
}

void FakeKernel::State::ReapLocked(uint64_t inode) {
  const Namespace& ns = namespaces[inode];
  if (inode == kRoot || ns.handles > 0 || ns.paths > 0) return;
  namespaces.erase(inode);
  std::vector<int> inside;
  for (const auto& [number, link] : links) {
    if (link.ns == inode) inside.push_back(number);
  }
  for (const int number : inside) {
    const auto found = links.find(number);
    if (found == links.end()) continue;  // the peer of one before
    FakeLink& link = found->second;
    if (!link.owner) {
      RemoveLinkLocked(number);
      continue;
    }
    const bool taken = ByNameLocked(kRoot, link.link.name) != nullptr;
    MoveLocked(link, kRoot, taken ? absl::StrCat("dev", link.link.ifindex) : link.link.name);
    TellLocked(link, false);
  }
}

int FakeKernel::State::AddLinkLocked(uint64_t ns, const Link& link, std::optional<FunctionId> owner) {
  const int number = next_link++;
  FakeLink& added = links[number];
  added.link = link;
  added.owner = owner;
  added.ns = 0;
  int& ifindex = last_index[ns];
  do ++ifindex;
  while (ByIndexLocked(ns, ifindex) != nullptr);
  added.link.ifindex = ifindex;
  added.ns = ns;
  TellLocked(added, false);
  return number;
}

FakeLink* FakeKernel::State::ByNameLocked(uint64_t ns, const std::string& name) {
  for (auto& [number, link] : links) {
    if (link.ns == ns && link.link.name == name) return &link;
  }
  return nullptr;
}

FakeLink* FakeKernel::State::ByIndexLocked(uint64_t ns, int ifindex) {
  for (auto& [number, link] : links) {
    if (link.ns == ns && link.link.ifindex == ifindex) return &link;
  }
  return nullptr;
}

Link FakeKernel::State::ViewLocked(const FakeLink& link) {
  Link view = link.link;
  view.carrier = view.up && link.plugged;
  const auto peer = links.find(link.peer);
  if (peer == links.end()) return view;
  view.carrier = view.up && peer->second.link.up;
  view.lower_ifindex = peer->second.link.ifindex;
  view.lower_nsid = peer->second.ns == link.ns ? -1 : static_cast<int>(peer->second.ns);
  return view;
}

void FakeKernel::State::RemoveLinkLocked(int number) {
  const auto found = links.find(number);
  if (found == links.end()) return;
  const FakeLink removed = found->second;
  links.erase(found);
  TellLocked(removed, true);
  if (removed.peer != 0) RemoveLinkLocked(removed.peer);
}

void FakeKernel::State::RemoveLinksOfLocked(const FunctionId& owner) {
  std::vector<int> numbers;
  for (const auto& [number, link] : links) {
    if (link.owner == owner) numbers.push_back(number);
  }
  for (const int number : numbers) RemoveLinkLocked(number);
}

void FakeKernel::State::MoveLocked(FakeLink& link, uint64_t ns, const std::string& name) {
  TellLocked(link, true);
  SetUpLocked(link, false);
  link.addresses.clear();
  link.ns = 0;
  while (ByIndexLocked(ns, link.link.ifindex) != nullptr) ++link.link.ifindex;
  link.ns = ns;
  link.link.name = name;
}

void FakeKernel::State::SetUpLocked(FakeLink& link, bool up) {
  link.link.up = up;
  if (up) return;
  // What the kernel drops when an interface goes down.
  link.routes.clear();
  std::erase_if(link.addresses, [](const InterfaceAddress& address) { return address.address.is_v6(); });
}

void FakeKernel::State::TellLocked(const FakeLink& link, bool gone) {
  for (FakeMonitor* monitor : monitors) {
    if (monitor->inode() == link.ns) monitor->Tell(gone ? link.link : ViewLocked(link), gone);
  }
}

PciFunction FakeKernel::State::ViewLocked(const PciFunction& function) {
  PciFunction view = function;
  view.netdevs = NetdevsLocked(function.address);
  if (view.netdevs.empty()) view.link_type.clear();
  if (view.driver.starts_with("vfio") && !view.iommu_group.empty()) {
    view.vfio_node = "/dev/vfio/" + view.iommu_group;
  }
  if (view.driver != natives[function.address].driver) {
    view.rdma_devices.clear();
    view.rdma_nodes.clear();
  }
  return view;
}

std::vector<std::string> FakeKernel::State::NetdevsLocked(const FunctionId& owner) {
  std::vector<std::string> names;
  for (const auto& [number, link] : links) {
    if (link.owner == owner && link.ns == kRoot) names.push_back(link.link.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

void FakeKernel::State::AddFunctionLocked(const PciFunction& function, FakeNative native) {
  functions[function.address] = function;
  drivers.insert(native.driver);
  if (function.driver == native.driver) {
    for (const auto& [name, mac] : native.links) AddLinkOfLocked(function.address, name, mac);
  }
  natives[function.address] = std::move(native);
  TellLocked(function.address);
}

void FakeKernel::State::AddLinkOfLocked(const FunctionId& owner, const std::string& name,
                                        const MacAddress& mac) {
  Link link;
  link.name = ByNameLocked(kRoot, name) == nullptr ? name : absl::StrCat("dev", next_link);
  link.mac = mac;
  link.mtu = 1500;
  link.parent_device = owner.pci.ToString();
  if (owner.sf) link.parent_device = subfunctions[owner.pci][*owner.sf].auxiliary_device;
  AddLinkLocked(kRoot, link, owner);
}

void FakeKernel::State::RemoveFunctionLocked(const PciAddress& address) {
  std::vector<PciAddress> virtual_functions;
  for (const auto& [other, function] : functions) {
    if (function.physical_function == address) virtual_functions.push_back(other);
  }
  for (const PciAddress& other : virtual_functions) RemoveFunctionLocked(other);
  for (const auto& [number, subfunction] : subfunctions[address]) {
    RemoveLinksOfLocked(FunctionId(address, number));
  }
  subfunctions.erase(address);
  RemoveLinksOfLocked(address);
  functions.erase(address);
  natives.erase(address);
  vf_settings.erase(address);
  TellLocked(address);
}

void FakeKernel::State::TellLocked(const PciAddress& address) {
  const auto found = functions.find(address);
  if (found != functions.end() && !IsNetworkClass(found->second.pci_class)) return;
  for (FakeFunctionMonitor* monitor : function_monitors) monitor->Tell(address, found == functions.end());
}

MacAddress FakeKernel::State::NewMacLocked() {
  const int number = next_mac++;
  return MacAddress({0x02, 0xfa, 0xce, static_cast<uint8_t>(number >> 16), static_cast<uint8_t>(number >> 8),
                     static_cast<uint8_t>(number)});
}

FakeFunctionMonitor::FakeFunctionMonitor(std::shared_ptr<FakeKernel::State> state, EventLoop& loop,
                                         Changed changed)
    : state_(std::move(state)), loop_(loop), changed_(std::make_shared<Changed>(std::move(changed))) {
  absl::MutexLock lock(&state_->mu);
  state_->function_monitors.push_back(this);
  for (const auto& [address, function] : state_->functions) {
    if (IsNetworkClass(function.pci_class)) Tell(address, false);
  }
}

FakeFunctionMonitor::~FakeFunctionMonitor() {
  absl::MutexLock lock(&state_->mu);
  state_->function_monitors.remove(this);
}

void FakeFunctionMonitor::Tell(const PciAddress& address, bool gone) {
  // The loop may get to it after the monitor has gone; then nobody must hear of it.
  loop_.Post([weak = std::weak_ptr(changed_), address, gone] {
    if (auto changed = weak.lock()) (*changed)(address, gone);
  });
}

FakeNetNamespace::~FakeNetNamespace() {
  absl::MutexLock lock(&state_->mu);
  --state_->namespaces[inode_].handles;
  state_->ReapLocked(inode_);
}

FakeMonitor::FakeMonitor(std::shared_ptr<FakeKernel::State> state, std::shared_ptr<NetNamespace> ns,
                         EventLoop& loop, std::function<void(const Link& link, bool gone)> changed)
    : state_(std::move(state)),
      ns_(std::move(ns)),
      loop_(loop),
      changed_(std::make_shared<std::function<void(const Link& link, bool gone)>>(std::move(changed))) {
  absl::MutexLock lock(&state_->mu);
  state_->monitors.push_back(this);
  for (const auto& [number, link] : state_->links) {
    if (link.ns == inode()) Tell(state_->ViewLocked(link), false);
  }
}

FakeMonitor::~FakeMonitor() {
  absl::MutexLock lock(&state_->mu);
  state_->monitors.remove(this);
}

void FakeMonitor::Tell(const Link& link, bool gone) {
  // The loop may get to it after the monitor has gone; then nobody must hear of it.
  loop_.Post([weak = std::weak_ptr(changed_), link, gone] {
    if (auto changed = weak.lock()) (*changed)(link, gone);
  });
}

}  // namespace xpu
