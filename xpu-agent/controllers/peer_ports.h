#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/base/backoff.h"
#include "common/base/event_loop.h"
#include "common/base/ip_address.h"
#include "common/ctrl/controller.h"
#include "common/kube/informer.h"
#include "common/kube/resource_store.h"

namespace xpu {

class OpiClient;

// The ports that other cards have in the networks of this card, and in those that these are routed to:
// Netdevs of those networks, and only of those, are watched, and the OPI agent is told of every change. A
// Netdev counts while it is attached and its card has a tunnel end. All but Reconcile() is called on the
// loop.
class PeerPorts {
 public:
  struct Deps {
    EventLoop* loop = nullptr;
    ResourceStore* store = nullptr;
    OpiClient* opi = nullptr;
    Backoff::Options backoff;
    // Name of this agent's card.
    std::string card;
    // Brings the network to Reconcile().
    std::function<void(const ResourceName& network)> enqueue;
  };
  explicit PeerPorts(Deps deps) : deps_(std::move(deps)) {}
  // On the loop or when it does not run; no Reconcile() is under way.
  ~PeerPorts() = default;

  // A Netdev of this card is, or is no longer, in a network.
  void SetOwn(const ResourceName& netdev, const std::optional<ResourceName>& network);
  // In which routing domain a network is, by any name; nothing: in none that it shares.
  void SetDomain(const ResourceName& network, const std::optional<std::string>& domain);
  // All cards are known.
  void CardsKnown();
  // Where tunnels to that card end; nothing if it is to be sent nothing.
  void SetCard(const std::string& card, const std::optional<IpAddress>& vtep);
  // The OPI agent may have become another one, or have forgotten that network's bridge.
  void TellAllAgain();
  void TellAgain(const ResourceName& network);
  // No handler of an informer is called any more.
  void Stop();

  // Tells the OPI agent what is new in that network. From one thread at a time for one network.
  absl::Status Reconcile(const ResourceName& network);

 private:
  // A port of another card.
  struct Peer {
    std::string card;
    std::string mac;
    std::vector<std::string> addresses;
    friend bool operator==(const Peer&, const Peer&) = default;
  };
  struct Network {
    // Empty once no port of this card reaches it.
    std::unique_ptr<Informer> informer;
    bool is_known = false;
    std::map<ResourceName, Peer> peers;
    // What the agent has not been told yet; everything, if `replace`.
    std::set<ResourceName> news;
    bool replace = true;
  };

  // Starts to follow the networks that ports of this card reach now, and ends it for the others, of which
  // `ended` gets the informers.
  void FollowReached(std::vector<std::unique_ptr<Informer>>* ended) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Follow(const ResourceName& network) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnNetdev(const ResourceName& network, const ResourceName& name, const Resource* object);
  std::optional<Peer> PeerOf(const Resource& netdev) const;

  const Deps deps_;
  absl::Mutex mu_;
  std::map<ResourceName, ResourceName> own_ ABSL_GUARDED_BY(mu_);
  // How many of `own_` are in it.
  std::map<ResourceName, int> uses_ ABSL_GUARDED_BY(mu_);
  std::map<ResourceName, std::string> domains_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, IpAddress> vteps_ ABSL_GUARDED_BY(mu_);
  bool cards_known_ ABSL_GUARDED_BY(mu_) = false;
  std::map<ResourceName, Network> networks_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
