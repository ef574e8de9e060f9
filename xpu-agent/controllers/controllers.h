#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/ip_address.h"
#include "common/kube/resource_store.h"

namespace xpu {

class OpiClient;

struct ControllerOptions {
  // Name of this agent's card, as in Netdev.spec.card.
  std::string card;
  // Where the card's tunnels to the other cards end; nothing if it has none, then networks are on this card
  // only.
  std::optional<IpAddress> vtep;
  // How long address blocks of a network stay with the card after its last port there, so that pods that come
  // and go do not claim them anew each time.
  absl::Duration keep_blocks = absl::Minutes(5);
  // How long another card may take to let go of an address in its blocks that a pod of this one asks for.
  absl::Duration address_patience = absl::Seconds(3);
  // How long after a port came or went its Network's status says so: one write for all that come meanwhile.
  absl::Duration count_after = absl::Seconds(1);
  // Delays after an error, of an object and of a broken watch.
  Backoff::Options backoff;
  // Not owned; null for the system's.
  Clock* clock = nullptr;
};

// The xPU agent's controllers: turn the Network, Netdev and ServiceChain resources of a card into OPI calls
// and write what came of it into their status. They use an OPI agent like any other client would, so it may
// be this process's own or another vendor's bridge.
//
// Network → LogicalBridge "<namespace>.<name>" with its subnets; the finalizer
// "xpu.opiproject.org/<card>-network" keeps a Network until its bridge is gone. Netdev of this card → bridge
// port, isolated or bound; the finalizer "xpu.opiproject.org/port" keeps it until the port is released.
//
// ServiceChain → the network functions of the chain "<namespace>.<name>"; the finalizer
// "xpu.opiproject.org/<card>-chain" keeps it until they are gone.
//
// A card with tunnels has a Card resource, and the ports of other cards that are in its networks, as their
// Netdevs and Cards say, become remote ports of the OPI agent. A card with tunnels gives only addresses of
// the AddressBlocks that it has claimed, so that no two cards give one.
//
// All is level-triggered: what was missed while the store or the OPI agent was away is made up for when it is
// back. An error stays with the object it belongs to, is shown in its condition "Ready", and is tried again
// with a growing delay.
class Controllers {
 public:
  // Starts threads and returns at once, whether or not store and agent can be reached. `store` and `opi` are
  // not owned and must outlive the object. Takes the place of opi's observers. InvalidArgument if
  // the card has no name.
  static absl::StatusOr<std::unique_ptr<Controllers>> Start(const ControllerOptions& options,
                                                            ResourceStore& store, OpiClient& opi);
  // Stops; waits for calls that are under way.
  ~Controllers();

  // Gets the card a block of addresses of the logical bridge, as AddressSource (xpu-agent/services) says.
  // `done` is called at the latest when this object goes.
  void WantAddresses(const std::string& bridge, const std::string& need,
                     std::function<void(const absl::Status&)> done);

  Controllers(const Controllers&) = delete;
  Controllers& operator=(const Controllers&) = delete;

 private:
  struct State;
  explicit Controllers(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace xpu
