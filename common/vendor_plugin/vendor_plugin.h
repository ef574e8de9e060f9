#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/mac_address.h"

namespace xpu {

// Where openshift/dpu-operator's daemon looks for the plugin of a card's vendor.
inline constexpr char kVendorPluginSocket[] = "/var/run/dpu-daemon/vendor-plugin/vendor-plugin.sock";

// An address that dpu-operator's two daemons meet at: the one on the card listens there, the one on the host
// connects there. Numbers only.
struct PluginEndpoint {
  std::string ip;
  uint16_t port = 0;
  // "192.0.2.1:50152" or "[2001:db8::1]:50152"; InvalidArgument for anything else, and for port 0.
  static absl::StatusOr<PluginEndpoint> Parse(absl::string_view text);
  friend bool operator==(const PluginEndpoint&, const PluginEndpoint&) = default;
};

struct PluginDevice {
  std::string id;
  bool healthy = false;
  // -1 where the machine has none.
  int numa_node = -1;
};

// What the plugin of a card's vendor does for dpu-operator: one side of it, on the card or on the host. Safe
// from any thread, and does not block; `done` is called once, on any thread. Errors as proto/opi/lifecycle
// says.
class VendorPlugin {
 public:
  virtual ~VendorPlugin() = default;

  virtual void Init(bool on_card, const std::string& identifier,
                    std::function<void(absl::StatusOr<PluginEndpoint>)> done) = 0;
  virtual void GetDevices(std::function<void(absl::StatusOr<std::vector<PluginDevice>>)> done) = 0;
  // Answers how many there are.
  virtual void SetNumVfs(int count, std::function<void(absl::StatusOr<int>)> done) = 0;
  virtual void CreateNetworkFunction(const MacAddress& input, const MacAddress& output,
                                     std::function<void(absl::Status)> done) = 0;
  virtual void DeleteNetworkFunction(const MacAddress& input, const MacAddress& output,
                                     std::function<void(absl::Status)> done) = 0;
  // Whether functions can be used.
  virtual void IsHealthy(std::function<void(bool)> done) = 0;
};

}  // namespace xpu
