#include "host-agent/lifecycle/host_plugin.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace xpu {

void HostPlugin::Init(bool on_card, const std::string& identifier,
                      std::function<void(absl::StatusOr<PluginEndpoint>)> done) {
  std::set<std::string> in_use;
  for (const ClaimRow& row : parts_.rows()) in_use.insert(row.function.ToString());
  absl::Status taken;
  {
    absl::MutexLock lock(&mu_);
    taken = role_.Take(on_card, identifier, in_use);
  }
  if (!taken.ok()) return done(taken);
  if (!parts_.endpoint.has_value()) {
    return done(absl::FailedPreconditionError(
        "this agent does not know where dpu-operator's daemon on the card listens; start it with "
        "--dpu-operator-endpoint IP:PORT"));
  }
  done(*parts_.endpoint);
}

void HostPlugin::GetDevices(std::function<void(absl::StatusOr<std::vector<PluginDevice>>)> done) {
  std::vector<PluginDevice> devices;
  for (const HostFunction& function : parts_.functions()) {
    if (function.kind != HostFunction::Kind::kVf) continue;
    devices.push_back(
        {.id = function.id.ToString(), .healthy = function.healthy, .numa_node = function.numa_node});
  }
  done(std::move(devices));
}

void HostPlugin::SetNumVfs(int count, std::function<void(absl::StatusOr<int>)> done) {
  if (parts_.physical_functions.size() == 1) {
    return parts_.set_vfs(parts_.physical_functions.front(), count, std::move(done));
  }
  const std::vector<HostFunction> functions = parts_.functions();
  const auto vfs = std::count_if(functions.begin(), functions.end(), [](const HostFunction& function) {
    return function.kind == HostFunction::Kind::kVf;
  });
  if (vfs == count) return done(count);
  done(absl::FailedPreconditionError(absl::StrCat(
      "vf_cnt: this host has ", parts_.physical_functions.size(), " physical functions with ", vfs,
      " virtual functions in all and not ", count,
      "; say how many each is to have in the host agent's configuration (cards[].physicalFunctions[].vfs)")));
}

void HostPlugin::CreateNetworkFunction(const MacAddress&, const MacAddress&,
                                       std::function<void(absl::Status)> done) {
  done(absl::UnimplementedError(
      "network functions are put into the path on the card; ask its side of the plugin"));
}

void HostPlugin::DeleteNetworkFunction(const MacAddress&, const MacAddress&,
                                       std::function<void(absl::Status)> done) {
  done(absl::OkStatus());
}

void HostPlugin::IsHealthy(std::function<void(bool)> done) {
  const std::vector<HostFunction> functions = parts_.functions();
  done(functions.empty() || std::any_of(functions.begin(), functions.end(),
                                        [](const HostFunction& function) { return function.healthy; }));
}

}  // namespace xpu
