#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/sys/files.h"
#include "common/sys/net_namespaces.h"
#include "common/sys/netlink.h"
#include "test/lib/runtime/container_runtime.h"

namespace xpu::testing {

// Milliseconds that a call took; its failure as an error that says `what`.
absl::StatusOr<double> Milliseconds(const absl::StatusOr<CniOutcome>& outcome, absl::string_view what);

// A host with interfaces "vf0", "vf1", …, each one end of a veth pair whose other end is up in a third
// namespace, and as many pods without any.
class VethHost {
 public:
  static absl::StatusOr<std::unique_ptr<VethHost>> Make(int pods);
  ~VethHost();

  int pods() const { return pods_; }
  static std::string Interface(int number);
  // Path of a pod's namespace.
  std::string PodPath(int number) const;
  const std::shared_ptr<NetNamespace>& host() const { return host_; }
  // For files; goes with this.
  const std::string& folder() const { return folder_.path(); }

 private:
  VethHost(int pods, TemporaryDirectory folder) : pods_(pods), folder_(std::move(folder)) {}
  absl::Status Prepare();
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }

  const int pods_;
  TemporaryDirectory folder_;
  std::shared_ptr<NetNamespace> host_;
};

// Pods that host-device with host-local attaches. All times in milliseconds.
class TheirPods {
 public:
  // `plugins`: the folder of the plugins.
  static absl::StatusOr<std::unique_ptr<TheirPods>> Make(int pods, const std::string& plugins);

  // ADD and DEL of one pod.
  absl::StatusOr<std::vector<double>> AddAndDel();
  // ADD of all pods at once, then DEL of all at once.
  absl::StatusOr<std::vector<double>> AddAndDelAll();

 private:
  TheirPods(std::unique_ptr<VethHost> host, const std::string& plugins);
  CniCall Call(const std::string& command, int pod) const;

  std::unique_ptr<VethHost> host_;
  const std::string plugins_;
  int round_ = 0;
};

// What a pod's interface is to have.
struct BareSetup {
  std::string address;  // "10.77.0.2/16"
  std::string gateway;  // empty: no default route
  uint32_t mtu = 1500;
};

// Pods that get their interface by the kernel's calls alone. All times in milliseconds.
class BarePods {
 public:
  // `program`: xpu-bare-attach.
  static absl::StatusOr<std::unique_ptr<BarePods>> Make(int pods, const std::string& program,
                                                        BareSetup setup);

  // One pod's interface, by one process: from its start until the last call is done.
  absl::StatusOr<std::vector<double>> Attach();
  // The interfaces of all pods moved into theirs by one call each: at once, each from a thread of its own.
  absl::StatusOr<std::vector<double>> MoveAllAtOnce();
  // One after the other.
  absl::StatusOr<std::vector<double>> MoveAllInTurn();

 private:
  struct Ends {
    std::unique_ptr<Netlink> host, pod;
    std::shared_ptr<NetNamespace> pod_namespace;
    int ifindex = 0;
  };
  BarePods(std::unique_ptr<VethHost> host, const std::string& program, BareSetup setup);
  absl::Status Move(int pod);
  // Back to the host as it was. Gives it another index there if its own is taken.
  absl::Status Return(int pod);
  absl::Status ReturnAll();

  std::unique_ptr<VethHost> host_;
  ContainerRuntime runtime_;
  const BareSetup setup_;
  std::vector<Ends> ends_;
};

}  // namespace xpu::testing
