#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/base/event_loop.h"
#include "common/base/function_id.h"
#include "common/sys/netlink.h"
#include "common/sys/pci_bus.h"
#include "host-agent/inventory/card.h"

namespace xpu {

// One function that pods can be given: a virtual function of a configured card.
struct HostFunction {
  FunctionId id;
  PciAddress pf;
  std::string card;
  // Id of its bridge port at the card's xPU agent: "host<PF>-<VF>", where the PF counts as its function
  // number.
  std::string port;
  enum class Kind { kVf, kSf };
  Kind kind = Kind::kVf;
  // Index among the virtual functions, or number of the subfunction.
  int index = 0;
  int numa_node = -1;
  // As PciFunction has them; a subfunction has its parent's.
  uint16_t vendor = 0;
  uint16_t device = 0;
  std::string driver;
  // Interface of the physical function; empty if it has none.
  std::string pf_name;
  // "ether" or "infiniband"; empty if unknown.
  std::string link_type;
  // "mlx5_2", and the character devices through which it is used.
  std::vector<std::string> rdma_devices;
  std::vector<std::string> rdma_nodes;
  // "/dev/vfio/12"; empty unless bound to vfio-pci.
  std::string vfio_node;
  // Of a subfunction: "mlx5_core.sf.4".
  std::string auxiliary_device;
  bool healthy = false;
  // Why it is not, and what to do.
  std::string reason;
  friend bool operator==(const HostFunction&, const HostFunction&) = default;
};

// What the journal says about a function, as far as health is concerned.
struct ClaimHealth {
  bool claimed = false;
  // Why it cannot be given to another although its pod is gone; empty if nothing is the matter.
  std::string stuck;
};

// The functions of this host's cards, kept up to date by the kernel's news of interfaces: nothing is polled.
// A function is healthy if it can be given to a pod or is in one: its physical function is there, and it has
// an interface in the host's namespace or a claim. One that was there and vanished stays listed, as not
// healthy.
//
// Find, List and Subscribe are safe from any thread; the rest belongs to the loop's.
class Inventory {
 public:
  using Listener = std::function<void(const std::vector<HostFunction>&)>;

  // `bus` is not owned. `claim_health` is called from the loop and must not block.
  Inventory(std::vector<CardConfig> cards, PciBus& bus,
            std::function<ClaimHealth(const FunctionId&)> claim_health);

  // Reads the bus; what was known stays if that fails.
  absl::Status Refresh();
  // Follows the interfaces of `netlink`'s namespace, which is the host's, on `loop`. `interface_seen` is
  // called for every function that has an interface there, again whenever one appears.
  absl::Status Follow(EventLoop& loop, Netlink& netlink,
                      std::function<void(const FunctionId& function)> interface_seen);
  // A function's claim has changed.
  void ClaimChanged(const FunctionId& function);

  // In the order of the addresses.
  std::vector<HostFunction> List() const;
  // NotFound, with what there is, if it is no function of a card.
  absl::StatusOr<HostFunction> Find(const FunctionId& function) const;

  // While it lives, `listener` is called with the list at once and after each change, one call at a time.
  class Subscription {
   public:
    ~Subscription();
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

   private:
    friend class Inventory;
    Subscription(Inventory& inventory, uint64_t id) : inventory_(inventory), id_(id) {}
    Inventory& inventory_;
    const uint64_t id_;
  };
  // The listener must not call the inventory. The inventory must outlive the subscription.
  [[nodiscard]] std::unique_ptr<Subscription> Subscribe(Listener listener);

 private:
  struct Known {
    HostFunction function;
    bool present = false;
    bool pf_present = false;
    bool has_interface = false;
  };
  struct SeenLink {
    std::string name;
    std::optional<FunctionId> function;
  };

  void LinkChanged(const Link& link, bool gone);
  // The function that a new interface is of; a whole Refresh is posted where only the bus can tell.
  std::optional<FunctionId> Identify(const Link& link);
  // Reads one function again, unless it has a claim: then it is healthy whatever its interface does.
  void RefreshFunction(const FunctionId& function);
  void PostRefresh();
  // Takes what the bus says about a function that is one of a configured card.
  void Note(const PciFunction& read, const CardConfig& card) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void UpdateHealth(Known& known) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Tells the listeners if the list is not what they were told last.
  void TellIfChanged();

  const std::vector<CardConfig> cards_;
  PciBus& bus_;
  const std::function<ClaimHealth(const FunctionId&)> claim_health_;

  // The loop's.
  std::unique_ptr<Netlink::Monitor> monitor_;
  std::function<void(const FunctionId&)> interface_seen_;
  std::map<int, SeenLink> links_;
  EventLoop* loop_ = nullptr;
  bool refresh_posted_ = false;
  // The cards' interfaces name their device, so that one which does not is none of them.
  bool hardware_ = false;

  mutable absl::Mutex mu_;
  std::map<FunctionId, Known> functions_ ABSL_GUARDED_BY(mu_);
  // Interfaces of the cards' functions, the physical ones included.
  std::map<std::string, FunctionId> interfaces_ ABSL_GUARDED_BY(mu_);
  // Held while listeners are called, so that they see the lists in order. Taken before mu_.
  absl::Mutex listeners_mu_ ABSL_ACQUIRED_BEFORE(mu_);
  std::map<uint64_t, Listener> listeners_ ABSL_GUARDED_BY(listeners_mu_);
  std::vector<HostFunction> told_ ABSL_GUARDED_BY(listeners_mu_);
  uint64_t next_listener_ ABSL_GUARDED_BY(listeners_mu_) = 1;
};

}  // namespace xpu
