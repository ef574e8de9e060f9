#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "host-agent/alloc/allocator.h"
#include "host-agent/inventory/card_ports.h"

namespace xpu {

class OpiClient;

// This host's side of one card: the calls to its xPU agent in the words of the journal, and what the two have
// yet to agree on.
//
// Each time the agent can be reached again, and a while after a call failed although it can, what the agent
// holds is compared with the journal: a binding under a claim that no row holds any more is released, and the
// functions whose row and binding differ are given to `settle`. A port that is only prepared, for a claim
// that a loss of power took out of the journal, is not found this way; it passes nothing, and the next claim
// takes its place.
//
// Safe from any thread.
class CardSession {
 public:
  struct Options {
    std::string card;
    Backoff::Options backoff = {.initial = absl::Milliseconds(200), .max = absl::Seconds(30)};
    // What the card calls the namespaces of this host's cluster, and then Networks of no other namespace can
    // be used; empty: it calls them the same.
    std::map<std::string, std::string> namespaces = {};
    // Not owned; null for the system's.
    Clock* clock = nullptr;
    // Follows how the functions' representors are, and that the agent lives; null: nobody wants to know.
    // Called on a thread of the client's; must not block.
    CardPortsChanged ports_changed = nullptr;
  };
  // Brings card and journal together for one function, in turn with all else that is done to it; must not
  // block.
  using Settle = std::function<void(const FunctionId& function)>;

  // `client` and `allocator` are not owned. Takes the place of the client's observers.
  CardSession(Options options, OpiClient& client, Allocator& allocator, Settle settle);
  ~CardSession();
  CardSession(const CardSession&) = delete;
  CardSession& operator=(const CardSession&) = delete;

  // Begins to follow the connection and the ports.
  void Start();
  // Gives nothing to `settle` any more; the calls still work.
  void Stop();

  // The calls; each blocks for as long as the client's deadline at most. Errors are the xPU agent's, named by
  // the card; a NotFound of Bind is FailedPrecondition if it is the function that the card does not have, and
  // remains NotFound if it is the network.

  // The function's port is there, with nothing allowed to pass.
  absl::Status Prepare(const ClaimRow& row);
  // The function is in its network, confirmed by the switch. With an attachment to the network of a VLAN the
  // card takes the addresses of the row as they are; else they are in the Network's prefixes.
  absl::StatusOr<Confirmation> Bind(const ClaimRow& row);
  // Whether the card holds a confirmed row as it is: FailedPrecondition, saying what is different, if not.
  // Changes nothing.
  absl::Status CheckBinding(const ClaimRow& row);
  // The claim is over at the card, which has written that down; its switch follows. OK also if the card knows
  // nothing of it, or a newer one.
  absl::Status Release(const ClaimRow& row);

  // Compares again after a growing delay: something could not be done although the card answers.
  void TryAgainLater();

  const std::string& card() const { return options_.card; }

 private:
  void ConnectionChanged(bool connected);
  void Run();
  absl::Status Compare();
  // Notes that the card answered as it should.
  void Succeeded();

  const Options options_;
  OpiClient& client_;
  Allocator& allocator_;
  const Settle settle_;

  absl::Mutex mu_;
  Backoff backoff_ ABSL_GUARDED_BY(mu_);
  bool connected_ ABSL_GUARDED_BY(mu_) = false;
  bool compare_now_ ABSL_GUARDED_BY(mu_) = false;
  // InfiniteFuture: no need.
  absl::Time compare_at_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace xpu
