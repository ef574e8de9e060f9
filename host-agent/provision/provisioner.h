#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/backoff.h"
#include "common/base/function_id.h"
#include "common/sys/devlink.h"
#include "common/sys/pci_bus.h"
#include "host-agent/alloc/journal.h"
#include "host-agent/inventory/bus_reader.h"
#include "host-agent/inventory/card.h"
#include "host-agent/provision/claim_gate.h"
#include "host-agent/provision/plan.h"

namespace xpu {

// A physical function as it was found last.
struct PfState {
  PciAddress pf;
  std::string card;
  PfSetup setup;
  bool present = false;
  int vfs = 0;
  int total_vfs = 0;
  // Active ones.
  int sfs = 0;
  // Why it is not as its setup has it, and what to do; empty if it is.
  std::string reason;
  // The same of its functions.
  std::map<FunctionId, std::string> refusals;
  friend bool operator==(const PfState&, const PfState&) = default;
};

// Gives the cards' physical functions the functions that their setups ask for: at start, and whenever Look
// says that something may have changed. What it finds is all that counts, so that it goes on where a process
// that was killed has stopped. A function in use is never changed (plan.h); what it stands in the way of is
// done once it is free.
//
// Safe from any thread. The work is done on a thread of its own, one physical function after the other.
class Provisioner {
 public:
  struct Parts {
    // Not owned. `devlink` may be null where there are no subfunctions to make. The bus is for changes only.
    PciBus& bus;
    Devlink* devlink = nullptr;
    ClaimGate& gate;
    // What there is on the bus now: Inventory::ReadNow, as one reader is enough.
    std::function<BusReader::Reading()> read;
    // The rows of the journal, those that were written before the call included. Safe from any thread.
    std::function<std::vector<ClaimRow>()> rows;
    // Called on the provisioner's thread whenever something was changed or found changed; must not wait for
    // the provisioner.
    std::function<void(const PfState& state)> changed;
    // Delays before what failed is tried again, if that may help.
    Backoff::Options backoff = {.initial = absl::Milliseconds(500), .max = absl::Minutes(1)};
  };
  Provisioner(std::vector<CardConfig> cards, Parts parts);
  // Stops.
  ~Provisioner();
  Provisioner(const Provisioner&) = delete;
  Provisioner& operator=(const Provisioner&) = delete;

  // Begins, with all physical functions.
  void Start();
  // Finishes the step it is at and begins none any more. Whatever else is called then does no harm, and
  // nothing.
  void Stop();
  // Something about the physical function may have changed: it, its functions, or whose they are. One that is
  // none of a card is passed over.
  void Look(const PciAddress& pf);
  // A function may be free now: Look, where a function in use may stand in the way.
  void Freed();

  // Gives a physical function that is configured to be used as it is another number of virtual functions: at
  // once, or not at all. `done` is called once, on the provisioner's thread or the caller's, with how many
  // there are.
  //   NotFound            it is none of a card
  //   FailedPrecondition  the configuration says another number, or something is in use; the message says
  //                       what
  //   Unavailable         the provisioner goes away
  void SetVfs(const PciAddress& pf, int count, std::function<void(absl::StatusOr<int>)> done);

  // In the order of the cards.
  std::vector<PfState> States() const;

 private:
  struct VfsRequest {
    int count = 0;
    std::function<void(absl::StatusOr<int>)> done;
  };
  struct Pf {
    CardConfig config;
    PfState state;
    bool look = false;
    bool busy = false;
    // A function became free meanwhile.
    bool freed = false;
    // Of SetVfs.
    std::deque<VfsRequest> requests;
    // When to try again; InfiniteFuture: when something changes.
    absl::Time retry_at = absl::InfiniteFuture();
    Backoff backoff;
  };
  void ThreadMain();
  // Brings one physical function to its setup; `state` gets what was found, `acted` whether a step was tried.
  absl::Status Provision(const CardConfig& config, PfState* state, bool* acted);
  // What became of a request, after it was tried.
  absl::StatusOr<int> TrySetVfs(const CardConfig& config, int count);
  absl::StatusOr<PfView> Read(const CardConfig& config, PfState* state);
  // Notes whose functions are by the journal; whether there are more than were noted already.
  bool AddHolders(PfView* view) const;
  absl::Status Do(const ProvisionStep& step);
  bool Stopping() const;

  const Parts parts_;
  mutable absl::Mutex mu_;
  std::vector<Pf> pfs_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace xpu
