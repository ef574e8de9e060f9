#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/sys/pci_bus.h"

namespace xpu {

// The PCI bus as sysfs shows it: <root>/bus/pci. `root` is "/sys", or that of an emulated card.
//
// MonitorFunctions hears the kernel's own events where `root` is the kernel's sysfs. Elsewhere there are
// none; there it looks again whenever somebody has written a number of virtual functions.
class SysfsPciBus final : public PciBus {
 public:
  explicit SysfsPciBus(const std::string& root)
      : root_(root), bus_(root + "/bus/pci"), devices_(root + "/bus/pci/devices") {}

  absl::StatusOr<std::vector<PciFunction>> List() override;
  absl::StatusOr<PciFunction> Get(const PciAddress& address) override;
  absl::StatusOr<std::vector<Subfunction>> Subfunctions(const PciAddress& parent) override;
  absl::StatusOr<std::vector<std::string>> Netdevs(const FunctionId& function) override;
  absl::Status SetNumVfs(const PciAddress& physical_function, int count) override;
  absl::Status BindDriver(const PciAddress& address, const std::string& driver) override;
  absl::StatusOr<std::unique_ptr<Monitor>> MonitorFunctions(
      EventLoop& loop, std::function<void(const PciAddress& address, bool gone)> changed) override;

 private:
  // With an error of its own for a function that is not there.
  absl::StatusOr<std::string> FolderOf(const PciAddress& address) const;
  // The folder of an active subfunction.
  absl::StatusOr<std::string> FolderOf(const FunctionId& subfunction) const;
  // The nodes through which the RDMA devices in `folder` are used.
  std::vector<std::string> RdmaNodes(const std::string& folder) const;
  // Frees the function and has `driver`, if not empty, take it; the override says so already.
  absl::Status Rebind(const PciAddress& address, const std::string& folder, const std::string& driver) const;

  std::string root_;
  std::string bus_;
  std::string devices_;
};

}  // namespace xpu
