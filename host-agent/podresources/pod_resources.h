#pragma once

#include <compare>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace xpu {

// A pod of this node.
struct PodName {
  std::string ns;
  std::string name;
  // "default/web-1".
  std::string ToString() const { return ns + "/" + name; }
  friend auto operator<=>(const PodName&, const PodName&) = default;
};

// A device that a container holds, by the kubelet's books.
struct HeldDevice {
  // Extended resource: "xpu.opiproject.org/vf".
  std::string resource;
  // As the device plugin announced it: "0000:03:00.2".
  std::string device_id;
  PodName pod;
  std::string container;
  friend auto operator<=>(const HeldDevice&, const HeldDevice&) = default;
};

// What the kubelet says at one moment.
struct PodList {
  // All pods, also those without devices.
  std::set<PodName> pods;
  // Each once, in no particular order.
  std::vector<HeldDevice> devices;
};

// The kubelet's PodResources API (proto/kubelet/podresources/v1). Safe from any thread.
class PodResources {
 public:
  virtual ~PodResources() = default;

  // Asks the kubelet; blocks until it has answered, 10 s at most. A kubelet that has come back is found by
  // the next call.
  //   NotFound     there is no kubelet here, or none at the moment: it has no socket
  //   Unavailable  it does not answer
  //   Cancelled    Cancel was called
  virtual absl::StatusOr<PodList> List() = 0;
  // Ends calls that run, and all that come later.
  virtual void Cancel() = 0;
};

}  // namespace xpu
