#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/sys/devlink.h"
#include "common/sys/netlink.h"
#include "xpu-agent/core/representors.h"

namespace xpu {

// Representors as the kernel shows them: <sysfs>/class/net/<interface>/phys_port_name
// (Documentation/ABI/testing/sysfs-class-net), followed through rtnetlink. A DPU that has functions of its
// own beside the host's calls the host's "c1pf0vf3" (Documentation/networking/devlink/devlink-port.rst,
// controller number): here that is pf0vf3, and what the DPU itself calls so is left out. Functions of further
// hosts, c2 and so on, are listed under their full names.
//
// Drivers that give their interfaces no such name say it to devlink, by flavour and by the numbers of
// controller, physical and virtual function, which come to the same.
class SysfsRepresentors : public Representors {
 public:
  struct Options {
    std::string sysfs = "/sys";
    std::string proc_sys = "/proc/sys";
  };
  // `netlink` and `devlink` are those of the namespace that holds the representors; null: there is no
  // devlink.
  SysfsRepresentors(const Options& options, std::unique_ptr<Netlink> netlink,
                    std::unique_ptr<Devlink> devlink = nullptr);

  absl::StatusOr<std::string> Find(const std::string& phys_port_name) override;
  absl::StatusOr<std::map<std::string, std::string>> List() override;
  absl::Status SetFunctionMac(const std::string& interface, const MacAddress& mac) override;
  absl::StatusOr<Prepared> Prepare(const std::string& interface, uint32_t mtu, int ready_index) override;
  absl::StatusOr<std::unique_ptr<Watcher>> Watch(EventLoop& loop, std::function<void()> changed) override;

 private:
  class LinkWatcher;

  // What `interface` says now, without the controller if that is the host's; empty if it says nothing.
  struct PortName {
    std::string name;
    // It was said with the host's controller.
    bool of_host = false;
  };
  PortName ReadPortName(const std::string& interface) const;
  // Asks devlink again for what its ports are.
  void AskDevlink();
  // Of the last scan; null: none.
  const DevlinkPort* DevlinkPortOf(const std::string& interface) const;
  absl::Status Scan();
  absl::Status WriteSetting(const std::string& path, const std::string& value) const;

  const Options options_;
  const std::unique_ptr<Netlink> netlink_;
  const std::unique_ptr<Devlink> devlink_;
  // As of the last scan: interface → port.
  std::map<std::string, DevlinkPort> devlink_ports_;
  // As of the last scan: phys_port_name → interfaces.
  std::map<std::string, std::vector<std::string>> found_;
};

}  // namespace xpu
