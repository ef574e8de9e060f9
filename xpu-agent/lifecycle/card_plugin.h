#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "common/vendor_plugin/vendor_plugin.h"

namespace xpu {

class ModelOwner;

// What of the card dpu-operator's calls are decided by.
struct CardUse {
  // Bridge ports' ids of the virtual functions that have a representor.
  std::set<std::string> vfs;
  // Bridge ports that somebody has made.
  std::set<std::string> ports;
};

// Whether `count` virtual functions is what there is: only the host can make them or take them away.
//   FailedPrecondition  it is not; says who can change it, and which are in use
absl::StatusOr<int> ConfirmNumVfs(const CardUse& use, int count);

// The card's side of dpu-operator's vendor plugin: says which functions the card knows, confirms or refuses
// their number, and puts network functions into the way. Bridge ports come by OPI's own calls on the same
// socket.
class CardPlugin final : public VendorPlugin {
 public:
  struct Options {
    // Where dpu-operator's daemon on the card is to listen. Nothing: Init is refused.
    std::optional<PluginEndpoint> endpoint;
    // NUMA node of the function that an interface of the DPU stands for, -1 if there is none; on the owner's
    // loop. Null: there is none.
    std::function<int(const std::string& interface)> numa_node;
  };
  // `owner` outlives the object and every call to it.
  CardPlugin(ModelOwner& owner, Options options);

  // Whom it works for is kept with the card's objects, and answered when it is.
  void Init(bool on_card, const std::string& identifier,
            std::function<void(absl::StatusOr<PluginEndpoint>)> done) override;
  void GetDevices(std::function<void(absl::StatusOr<std::vector<PluginDevice>>)> done) override;
  void SetNumVfs(int count, std::function<void(absl::StatusOr<int>)> done) override;
  // The function is that of the bridge ports with these MACs, beyond those that are there, for the network
  // that the ports are in, or else for all that go on at the uplink. Answered when the switch has confirmed;
  // what it refuses is answered with the reason.
  //   FailedPrecondition  no bridge port has the MAC, or two have it
  //   InvalidArgument     both are one, or the ports are in two networks
  //   AlreadyExists       a port is another function's
  void CreateNetworkFunction(const MacAddress& input, const MacAddress& output,
                             std::function<void(absl::Status)> done) override;
  // What it stood between meets directly again. OK also if it is not there.
  void DeleteNetworkFunction(const MacAddress& input, const MacAddress& output,
                             std::function<void(absl::Status)> done) override;
  void IsHealthy(std::function<void(bool)> done) override;

 private:
  ModelOwner& owner_;
  const Options options_;
  // Of the function between these.
  static std::string IdOf(const MacAddress& input, const MacAddress& output);
};

}  // namespace xpu
