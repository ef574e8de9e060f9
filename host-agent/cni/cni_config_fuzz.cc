// Any bytes for a CNI configuration: an answer, and one that can be sent.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "common/base/cni.h"
#include "host-agent/cni/cni_config.h"
#include "host-agent/cni/cni_error.h"
#include "host-agent/cni/cni_result.h"

namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<xpu::CniConfig> config =
      xpu::ParseCniConfig(bytes, xpu::CniArgs{.pod_namespace = "default", .pod_name = "web-1"});
  if (!config.ok()) {
    Check(!xpu::ToCniFailure(config.status()).msg.empty());
  } else {
    Check(config->vlan.has_value() == config->network.empty());
    // A DEL with the same configuration finds the same function.
    Check(!xpu::ReadCniHints(bytes).device.empty());
    // Whatever was before it in a chain that was let through, there is a result.
    const std::string result = xpu::FormatCniResult({.ifname = "net1", .sandbox = "/run/netns/a"});
    Check(xpu::ConvertCniResult(result, config->prev_result, config->cni_version).ok());
  }
  const absl::StatusOr<xpu::CniNetworkConfig> network = xpu::ParseCniNetworkConfig(bytes);
  if (!network.ok()) Check(!xpu::ToCniFailure(network.status()).msg.empty());
  Check(xpu::IsCniVersion(xpu::CniVersionForErrors(bytes)));
  const absl::StatusOr<xpu::CniArgs> args = xpu::ParseCniArgs(bytes);
  if (!args.ok()) Check(!xpu::ToCniFailure(args.status()).msg.empty());
  return 0;
}
