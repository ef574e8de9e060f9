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
    if (!link.pci) {
      RemoveLinkLocked(number);
      continue;
    }
    const bool taken = ByNameLocked(kRoot, link.link.name) != nullptr;
    MoveLocked(link, kRoot, taken ? absl::StrCat("dev", link.link.ifindex) : link.link.name);
    TellLocked(link, false);
  }
}

int FakeKernel::State::AddLinkLocked(uint64_t ns, const Link& link, std::optional<PciAddress> pci) {
  const int number = next_link++;
  FakeLink& added = links[number];
  added.link = link;
  added.pci = pci;
  added.ns = 0;
  int ifindex = 1;
  while (ByIndexLocked(ns, ifindex) != nullptr) ++ifindex;
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
  view.carrier = view.up;
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

void FakeKernel::State::RemoveLinksOfLocked(const PciAddress& address) {
  std::vector<int> numbers;
  for (const auto& [number, link] : links) {
    if (link.pci == address) numbers.push_back(number);
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
  view.netdevs.clear();
  for (const auto& [number, link] : links) {
    if (link.pci == function.address && link.ns == kRoot) view.netdevs.push_back(link.link.name);
  }
  std::sort(view.netdevs.begin(), view.netdevs.end());
  return view;
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
