#include "xpu-agent/core/sysfs_representors.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"
#include "common/sys/files.h"

namespace xpu {

namespace {

// As the kernel makes phys_port_name of it (devlink_port_phys_port_name_get in net/devlink).
std::string PhysPortName(const DevlinkPort& port) {
  const std::string pf =
      absl::StrCat(port.controller == 0 ? "" : absl::StrCat("c", port.controller), "pf", port.pf);
  switch (port.flavour) {
    case DevlinkPort::Flavour::kPf:
      return pf;
    case DevlinkPort::Flavour::kVf:
      return absl::StrCat(pf, "vf", port.number);
    case DevlinkPort::Flavour::kSf:
      return absl::StrCat(pf, "sf", port.number);
  }
  return "";
}

}  // namespace

SysfsRepresentors::SysfsRepresentors(const Options& options, std::unique_ptr<Netlink> netlink,
                                     std::unique_ptr<Devlink> devlink)
    : options_(options), netlink_(std::move(netlink)), devlink_(std::move(devlink)) {}

void SysfsRepresentors::AskDevlink() {
  devlink_ports_.clear();
  if (devlink_ == nullptr) return;
  // A kernel without it, or a card that is just coming: sysfs is what there is.
  for (DevlinkPort& port : devlink_->ListPorts().value_or(std::vector<DevlinkPort>())) {
    if (port.interface.empty()) continue;
    std::string interface = port.interface;
    devlink_ports_.insert_or_assign(std::move(interface), std::move(port));
  }
}

const DevlinkPort* SysfsRepresentors::DevlinkPortOf(const std::string& interface) const {
  const auto port = devlink_ports_.find(interface);
  return port == devlink_ports_.end() ? nullptr : &port->second;
}

absl::Status SysfsRepresentors::SetFunctionMac(const std::string& interface, const MacAddress& mac) {
  const auto port = devlink_ports_.find(interface);
  if (port == devlink_ports_.end()) {
    return absl::UnimplementedError(absl::StrCat("devlink does not know the function behind ", interface));
  }
  XPU_RETURN_IF_ERROR(devlink_->SetFunctionMac(port->second, mac));
  port->second.mac = mac;
  return absl::OkStatus();
}

SysfsRepresentors::PortName SysfsRepresentors::ReadPortName(const std::string& interface) const {
  // Interfaces without a port answer EOPNOTSUPP, and one may vanish between listing and reading.
  std::string said =
      ReadTrimmed(absl::StrCat(options_.sysfs, "/class/net/", interface, "/phys_port_name")).value_or("");
  if (const DevlinkPort* port = DevlinkPortOf(interface); port != nullptr && said.empty())
    said = PhysPortName(*port);
  absl::string_view name = said;
  const bool of_host = absl::StartsWith(name, "c1pf") && absl::ConsumePrefix(&name, "c1");
  return {std::string(name), of_host};
}

absl::Status SysfsRepresentors::Scan() {
  found_.clear();
  AskDevlink();
  const std::string folder = absl::StrCat(options_.sysfs, "/class/net");
  absl::StatusOr<std::vector<std::string>> interfaces = ListDirectory(folder);
  if (!interfaces.ok()) return Annotate(interfaces.status(), "looking for representors");
  std::map<std::string, std::vector<std::string>> of_host;
  for (const std::string& interface : *interfaces) {
    const PortName port = ReadPortName(interface);
    if (!port.name.empty()) (port.of_host ? of_host : found_)[port.name].push_back(interface);
  }
  for (auto& [port, its_interfaces] : of_host) found_[port] = std::move(its_interfaces);
  return absl::OkStatus();
}

absl::StatusOr<std::string> SysfsRepresentors::Find(const std::string& phys_port_name) {
  // One read tells whether what was found before still holds.
  auto it = found_.find(phys_port_name);
  if (it != found_.end() && it->second.size() == 1 && ReadPortName(it->second[0]).name == phys_port_name) {
    return it->second[0];
  }
  XPU_RETURN_IF_ERROR(Scan());
  it = found_.find(phys_port_name);
  if (it == found_.end()) {
    return absl::NotFoundError(absl::StrCat("no interface in ", options_.sysfs,
                                            "/class/net has phys_port_name ", phys_port_name,
                                            "; does the card have that function?"));
  }
  if (it->second.size() > 1) {
    return absl::FailedPreconditionError(absl::StrCat(absl::StrJoin(it->second, " and "),
                                                      " both have phys_port_name ", phys_port_name,
                                                      ": which of them is the representor?"));
  }
  return it->second[0];
}

absl::StatusOr<std::map<std::string, std::string>> SysfsRepresentors::List() {
  XPU_RETURN_IF_ERROR(Scan());
  std::map<std::string, std::string> all;
  for (const auto& [port, interfaces] : found_) {
    if (interfaces.size() == 1) all.emplace(port, interfaces[0]);
  }
  return all;
}

absl::Status SysfsRepresentors::WriteSetting(const std::string& path, const std::string& value) const {
  const std::string file = absl::StrCat(options_.proc_sys, "/", path);
  absl::StatusOr<std::string> now = ReadTrimmed(file);
  // A kernel without IPv6 has nothing to switch off.
  if (absl::IsNotFound(now.status())) return absl::OkStatus();
  if (now.ok() && *now == value) return absl::OkStatus();
  return WriteExisting(file, value);
}

absl::StatusOr<Representors::Prepared> SysfsRepresentors::Prepare(const std::string& interface, uint32_t mtu,
                                                                  int ready_index) {
  XPU_ASSIGN_OR_RETURN(Link link, netlink_->GetLink(interface));
  // Before it comes up, or the kernel would have an address on it for a moment.
  XPU_RETURN_IF_ERROR(WriteSetting(absl::StrCat("net/ipv6/conf/", interface, "/disable_ipv6"), "1"));
  // 8: answer no ARP at all, whatever other interfaces have for addresses.
  XPU_RETURN_IF_ERROR(WriteSetting(absl::StrCat("net/ipv4/conf/", interface, "/arp_ignore"), "8"));
  LinkChange change;
  if (link.mtu < mtu) change.mtu = mtu;
  if (!link.up && link.ifindex != ready_index) change.up = true;
  if (change.mtu || change.up) {
    XPU_RETURN_IF_ERROR(netlink_->ChangeLink(link.ifindex, change));
  }
  return Prepared{.index = link.ifindex, .up = link.up || change.up.value_or(false)};
}

class SysfsRepresentors::LinkWatcher : public Watcher {
 public:
  LinkWatcher(EventLoop& loop, std::function<void()> changed) : loop_(loop), changed_(std::move(changed)) {}

  absl::Status Start(Netlink& netlink) {
    XPU_ASSIGN_OR_RETURN(
        monitor_, netlink.MonitorLinks(loop_, [this](const Link& link, bool gone) { OnLink(link, gone); }));
    return absl::OkStatus();
  }

 private:
  struct KnownLink {
    std::string name;
    bool up = false;
    friend bool operator==(const KnownLink&, const KnownLink&) = default;
  };

  void OnLink(const Link& link, bool gone) {
    auto it = links_.find(link.ifindex);
    if (gone) {
      if (it == links_.end()) return;
      links_.erase(it);
    } else {
      KnownLink now{link.name, link.up};
      if (it != links_.end() && it->second == now) return;
      links_[link.ifindex] = std::move(now);
    }
    if (posted_) return;
    posted_ = true;
    loop_.Post([this, alive = std::weak_ptr<bool>(alive_)] {
      if (alive.expired()) return;
      posted_ = false;
      changed_();
    });
  }

  EventLoop& loop_;
  const std::function<void()> changed_;
  std::map<int, KnownLink> links_;
  // Many links change at once; `changed_` is posted once for all of them.
  bool posted_ = false;
  // Whether this object is still there, for what was posted.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<Netlink::Monitor> monitor_;
};

absl::StatusOr<std::unique_ptr<Representors::Watcher>> SysfsRepresentors::Watch(
    EventLoop& loop, std::function<void()> changed) {
  auto watcher = std::make_unique<LinkWatcher>(loop, std::move(changed));
  XPU_RETURN_IF_ERROR(watcher->Start(*netlink_));
  return watcher;
}

}  // namespace xpu
