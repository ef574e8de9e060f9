#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kubelet/deviceplugin/v1beta1/api.pb.h"

namespace xpu::testing {

// What a container holds of a resource, and what its plugin answered for it.
struct HeldDevices {
  std::set<std::string> ids;
  v1beta1::ContainerAllocateResponse response;
};

// A kubelet's books about devices: what plugins have announced and what containers hold
// (devicemanager/manager.go). No I/O and no locks.
class DeviceLedger {
 public:
  // After the end of a plugin its devices still count for the node's capacity for so long.
  explicit DeviceLedger(absl::Duration stop_grace) : stop_grace_(stop_grace) {}

  void Connected(const std::string& resource);
  void Received(const std::string& resource, const v1beta1::ListAndWatchResponse& list);
  // Its devices are unhealthy from now on.
  void Disconnected(const std::string& resource, absl::Time now);

  // What a container that asks for `count` devices may choose from. If it holds as many already, `held` is
  // that and nothing needs to be chosen.
  struct Choice {
    const HeldDevices* held = nullptr;
    std::vector<std::string> available;
  };
  // NotFound if nobody has registered the resource, ResourceExhausted if too few healthy devices are free,
  // FailedPrecondition if the container holds another number or what it holds is unhealthy.
  absl::StatusOr<Choice> Choose(const std::string& container, const std::string& resource, int count) const;
  void Hold(const std::string& container, const std::string& resource, HeldDevices held);
  void Release(const std::string& container);

  // Unhealthy devices count as capacity, not as allocatable. Both are 0 of a resource that is not known.
  struct Capacity {
    int capacity = 0;
    int allocatable = 0;
  };
  // Forgets the devices of plugins that have been away for longer than the grace.
  Capacity GetCapacity(const std::string& resource, absl::Time now);
  std::vector<v1beta1::Device> Devices(const std::string& resource) const;
  std::set<std::string> Held(const std::string& resource) const;
  // By container, then resource.
  const std::map<std::string, std::map<std::string, HeldDevices>>& AllHeld() const { return held_; }
  bool IsConnected(const std::string& resource) const;

  // What outlives a restart: who holds what, and the names of resources, whose devices do not count until
  // their plugin has registered again. The file is in the manner of the kubelet's
  // kubelet_internal_checkpoint, without a checksum.
  std::string ToJson() const;
  // InvalidArgument if it cannot be read; then nothing has changed.
  absl::Status FromJson(const std::string& text, absl::Time now);

 private:
  struct Resource {
    bool connected = false;
    std::optional<absl::Time> stopped;
    std::map<std::string, v1beta1::Device> devices;
  };

  absl::Duration stop_grace_;
  std::map<std::string, Resource> resources_;
  // By container, then resource.
  std::map<std::string, std::map<std::string, HeldDevices>> held_;
};

}  // namespace xpu::testing
