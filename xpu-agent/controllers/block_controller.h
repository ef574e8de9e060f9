#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/ip_address.h"
#include "common/kube/resource_store.h"

namespace xpu {

class OpiClient;

// The parts of networks' prefixes that this card may give addresses of: AddressBlock resources, each of which
// one card gets because its name says what addresses are in it. A block is claimed when an address is wanted
// and none is left, and given back when the card has no port in the network any more.
//
// One address that lies in another card's block is asked for by an annotation of that block. Its card cuts it
// out, unless a port of its own has it, which is noted in another annotation and stays so for as long as the
// block is there, and makes a block of that address alone for the one that asked. Blocks of a card that is
// gone (it has no Card and no ports) are for whoever wants them.
class BlockController {
 public:
  struct Deps {
    ResourceStore* store = nullptr;
    OpiClient* opi = nullptr;
    // Name of this agent's card.
    std::string card;
    // The Network resource as the informer knows it.
    std::function<std::optional<Resource>(const ResourceName& network)> get_network;
    // Whether all Networks and all blocks of this card are known; until then nothing is done. From any
    // thread.
    std::function<bool()> known;
    // Brings the network to Reconcile().
    std::function<void(const ResourceName& network)> enqueue;
    // Calls `work` after so long, on any thread, unless everything ends before.
    std::function<void(absl::Duration delay, std::function<void()> work)> later;
    // How long another card may take to let go of an address.
    absl::Duration patience = absl::Seconds(3);
  };
  explicit BlockController(Deps deps) : deps_(std::move(deps)) {}
  // Answers those who still wait.
  ~BlockController() { Stop(); }

  // An AddressBlock of this card is there, or has changed; it is gone.
  void Add(const Resource& block);
  void Remove(const Resource& block);
  // How many Netdevs of this card are in the network: without any its blocks go back.
  void SetUses(const ResourceName& network, int uses);

  // Ports of the network came or went: blocks that were in use when they were to be given back may go now.
  void PortsChanged(const ResourceName& network);

  // Tells the OPI agent the blocks of the network. Before this it must not give addresses.
  absl::Status Tell(const ResourceName& network);
  // Claims a block that has `need` (an address, "IPv4" or "IPv6"), tells the OPI agent, then calls `done`.
  // From any thread.
  void Want(const ResourceName& network, const std::string& need,
            std::function<void(const absl::Status&)> done);
  // All is known now.
  void Known();
  void Stop();

  // Does what is wanted, or gives back what is not needed. From one thread at a time for one network.
  absl::Status Reconcile(const ResourceName& network);

 private:
  struct Wanted {
    std::string need;
    std::function<void(const absl::Status&)> done;
  };
  struct Held {
    ResourceName name;
    // Of the object that was seen or made last: a block that was given back and claimed again has another
    // one.
    std::string uid;
    // Addresses that were cut out of it for other cards.
    std::set<IpAddress> lent;
  };
  // An address of this card's that another card asks for.
  struct AskedOfUs {
    IpAddress address;
    std::string card;
  };
  using Blocks = std::map<IpPrefix, Held>;

  // False: another card has been asked for it.
  absl::StatusOr<bool> Claim(const ResourceName& network, const std::string& need);
  absl::StatusOr<bool> ClaimAddress(const ResourceName& network, const std::vector<IpPrefix>& prefixes,
                                    const IpAddress& address);
  absl::StatusOr<bool> ClaimAny(const ResourceName& network, const std::vector<IpPrefix>& prefixes,
                                IpFamily family);
  // AlreadyExists if another card has the block: that card, if it is wanted to be known.
  absl::Status Take(const ResourceName& network, const IpPrefix& block, std::string* owner = nullptr);
  // Addresses of a block that is now this card's and that cards had before it stay with them.
  absl::StatusOr<std::set<IpAddress>> LeftByOthers(const ResourceName& network, const IpPrefix& block);
  // Deletes the block if its card is gone; whether it did.
  absl::StatusOr<bool> Reclaim(const ResourceName& network, const Resource& block);
  absl::StatusOr<bool> IsGone(const ResourceName& network, const std::string& card);
  absl::Status Ask(const ResourceName& network, const IpPrefix& block, const IpAddress& address);
  absl::Status Lend(const ResourceName& network, const AskedOfUs& asked);
  void GiveUp(const ResourceName& network, const std::string& need);
  absl::Status GiveBack(const ResourceName& network);
  absl::Status TellBlocks(const ResourceName& network, const std::vector<IpPrefix>& blocks)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(tell_mu_);
  std::vector<IpPrefix> BlocksOf(const ResourceName& network) const;

  const Deps deps_;
  // Held from when the blocks are looked up until the OPI agent has them, so that it never hears an older
  // list last.
  absl::Mutex tell_mu_ ABSL_ACQUIRED_BEFORE(mu_);
  mutable absl::Mutex mu_;
  std::map<ResourceName, Blocks> blocks_ ABSL_GUARDED_BY(mu_);
  std::map<ResourceName, int> uses_ ABSL_GUARDED_BY(mu_);
  std::map<ResourceName, std::vector<Wanted>> wanted_ ABSL_GUARDED_BY(mu_);
  // Those that another card was asked for.
  std::map<ResourceName, std::vector<Wanted>> asked_ ABSL_GUARDED_BY(mu_);
  std::map<ResourceName, std::vector<AskedOfUs>> asked_of_us_ ABSL_GUARDED_BY(mu_);
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
};

// Length of the blocks that a prefix is cut into: small enough that many cards find one, large enough that a
// card does not ask for one with every pod.
int BlockLengthOf(const IpPrefix& prefix);
// The block of the prefix that the address is in.
IpPrefix BlockAround(const IpPrefix& prefix, const IpAddress& address);
// The block but for these addresses, in as few prefixes as it takes.
std::vector<IpPrefix> BlockWithout(const IpPrefix& block, const std::set<IpAddress>& out);
// Name of the AddressBlock of that block: the same on every card.
std::string BlockName(const std::string& network, const IpPrefix& block);

}  // namespace xpu
