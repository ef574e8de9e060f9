#pragma once

#include <string>
#include <vector>

#include "common/sys/pci_bus.h"

namespace xpu {

// The PCI bus as sysfs shows it: <root>/bus/pci/devices/. `root` is "/sys", or that of an emulated card.
class SysfsPciBus final : public PciBus {
 public:
  explicit SysfsPciBus(const std::string& root) : devices_(root + "/bus/pci/devices") {}

  absl::StatusOr<std::vector<PciFunction>> List() override;
  absl::StatusOr<PciFunction> Get(const PciAddress& address) override;
  absl::StatusOr<std::vector<std::string>> Netdevs(const PciAddress& address) override;
  absl::Status SetNumVfs(const PciAddress& physical_function, int count) override;

 private:
  std::string devices_;
};

}  // namespace xpu
