#pragma once

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
#include "host-agent/alloc/allocator.h"
#include "host-agent/attach/attach_request.h"
#include "host-agent/attach/host_side.h"
#include "host-agent/attach/workers.h"
#include "host-agent/inventory/inventory.h"
#include "host-agent/ipam/ipam.h"
#include "host-agent/session/card_session.h"

namespace xpu {

// Takes functions through their life, on host and card: journal first, then both sides at once, and back by
// the journal alone. Errors are CNI errors (host-agent/cni/cni_error.h).
//
// Blocks for the kernel and the card. Calls about one function must come one after the other (KeyedExecutor);
// different functions are independent.
class Attacher {
 public:
  // Not owned; a session for each card of the inventory, which may come later than this object but before its
  // first call.
  struct Parts {
    Allocator& allocator;
    Inventory& inventory;
    HostSide& host;
    std::map<std::string, CardSession*> sessions;
    // Null: a configuration with an IPAM plugin is refused.
    IpamRunner* ipam = nullptr;
    // Called when the outcome of StuckReason may have changed; may be null.
    std::function<void(const FunctionId&)> stuck_changed;
  };
  explicit Attacher(Parts parts);

  // Claims a free function for a container that has not started and prepares its port, isolated. One that is
  // just claimed stays as it is: its container never came. `begun`, if not null, is set to whether a claim
  // was begun.
  absl::StatusOr<ClaimRow> Claim(const FunctionId& function, bool* begun);
  // Undoes a claim that was not used.
  absl::Status Unclaim(const FunctionId& function, int64_t claim);

  // ADD: the function is in the pod, in its network and confirmed by the switch, and the row says so. A
  // failure undoes all. The same request again gives the same answer if all is still there; otherwise it
  // starts afresh.
  absl::StatusOr<ClaimRow> Add(const AttachRequest& request);
  // DEL: nothing is left of that attachment of the function. What the card could not be told, or a namespace
  // that is gone has not given back yet, is no error: the row remembers it, and Settle finishes it.
  absl::Status Del(const FunctionId& function, const std::string& container_id, const std::string& ifname);

  // CHECK (CNI specification 1.1.0, section 2): the attachment is there as `prev_result`, the result of its
  // ADD as JSON of any version, says, in the pod and at the card. A CNI error says what is missing or
  // different; nothing is put right.
  absl::Status Check(const AttachRequest& request, const std::string& prev_result);
  // For a GC: DEL by the key of an attachment (container id and interface name).
  absl::Status Release(const FunctionId& function, const Attachment& key);

  // The other half of a DEL: gives back a claim of the function that no attachment came of, as its container
  // is being torn down.
  absl::Status ReleaseUnused(const FunctionId& function);

  // Brings host and card in line with the function's row: finishes what is being undone or was never
  // completed, and tells the card again what it should hold. Called when that may be possible or needed: the
  // card is back, an interface has appeared.
  void Settle(const FunctionId& function);
  // Settle after a start of the process: also undoes an attachment whose interface is no longer in its pod.
  void Recover(const FunctionId& function);

  // Why a function that is being undone is not free yet, after a try; empty otherwise. Safe from any thread.
  std::string StuckReason(const FunctionId& function) const;

 private:
  struct Undone {
    absl::Status journal;
    absl::Status host;
    absl::Status card;
    absl::Status ipam;
    // The host's side is done, not only without error.
    bool host_restored = false;
  };
  // An ADD under way.
  struct Job {
    const AttachRequest& request;
    std::shared_ptr<NetNamespace> pod;
    // The interface at home; nothing in it for a function that has none.
    Link home;
    PfChange pf;
    ClaimRow row;
    IpamResult ipam;
    // What becomes of it.
    Confirmation confirmation;
  };

  // The row of a function that is free, or just claimed, of which `claimed` says more; its interface is at
  // `home`.
  absl::StatusOr<ClaimRow> Draft(const FunctionId& function, const std::optional<ClaimRow>& claimed,
                                 Link* home);
  absl::StatusOr<ClaimRow> AttachNow(const AttachRequest& request);
  // Both sides of ADD after the row is written.
  absl::Status Act(Job& job);
  // The same for a plugin that needs the interface.
  absl::Status ActInTurn(Job& job, CardSession& session);
  // Has the plugin give addresses, if one is to.
  absl::Status AskIpam(Job& job);
  // What the physical function keeps, and the interface in its pod.
  absl::Status MoveIn(const Job& job);
  // The interface with all that card and plugin gave, and the result of the ADD.
  absl::Status Finish(Job& job);

  // Whether an attachment is complete, and what the request asks for.
  bool IsAsAsked(const ClaimRow& row, const AttachRequest& request);
  // Undoes what is left of a claim, so that the function is free; why it is not otherwise.
  absl::Status Free(const ClaimRow& row);
  Undone Undo(const ClaimRow& row);
  absl::Status GiveBackAddresses(const ClaimRow& row);
  void SetStuck(const FunctionId& function, const std::string& reason);
  // Who tags the function's frames.
  Tagger TaggerOf(const FunctionId& function) const;
  // The session of a card; null if the card is configured no more.
  CardSession* SessionOf(const ClaimRow& row) const;
  absl::StatusOr<CardSession*> NeedSession(const ClaimRow& row) const;

  Parts parts_;
  mutable absl::Mutex mu_;
  std::map<FunctionId, std::string> stuck_ ABSL_GUARDED_BY(mu_);
  // Do the card's half while the function's own thread does the host's; they wait for nothing but the card.
  // They give way to that thread until it waits for the kernel: the move takes longer than the card.
  Workers card_workers_;
};

}  // namespace xpu
