#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/sys/netlink.h"
#include "xpu-agent/core/representors.h"

namespace xpu {

// Representors as the kernel shows them: <sysfs>/class/net/<interface>/phys_port_name
// (Documentation/ABI/testing/sysfs-class-net), followed through rtnetlink. A DPU that has functions of its
// own beside the host's calls the host's "c1pf0vf3" (Documentation/networking/devlink/devlink-port.rst,
// controller number): here that is pf0vf3, and what the DPU itself calls so is left out. Functions of further
// hosts, c2 and so on, are listed under their full names.
class SysfsRepresentors : public Representors {
 public:
  struct Options {
    std::string sysfs = "/sys";
    std::string proc_sys = "/proc/sys";
  };
  // `netlink` is that of the namespace that holds the representors.
  SysfsRepresentors(const Options& options, std::unique_ptr<Netlink> netlink);

  absl::StatusOr<std::string> Find(const std::string& phys_port_name) override;
  absl::StatusOr<std::map<std::string, std::string>> List() override;
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
  absl::Status Scan();
  absl::Status WriteSetting(const std::string& path, const std::string& value) const;

  const Options options_;
  const std::unique_ptr<Netlink> netlink_;
  // As of the last scan: phys_port_name → interfaces.
  std::map<std::string, std::vector<std::string>> found_;
};

}  // namespace xpu
