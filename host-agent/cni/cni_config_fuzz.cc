// Any bytes for a CNI configuration: an answer, and one that can be sent.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "common/base/cni.h"
#include "host-agent/cni/cni_config.h"
#include "host-agent/cni/cni_error.h"

namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<xpu::CniConfig> config =
      xpu::ParseCniConfig(bytes, xpu::CniArgs{.pod_namespace = "default", .pod_name = "web-1"});
  if (!config.ok()) Check(!xpu::ToCniFailure(config.status()).msg.empty());
  Check(!xpu::CniVersionForErrors(bytes).empty());
  const absl::StatusOr<xpu::CniArgs> args = xpu::ParseCniArgs(bytes);
  if (!args.ok()) Check(!xpu::ToCniFailure(args.status()).msg.empty());
  return 0;
}
