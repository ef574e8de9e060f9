// Any bytes for what dpu-operator's CNI plugin posts: a request whose parts can be looked at further, or an
// error that can be sent.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "host-agent/cni/cni_config.h"
#include "host-agent/cni/cni_error.h"
#include "host-agent/cni/shim_request.h"

namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto request = xpu::ParseShimRequest({reinterpret_cast<const char*>(data), size});
  if (!request.ok()) {
    Check(!xpu::ToCniFailure(request.status()).msg.empty());
    return 0;
  }
  Check(request->command == "ADD" || request->command == "DEL" || request->command == "CHECK");
  const absl::StatusOr<xpu::CniArgs> args = xpu::ParseCniArgs(request->parameters.args);
  const absl::StatusOr<xpu::CniConfig> config =
      xpu::ParseCniConfig(request->config, args.ok() ? *args : xpu::CniArgs(), xpu::CniDialect::kDpuOperator);
  if (!config.ok()) Check(!xpu::ToCniFailure(config.status()).msg.empty());
  // It names a VLAN or a Network, and not both.
  if (config.ok()) Check(config->vlan.has_value() == config->network.empty());
  xpu::CheckParameters(request->parameters, true).IgnoreError();
  return 0;
}
