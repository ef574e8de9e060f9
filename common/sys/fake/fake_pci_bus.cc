#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/sys/fake/fake_kernel.h"
#include "common/sys/fake/fake_state.h"

namespace xpu {
namespace {

absl::Status NoFunction(const PciAddress& address) {
  return absl::NotFoundError(absl::StrCat("there is no PCI function ", address.ToString()));
}

}  // namespace

absl::StatusOr<std::vector<PciFunction>> FakePciBus::List() {
  XPU_RETURN_IF_ERROR(kernel_.faults_.Check("List"));
  absl::MutexLock lock(&kernel_.state_->mu);
  std::vector<PciFunction> functions;
  for (const auto& [address, function] : kernel_.state_->functions) {
    if (IsNetworkClass(function.pci_class)) functions.push_back(kernel_.state_->ViewLocked(function));
  }
  return functions;
}

absl::StatusOr<PciFunction> FakePciBus::Get(const PciAddress& address) {
  XPU_RETURN_IF_ERROR(kernel_.faults_.Check("Get"));
  absl::MutexLock lock(&kernel_.state_->mu);
  const auto found = kernel_.state_->functions.find(address);
  if (found == kernel_.state_->functions.end()) return NoFunction(address);
  return kernel_.state_->ViewLocked(found->second);
}

absl::StatusOr<std::vector<Subfunction>> FakePciBus::Subfunctions(const PciAddress& parent) {
  XPU_RETURN_IF_ERROR(kernel_.faults_.Check("Subfunctions"));
  FakeKernel::State& state = *kernel_.state_;
  absl::MutexLock lock(&state.mu);
  if (!state.functions.contains(parent)) return NoFunction(parent);
  std::vector<Subfunction> found;
  for (const auto& [number, sf] : state.subfunctions[parent]) {
    if (sf.auxiliary_device.empty()) continue;
    Subfunction subfunction;
    subfunction.number = number;
    subfunction.auxiliary_device = sf.auxiliary_device;
    subfunction.driver = "mlx5_core.sf";
    subfunction.netdevs = state.NetdevsLocked(FunctionId(parent, number));
    found.push_back(std::move(subfunction));
  }
  return found;
}

absl::StatusOr<std::vector<std::string>> FakePciBus::Netdevs(const FunctionId& function) {
  XPU_RETURN_IF_ERROR(kernel_.faults_.Check("Netdevs"));
  FakeKernel::State& state = *kernel_.state_;
  absl::MutexLock lock(&state.mu);
  if (!state.functions.contains(function.pci)) return NoFunction(function.pci);
  if (function.sf) {
    const auto& there = state.subfunctions[function.pci];
    const auto found = there.find(*function.sf);
    if (found == there.end() || found->second.auxiliary_device.empty()) {
      return absl::NotFoundError(absl::StrCat("there is no active subfunction ", function.ToString()));
    }
  }
  return state.NetdevsLocked(function);
}

absl::Status FakePciBus::SetNumVfs(const PciAddress& physical_function, int count) {
  XPU_RETURN_IF_ERROR(kernel_.faults_.Check("SetNumVfs"));
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
    state.RemoveFunctionLocked(VirtualFunctionAddress(physical_function, 2, 1, i));
  }
  pf.num_vfs = count;
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
    vf.link_type = pf.link_type;
    vf.iommu_group = absl::StrCat(vf.address.bus * 256 + vf.address.device * 8 + vf.address.function);
    state.vf_settings[vf.address] = VfSettings{.mac = MacAddress(),
                                               .vlan = VfSettings::Vlan(),
                                               .spoof_check = true,
                                               .trust = false,
                                               .link_state = VfSettings::LinkState::kAuto,
                                               .min_tx_rate = 0,
                                               .max_tx_rate = 0};
    state.AddFunctionLocked(
        vf, {pf.driver, {{absl::StrCat(state.pf_names[physical_function], "v", i), state.NewMacLocked()}}});
  }
  state.TellLocked(physical_function);
  return absl::OkStatus();
}

absl::Status FakePciBus::BindDriver(const PciAddress& address, const std::string& driver) {
  XPU_RETURN_IF_ERROR(kernel_.faults_.Check("BindDriver"));
  FakeKernel::State& state = *kernel_.state_;
  absl::MutexLock lock(&state.mu);
  const auto found = state.functions.find(address);
  if (found == state.functions.end()) return NoFunction(address);
  PciFunction& function = found->second;
  if (function.driver == driver) return absl::OkStatus();
  if (!driver.empty() && !state.drivers.contains(driver)) {
    return absl::NotFoundError(
        absl::StrCat("driver ", driver, " for ", address.ToString(), " is not loaded; load its module"));
  }
  const FakeNative& native = state.natives[address];
  if (!driver.empty() && driver != native.driver && !driver.starts_with("vfio")) {
    return absl::FailedPreconditionError(
        absl::StrCat("driver ", driver, " did not take ", address.ToString()));
  }
  state.RemoveLinksOfLocked(address);
  function.driver = driver;
  if (driver == native.driver) {
    const MacAddress given = state.vf_settings[address].mac.value_or(MacAddress());
    for (const auto& [name, mac] : native.links) {
      state.AddLinkOfLocked(address, name, given == MacAddress() ? mac : given);
    }
  }
  state.TellLocked(address);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<PciBus::Monitor>> FakePciBus::MonitorFunctions(
    EventLoop& loop, std::function<void(const PciAddress& address, bool gone)> changed) {
  XPU_RETURN_IF_ERROR(kernel_.faults_.Check("MonitorFunctions"));
  return std::make_unique<FakeFunctionMonitor>(kernel_.state_, loop, std::move(changed));
}

}  // namespace xpu
