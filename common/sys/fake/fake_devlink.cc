#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/sys/fake/fake_kernel.h"
#include "common/sys/fake/fake_state.h"

namespace xpu {
namespace {

// OK if `parent` can have subfunctions.
absl::Status CheckParent(FakeKernel::State& state, const PciAddress& parent)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mu) {
  if (!state.functions.contains(parent)) {
    return absl::NotFoundError(absl::StrCat("devlink knows no device ", parent.ToString()));
  }
  if (state.max_subfunctions[parent] > 0) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(parent.ToString(), " makes no subfunctions"));
}

absl::StatusOr<FakeSf*> Find(FakeKernel::State& state, const PciAddress& parent, uint32_t number)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mu) {
  XPU_RETURN_IF_ERROR(CheckParent(state, parent));
  auto& there = state.subfunctions[parent];
  const auto found = there.find(number);
  if (found != there.end()) return &found->second;
  return absl::NotFoundError(absl::StrCat("there is no subfunction ", FunctionId(parent, number).ToString()));
}

}  // namespace

absl::StatusOr<std::vector<DevlinkSf>> FakeDevlink::ListSfs(const PciAddress& parent) {
  XPU_RETURN_IF_ERROR(kernel_.faults_.Check("ListSfs"));
  FakeKernel::State& state = *kernel_.state_;
  absl::MutexLock lock(&state.mu);
  if (!state.functions.contains(parent)) return CheckParent(state, parent);
  std::vector<DevlinkSf> found;
  for (const auto& [number, sf] : state.subfunctions[parent]) found.push_back(sf.port);
  return found;
}

absl::Status FakeDevlink::AddSf(const PciAddress& parent, uint32_t number) {
  XPU_RETURN_IF_ERROR(kernel_.faults_.Check("AddSf"));
  FakeKernel::State& state = *kernel_.state_;
  absl::MutexLock lock(&state.mu);
  XPU_RETURN_IF_ERROR(CheckParent(state, parent));
  auto& there = state.subfunctions[parent];
  if (there.contains(number)) return absl::OkStatus();
  if (static_cast<int>(there.size()) >= state.max_subfunctions[parent]) {
    return absl::ResourceExhaustedError(
        absl::StrCat(parent.ToString(), " can have no more than ", there.size(), " subfunctions"));
  }
  FakeSf& added = there[number];
  added.port.number = number;
  added.port.port_index = 0x8000 + number;
  return absl::OkStatus();
}

absl::Status FakeDevlink::ConfigureSf(const PciAddress& parent, uint32_t number, const MacAddress& mac) {
  XPU_RETURN_IF_ERROR(kernel_.faults_.Check("ConfigureSf"));
  if (!mac.IsUnicast()) {
    return absl::InvalidArgumentError(absl::StrCat("no subfunction may have MAC ", mac.ToString()));
  }
  FakeKernel::State& state = *kernel_.state_;
  absl::MutexLock lock(&state.mu);
  XPU_ASSIGN_OR_RETURN(FakeSf * sf, Find(state, parent, number));
  if (sf->port.mac == mac) return absl::OkStatus();
  if (sf->port.active) {
    return absl::FailedPreconditionError(absl::StrCat(FunctionId(parent, number).ToString(), " is active"));
  }
  sf->port.mac = mac;
  return absl::OkStatus();
}

absl::Status FakeDevlink::ActivateSf(const PciAddress& parent, uint32_t number) {
  XPU_RETURN_IF_ERROR(kernel_.faults_.Check("ActivateSf"));
  FakeKernel::State& state = *kernel_.state_;
  absl::MutexLock lock(&state.mu);
  XPU_ASSIGN_OR_RETURN(FakeSf * sf, Find(state, parent, number));
  if (sf->port.active) return absl::OkStatus();
  sf->port.active = true;
  sf->port.attached = true;
  sf->auxiliary_device = absl::StrCat("mlx5_core.sf.", state.next_auxiliary++);
  state.AddLinkOfLocked(FunctionId(parent, number), absl::StrCat(state.pf_names[parent], "s", number),
                        sf->port.mac == MacAddress() ? state.NewMacLocked() : sf->port.mac);
  state.TellLocked(parent);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DevlinkPort>> FakeDevlink::ListPorts() {
  XPU_RETURN_IF_ERROR(kernel_.faults_.Check("ListPorts"));
  FakeKernel::State& state = *kernel_.state_;
  absl::MutexLock lock(&state.mu);
  std::vector<DevlinkPort> ports = state.devlink_ports;
  for (const auto& [parent, subfunctions] : state.subfunctions) {
    for (const auto& [number, sf] : subfunctions) {
      ports.push_back({.bus = "pci",
                       .device = parent.ToString(),
                       .index = sf.port.port_index,
                       .flavour = DevlinkPort::Flavour::kSf,
                       .pf = parent.function,
                       .number = number,
                       .interface = sf.port.representor,
                       .mac = sf.port.mac});
    }
  }
  return ports;
}

absl::Status FakeDevlink::SetFunctionMac(const DevlinkPort& port, const MacAddress& mac) {
  XPU_RETURN_IF_ERROR(kernel_.faults_.Check("SetFunctionMac"));
  if (!mac.IsUnicast()) {
    return absl::InvalidArgumentError(absl::StrCat("no function may have MAC ", mac.ToString()));
  }
  FakeKernel::State& state = *kernel_.state_;
  absl::MutexLock lock(&state.mu);
  for (auto& [parent, subfunctions] : state.subfunctions) {
    for (auto& [number, sf] : subfunctions) {
      if (parent.ToString() != port.device || sf.port.port_index != port.index) continue;
      sf.port.mac = mac;
      return absl::OkStatus();
    }
  }
  for (DevlinkPort& there : state.devlink_ports) {
    if (there.bus != port.bus || there.device != port.device || there.index != port.index) continue;
    if (!there.mac.has_value()) return absl::UnimplementedError("the card does not set addresses");
    there.mac = mac;
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat("there is no port ", port.device, "/", port.index));
}

absl::Status FakeDevlink::RemoveSf(const PciAddress& parent, uint32_t number) {
  XPU_RETURN_IF_ERROR(kernel_.faults_.Check("RemoveSf"));
  FakeKernel::State& state = *kernel_.state_;
  absl::MutexLock lock(&state.mu);
  if (!state.functions.contains(parent)) return CheckParent(state, parent);
  auto& there = state.subfunctions[parent];
  if (!there.contains(number)) return absl::OkStatus();
  state.RemoveLinksOfLocked(FunctionId(parent, number));
  there.erase(number);
  state.TellLocked(parent);
  return absl::OkStatus();
}

}  // namespace xpu
