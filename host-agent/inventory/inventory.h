#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/base/event_loop.h"
#include "common/base/function_id.h"
#include "common/sys/netlink.h"
#include "common/sys/pci_bus.h"
#include "host-agent/inventory/bus_reader.h"
#include "host-agent/inventory/card.h"
#include "host-agent/inventory/card_ports.h"

namespace xpu {

// One function that pods can be given: a virtual function or a subfunction of a configured card.
struct HostFunction {
  FunctionId id;
  PciAddress pf;
  std::string card;
  // The card has an xPU agent, which answers for the function: it is a DPU.
  bool has_agent = true;
  // Id of its bridge port at the card's xPU agent: "host<PF>-<VF>", or "host<PF>-sf<number>", where the PF
  // counts as its function number.
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
  // Why it is not, and what to do. Of one that is healthy: what of the configuration waits for it to be free.
  std::string reason;
  friend bool operator==(const HostFunction&, const HostFunction&) = default;
};

// What the journal says about a function, as far as health is concerned.
struct ClaimHealth {
  bool claimed = false;
  // Why it cannot be given to another although its pod is gone; empty if nothing is the matter.
  std::string stuck;
};

// What listeners are told.
struct InventoryList {
  // In the order of their ids.
  std::vector<HostFunction> functions;
  // Rows of the journal, of functions that are not in the list too.
  int claims = 0;
  friend bool operator==(const InventoryList&, const InventoryList&) = default;
};

// The functions of this host's cards, kept up to date by the kernel's news of interfaces and devices and by
// the cards' word on their representors: nothing is polled. A function is healthy if all of this is so:
//   - its physical function is there, and has carrier if it has an interface that is up;
//   - it is there itself, with the driver that the setup of its physical function asks for;
//   - it has an interface in the host's namespace, or a claim, or is bound to vfio-pci;
//   - its claim, if it has one, is not stuck in being undone;
//   - its card has been heard of lately, and calls its representor healthy.
// One that was there and vanished stays listed, as not healthy, unless its physical function is set up to be
// without it. Until a card has said its first word it is taken to be well, so that a restart changes nothing.
//
// Find, CheckGivable, Resolve, List, ReadNow and Subscribe are safe from any thread; the rest belongs to the
// loop's.
class Inventory {
 public:
  using Listener = std::function<void(const InventoryList&)>;

  // `bus` is not owned. `claim_health` and `claims`, which gives the number of the journal's rows and may be
  // null, are called from the loop and must not block.
  Inventory(std::vector<CardConfig> cards, PciBus& bus,
            std::function<ClaimHealth(const FunctionId&)> claim_health,
            std::function<int()> claims = nullptr);

  // Reads the bus here and now: for before the loop runs, as once it follows the inventory reads what it
  // needs by itself, on a thread for that. What was known stays if it fails.
  absl::Status Refresh();

  // Called on the loop; any may be null.
  struct Observers {
    // A function has an interface in the host's namespace; again whenever one appears.
    std::function<void(const FunctionId& function)> interface_seen;
    // A physical function, or one of its functions, has appeared, vanished or changed its driver or
    // interface.
    std::function<void(const PciAddress& pf)> pf_changed;
  };
  // Follows the devices of the bus, and the interfaces of `netlink`'s namespace, which is the host's.
  absl::Status Follow(EventLoop& loop, Netlink& netlink, Observers observers);
  // Has the bus read, and waits for it: what there is now, which the inventory takes too. After Follow; not
  // on the loop.
  BusReader::Reading ReadNow();
  // A function's claim has changed.
  void ClaimChanged(const FunctionId& function);
  // What a card says of its representors.
  void CardPortsChanged(const std::string& card, const absl::StatusOr<CardPorts>& ports);
  // How far a physical function is from its setup, and why; `refusals` the same of single functions. Has the
  // bus read again.
  void PfSetUp(const PciAddress& pf, const std::string& reason, std::map<FunctionId, std::string> refusals);

  // In the order of their ids.
  std::vector<HostFunction> List() const;
  // NotFound, with what there is, if it is no function of a card.
  absl::StatusOr<HostFunction> Find(const FunctionId& function) const;
  // FailedPrecondition if the function is free and not healthy, for another cause than that nothing is heard
  // of its card: that the card's own answer says better. NotFound as Find.
  absl::Status CheckGivable(const FunctionId& function) const;
  // The function that `text` names: its id (which need not be one of a card), or the name of a subfunction on
  // the auxiliary bus as it is at the moment, "mlx5_core.sf.4". InvalidArgument if it is neither; NotFound if
  // there is no such name on the bus.
  absl::StatusOr<FunctionId> Resolve(absl::string_view text) const;

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
    bool has_interface = false;
    bool claimed = false;
    // The request to the reader of the bus that tells what became of it; until then it stays as it was.
    std::optional<uint64_t> asked;
    // Not healthy for another cause than its card's silence.
    bool unfit = false;
  };
  // A physical function.
  struct Pf {
    CardConfig config;
    bool present = false;
    std::string name;
    std::string link_type;
    uint16_t vendor = 0;
    uint16_t device = 0;
    int numa_node = -1;
    // Its interface that is up without carrier; empty if all is well.
    std::string no_carrier;
    // Of PfSetUp.
    std::string reason;
    std::map<FunctionId, std::string> refusals;
  };
  struct SeenLink {
    Link link;
    std::optional<FunctionId> function;
  };
  // What pf_changed is about, of one function: its driver, and whether it has an interface or a claim.
  using Trait = std::tuple<FunctionId, std::string, bool>;

  // How an interface looks: its kind, and whether it names its device.
  using Look = std::pair<std::string, bool>;

  void LinkChanged(const Link& link, bool gone);
  // The function that an interface is of.
  std::optional<FunctionId> Identify(const Link& link) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The same for one that appears; the bus is to be read where only that can tell.
  std::optional<FunctionId> IdentifyNew(const Link& link);
  static Look LookOf(const Link& link);
  // Whether an interface may be one of the cards', by its look.
  bool MayBeOurs(const Link& link) const;
  // Whether one of the interfaces that were told of is the function's.
  bool HasLink(const FunctionId& function) const;
  bool IsPf(const FunctionId& function) const;
  // Takes what is known of a function's claim and interface. Where neither is there, the bus is asked what
  // became of it, and until it has answered the function is what it was: the kernel tells of an interface
  // that has come home when it likes.
  void UpdateFunction(const FunctionId& function);
  // Looks at the interfaces of a physical function again.
  void RefreshCarrier(const PciAddress& pf);
  // Has the bus read; nothing before Follow.
  void ReadAgain();
  void Take(const BusReading& reading);
  // The part of a whole reading that is about the physical functions.
  void TakePfs(const BusReading& reading) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::set<PciAddress> PfAddresses() const;
  // Takes what the bus says about a function of `pf`.
  void Note(const PciFunction& read, const Pf& pf) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Note(const Subfunction& read, const Pf& pf) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Takes the rest, which the two have alike.
  Known& NoteCommon(const FunctionId& id, const Pf& pf, const std::vector<std::string>& netdevs,
                    const std::vector<std::string>& rdma_devices, const std::vector<std::string>& rdma_nodes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Forgets functions that are gone and are to be.
  void Prune() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What of a physical function has changed since the last call is told to the observer, by the caller and
  // without the lock.
  bool TraitsChanged(const PciAddress& pf) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void UpdateHealth(Known& known) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void UpdateHealthOf(const PciAddress& pf) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Why a function is not healthy, its card's silence aside; empty if nothing is wrong.
  std::string FaultOf(const Known& known, const Pf& pf, const ClaimHealth& claim) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Tells the listeners if the list is not what they were told last.
  void TellIfChanged();
  InventoryList Current() const;

  PciBus& bus_;
  const std::function<ClaimHealth(const FunctionId&)> claim_health_;
  const std::function<int()> claims_;

  // The loop's.
  std::unique_ptr<Netlink::Monitor> links_monitor_;
  std::unique_ptr<PciBus::Monitor> functions_monitor_;
  Observers observers_;
  std::map<int, SeenLink> links_;
  // Physical functions that the bus has told of since the last look.
  std::set<PciAddress> replugged_;
  // Of the cards' interfaces: others need not be looked at.
  std::set<Look> looks_;
  // For what is posted to the loop.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  mutable absl::Mutex mu_;
  std::map<PciAddress, Pf> pfs_ ABSL_GUARDED_BY(mu_);
  std::map<FunctionId, Known> functions_ ABSL_GUARDED_BY(mu_);
  std::map<PciAddress, std::vector<Trait>> traits_ ABSL_GUARDED_BY(mu_);
  // Interfaces of the cards' functions, the physical ones included.
  std::map<std::string, FunctionId> interfaces_ ABSL_GUARDED_BY(mu_);
  // Names on the auxiliary bus.
  std::map<std::string, FunctionId> auxiliary_ ABSL_GUARDED_BY(mu_);
  // By card; one that has not said anything, or cannot, has none.
  std::map<std::string, absl::StatusOr<CardPorts>> ports_ ABSL_GUARDED_BY(mu_);
  // Held while listeners are called, so that they see the lists in order. Taken before mu_.
  absl::Mutex listeners_mu_ ABSL_ACQUIRED_BEFORE(mu_);
  std::map<uint64_t, Listener> listeners_ ABSL_GUARDED_BY(listeners_mu_);
  InventoryList told_ ABSL_GUARDED_BY(listeners_mu_);
  uint64_t next_listener_ ABSL_GUARDED_BY(listeners_mu_) = 1;

  // Null before Follow. Last, so that its thread is gone before anything else.
  std::unique_ptr<BusReader> reader_;
};

}  // namespace xpu
