#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/sys/netlink.h"
#include "xpu-agent/core/representors.h"

namespace xpu {

// Representors as the kernel shows them: <sysfs>/class/net/<interface>/phys_port_name
// (Documentation/ABI/testing/sysfs-class-net), followed through rtnetlink.
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
  absl::Status Prepare(const std::string& interface) override;
  absl::Status Watch(EventLoop& loop, std::function<void()> changed) override;

 private:
  struct KnownLink {
    std::string name;
    bool up = false;
    friend bool operator==(const KnownLink&, const KnownLink&) = default;
  };

  // What `interface` says now; empty if it says nothing.
  std::string ReadPortName(const std::string& interface) const;
  absl::Status Scan();
  absl::Status WriteSetting(const std::string& path, const std::string& value) const;
  void OnLink(const Link& link, bool gone);

  const Options options_;
  const std::unique_ptr<Netlink> netlink_;
  // As of the last scan: phys_port_name → interfaces.
  std::map<std::string, std::vector<std::string>> found_;

  EventLoop* loop_ = nullptr;
  std::function<void()> changed_;
  std::map<int, KnownLink> links_;
  // Many links change at once; `changed_` is posted once for all of them.
  bool posted_ = false;
  // Whether this object is still there, for what was posted.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<Netlink::Monitor> monitor_;
};

}  // namespace xpu
