#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/pci_address.h"
#include "common/vendor_plugin/plugin_role.h"
#include "common/vendor_plugin/vendor_plugin.h"
#include "host-agent/alloc/journal.h"
#include "host-agent/inventory/inventory.h"

namespace xpu {

// The host's side of dpu-operator's vendor plugin: the functions that pods can be given, and how many there
// are.
class HostPlugin final : public VendorPlugin {
 public:
  // All safe from any thread, and not blocking.
  struct Parts {
    // In the order of the configuration, each once.
    std::vector<PciAddress> physical_functions;
    std::function<std::vector<HostFunction>()> functions;
    // The rows of the journal: what is in use.
    std::function<std::vector<ClaimRow>()> rows;
    // As Provisioner::SetVfs.
    std::function<void(const PciAddress& pf, int count, std::function<void(absl::StatusOr<int>)> done)>
        set_vfs;
    // Where dpu-operator's daemon on the host finds the one on the card. Nothing: Init is refused.
    std::optional<PluginEndpoint> endpoint;
  };
  explicit HostPlugin(Parts parts) : parts_(std::move(parts)) {}

  void Init(bool on_card, const std::string& identifier,
            std::function<void(absl::StatusOr<PluginEndpoint>)> done) override;
  // Virtual functions, by their PCI addresses.
  void GetDevices(std::function<void(absl::StatusOr<std::vector<PluginDevice>>)> done) override;
  // What there is already is confirmed. A host with several physical functions cannot be asked for another
  // number, as the call does not say of which one.
  void SetNumVfs(int count, std::function<void(absl::StatusOr<int>)> done) override;
  // Unimplemented: network functions are in the card's path.
  void CreateNetworkFunction(const MacAddress& input, const MacAddress& output,
                             std::function<void(absl::Status)> done) override;
  // OK: it is not there.
  void DeleteNetworkFunction(const MacAddress& input, const MacAddress& output,
                             std::function<void(absl::Status)> done) override;
  void IsHealthy(std::function<void(bool)> done) override;

 private:
  const Parts parts_;
  absl::Mutex mu_;
  PluginRole role_ ABSL_GUARDED_BY(mu_){/*on_card=*/false};
};

}  // namespace xpu
