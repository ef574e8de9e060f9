#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "kubelet/deviceplugin/v1beta1/api.pb.h"
#include "test/lib/kubelet/device_ledger.h"
#include "test/lib/kubelet/plugin_endpoint.h"
#include "test/lib/kubelet/plugin_watcher.h"

namespace xpu {
class RpcServer;
}

namespace xpu::testing {

struct KubeletOptions {
  // Made if it is missing.
  std::string plugin_dir;
  // Where its plugin watcher looks for plugins; empty: nowhere.
  std::string registry_dir;
  // Socket of the PodResources service; its folder is made. Empty: not served.
  std::string pod_resources;
  // How long a plugin's devices count for capacity after it has gone.
  absl::Duration endpoint_stop_grace = absl::Minutes(5);
  // For connecting to a plugin that registers.
  absl::Duration dial_timeout = absl::Seconds(10);
  // Not owned.
  Clock* clock = &Clock::Real();
};

// What the kubelet knows of a resource.
struct KubeletResource {
  // A plugin has registered and its stream is up.
  bool connected = false;
  std::vector<v1beta1::Device> devices;
  std::set<std::string> held;
  int capacity = 0;
  int allocatable = 0;
  // Since this kubelet was started: how often a plugin has registered, and how many lists it has sent.
  int registrations = 0;
  int lists = 0;
};

// The part of a kubelet that deals with device plugins, doing what the real one does (Kubernetes,
// pkg/kubelet/cm/devicemanager). When it starts it removes every socket in the plugin folder; a plugin that
// registers is connected to at once, before Register is answered; the end of a plugin's stream makes its
// devices unhealthy; a device is given to one container at a time; who holds what is in a file and outlives a
// restart.
//
// One difference: where several plugins register one resource, the last one is it and the others are
// disconnected. And there are no pods but those whose containers hold something: a container is called
// "<namespace>/<pod>/<container>", or anything else, which is then the pod's name in "default".
//
// Safe from any thread.
class Kubelet {
 public:
  // FailedPrecondition if another kubelet serves in that folder.
  static absl::StatusOr<std::unique_ptr<Kubelet>> Start(const KubeletOptions& options);
  // Stops; kubelet.sock goes, as it does when a kubelet is stopped.
  ~Kubelet();

  struct Admission {
    std::vector<std::string> device_ids;
    v1beta1::ContainerAllocateResponse response;
  };
  // Admits a container that asks for devices. Errors are those of DeviceLedger::Choose and of the plugin's
  // Allocate. A container that is admitted again gets what it has.
  absl::StatusOr<Admission> Admit(const std::string& container, const std::string& resource, int count);
  // The container has ended. OK if it is not known.
  absl::Status Remove(const std::string& container);

  KubeletResource Look(const std::string& resource);
  // Waits until `wanted`; DeadlineExceeded, with what there is instead, if that does not come in time,
  // Cancelled if the kubelet stops.
  absl::StatusOr<KubeletResource> Await(const std::string& resource,
                                        const std::function<bool(const KubeletResource&)>& wanted,
                                        absl::Time deadline = absl::InfiniteFuture());
  // Ends what waits in Await().
  void CancelWaits();

 private:
  class Registration;
  class PodLister;

  explicit Kubelet(const KubeletOptions& options);
  absl::Status Serve();
  absl::Status Register(const v1beta1::RegisterRequest& request);
  // Connects to a plugin and follows its devices.
  absl::Status RegisterAt(const std::string& resource, const std::string& socket);
  KubeletResource LookLocked(const std::string& resource) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteCheckpoint() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string checkpoint() const { return options_.plugin_dir + "/kubelet_internal_checkpoint"; }

  const KubeletOptions options_;
  std::unique_ptr<Registration> registration_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<PodLister> pod_lister_;
  std::unique_ptr<RpcServer> pod_server_;
  std::unique_ptr<PluginWatcher> watcher_;

  // One admission at a time, as in a kubelet.
  absl::Mutex admission_ ABSL_ACQUIRED_BEFORE(mutex_);
  absl::Mutex mutex_;
  DeviceLedger ledger_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<PluginEndpoint>> endpoints_ ABSL_GUARDED_BY(mutex_);
  // Replaced or ended; their threads are still to be joined, which must not happen on those threads.
  std::vector<std::shared_ptr<PluginEndpoint>> old_endpoints_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> registrations_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> lists_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace xpu::testing
