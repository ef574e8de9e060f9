#include "xpu-agent/controllers/controllers.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/api/api.h"
#include "common/api/field_labels.h"
#include "common/base/event_loop.h"
#include "common/ctrl/controller.h"
#include "common/ctrl/event_recorder.h"
#include "common/kube/informer.h"
#include "common/kube/metadata.h"
#include "common/opi/opi_client.h"
#include "xpu-agent/controllers/block_controller.h"
#include "xpu-agent/controllers/card_controller.h"
#include "xpu-agent/controllers/netdev_controller.h"
#include "xpu-agent/controllers/network_controller.h"
#include "xpu-agent/controllers/outcome.h"
#include "xpu-agent/controllers/peer_ports.h"
#include "xpu-agent/controllers/service_chain_controller.h"
#include "xpu/api/v1alpha1/address_block.pb.h"
#include "xpu/api/v1alpha1/card.pb.h"
#include "xpu/api/v1alpha1/netdev.pb.h"
#include "xpu/api/v1alpha1/network.pb.h"
#include "xpu/api/v1alpha1/service_chain.pb.h"

namespace xpu {
namespace {

// Each waits for the switch; several changes then share one round of it.
constexpr int kNetdevWorkers = 4;

// The text in that field of the spec; empty if there is none.
std::string SpecOf(const Resource& object, const char* field) {
  const auto spec = object.find("spec");
  if (spec == object.end() || !spec->is_object()) return "";
  const auto text = spec->find(field);
  return text != spec->end() && text->is_string() ? text->get<std::string>() : "";
}
std::string NetworkNameOf(const Resource& netdev) { return SpecOf(netdev, "network"); }

// The routing domain that the Network shares with others of its namespace; nothing if it shares none.
std::optional<std::string> DomainOf(const ResourceName& name, const Resource& object) {
  const auto network = api::Decode<api::v1alpha1::Network>(object);
  if (!network.ok() || network->spec().vrf().empty() || network->spec().gateways().empty())
    return std::nullopt;
  return absl::StrCat(name.ns, "/", network->spec().vrf());
}

}  // namespace

// The informers' handlers run on the loop and fill the two queues, whose workers call the controllers.
struct Controllers::State {
  State(const ControllerOptions& opts, ResourceStore& store_in, OpiClient& opi_in)
      : options(opts),
        store(store_in),
        opi(opi_in),
        events({.component = "xpu-agent", .host = opts.card, .backoff = opts.backoff}, store_in, *opts.clock),
        networks(opts.card, NetworkDeps()),
        netdevs(NetdevDeps()),
        cards(opts.card, opts.vtep.value_or(IpAddress()), CardDeps()),
        peers(PeerDeps()),
        blocks(BlockDeps()),
        chains(opts.card, ChainDeps()),
        network_queue(QueueOptions("Network", 1, 1),
                      [this](const ResourceName& name) { return networks.Reconcile(name); }),
        netdev_queue(QueueOptions("Netdev", kNetdevWorkers, 2),
                     [this](const ResourceName& name) { return netdevs.Reconcile(name); }),
        card_queue(QueueOptions("Card", 1, 3),
                   [this](const ResourceName& name) { return cards.Reconcile(name); }),
        peer_queue(QueueOptions("remote ports", 1, 4),
                   [this](const ResourceName& name) { return peers.Reconcile(name); }),
        block_queue(QueueOptions("AddressBlock", 1, 5),
                    [this](const ResourceName& name) { return blocks.Reconcile(name); }),
        chain_queue(QueueOptions("ServiceChain", 1, 6),
                    [this](const ResourceName& name) { return chains.Reconcile(name); }),
        network_informer(std::make_unique<Informer>(loop, store, InformerOptions<api::v1alpha1::Network>(""),
                                                    NetworkHandler())),
        netdev_informer(std::make_unique<Informer>(loop, store, NetdevInformerOptions(), NetdevHandler())),
        card_informer(has_tunnels()
                          ? std::make_unique<Informer>(loop, store, InformerOptions<api::v1alpha1::Card>(""),
                                                       CardHandler())
                          : nullptr),
        block_informer(has_tunnels()
                           ? std::make_unique<Informer>(
                                 loop, store,
                                 InformerOptions<api::v1alpha1::AddressBlock>("spec.card=" + opts.card),
                                 BlockHandler())
                           : nullptr),
        chain_informer(std::make_unique<Informer>(
            loop, store, InformerOptions<api::v1alpha1::ServiceChain>(""), ChainHandler())),
        thread([this] { loop.Run(); }) {
    opi.ObserveConnection([this](bool connected) {
      if (connected) loop.Post([this] { Reconnected(); });
    });
  }

  ~State() {
    opi.ObserveConnection(nullptr);
    // The workers read the informers' copies, and the informers fill the queues.
    network_queue.Stop();
    netdev_queue.Stop();
    card_queue.Stop();
    peer_queue.Stop();
    block_queue.Stop();
    chain_queue.Stop();
    blocks.Stop();
    loop.PostAndWait([this] {
      chain_informer.reset();
      networks_of_chain.clear();
      WatchPorts();
      block_informer.reset();
      card_informer.reset();
      peers.Stop();
      counts.clear();
      later.clear();
      network_informer.reset();
      netdev_informer.reset();
    });
    loop.Stop();
    thread.join();
  }

  Controller::Options QueueOptions(const char* name, int workers, uint64_t seed) const {
    return {name, workers, options.backoff, seed};
  }
  template <class T>
  Informer::Options InformerOptions(const std::string& field_selector) const {
    Informer::Options informer;
    informer.kind = api::KindOf<T>().resource;
    informer.selection.field_selector = field_selector;
    informer.backoff = options.backoff;
    return informer;
  }

  Informer::Options NetdevInformerOptions() const {
    Informer::Options informer = InformerOptions<api::v1alpha1::Netdev>("spec.card=" + options.card);
    informer.selection.labels_of_fields = api::LabelSelector(api::kCardLabel, options.card);
    informer.index = [](const Resource& netdev) {
      return ResourceName{NameOf(netdev).ns, NetworkNameOf(netdev)}.ToString();
    };
    return informer;
  }

  TellReady EventsTeller() {
    return [this](const Resource& object, const ConditionValue& was, const ConditionValue& is) {
      TellOfReady(events, options.card, object, was, is);
    };
  }
  NetworkController::Deps NetworkDeps() {
    NetworkController::Deps deps;
    deps.store = &store;
    deps.opi = &opi;
    deps.clock = options.clock;
    deps.tell_ready = EventsTeller();
    deps.get = [this](const ResourceName& name) { return network_informer->Get(name); };
    deps.bridge_ready = [this](const ResourceName& network) {
      EnqueueNetdevsOf(network);
      if (has_tunnels()) loop.Post([this, network] { peers.TellAgain(network); });
    };
    if (has_tunnels()) {
      deps.before_prefixes = [this](const ResourceName& network) { return blocks.Tell(network); };
    }
    return deps;
  }
  NetdevController::Deps NetdevDeps() {
    NetdevController::Deps deps;
    deps.store = &store;
    deps.opi = &opi;
    deps.clock = options.clock;
    deps.tell_ready = EventsTeller();
    deps.get = [this](const ResourceName& name) { return netdev_informer->Get(name); };
    deps.has_bridge = [this](const ResourceName& network) { return networks.HasBridge(network); };
    deps.get_network = [this](const ResourceName& network) { return network_informer->Get(network); };
    deps.ports_changed = [this](const ResourceName& network) {
      loop.Post([this, network] { PortsChanged(network); });
    };
    return deps;
  }

  // The Network's status counts them, which takes a look at all of the card's ports, and one that is being
  // deleted waits for them to go.
  void PortsChanged(const ResourceName& network) {
    if (has_tunnels()) blocks.PortsChanged(network);
    const std::optional<Resource> object = network_informer->Get(network);
    if (!object.has_value() || IsBeingDeleted(*object)) return network_queue.Enqueue(network);
    const auto [timer, is_first] = counts.try_emplace(network);
    if (!is_first) return;
    timer->second = loop.After(options.count_after, [this, network] {
      network_queue.Enqueue(network);
      counts.erase(network);
    });
  }

  CardController::Deps CardDeps() {
    CardController::Deps deps;
    deps.store = &store;
    deps.clock = options.clock;
    deps.get = [this](const ResourceName& name) { return card_informer->Get(name); };
    return deps;
  }
  BlockController::Deps BlockDeps() {
    BlockController::Deps deps;
    deps.store = &store;
    deps.opi = &opi;
    deps.card = options.card;
    deps.get_network = [this](const ResourceName& network) { return network_informer->Get(network); };
    deps.known = [this] { return both_synced(); };
    deps.enqueue = [this](const ResourceName& network) { block_queue.Enqueue(network); };
    deps.patience = options.address_patience;
    deps.later = [this](absl::Duration delay, std::function<void()> work) {
      loop.Post([this, delay, work = std::move(work)] {
        const uint64_t id = ++last_later;
        later[id] = loop.After(delay, [this, id, work] {
          work();
          later.erase(id);
        });
      });
    };
    return deps;
  }
  Informer::Handler BlockHandler() {
    Informer::Handler handler;
    handler.added = [this](const ResourceName&, const Resource& block) { blocks.Add(block); };
    handler.updated = [this](const ResourceName&, const Resource&, const Resource& block) {
      blocks.Add(block);
    };
    handler.deleted = [this](const ResourceName&, const Resource& block) { blocks.Remove(block); };
    handler.synced = [this] { Synced(); };
    // The card's own may have been made, and taken away by somebody, without having been seen.
    handler.relisted = handler.synced;
    return handler;
  }
  ServiceChainController::Deps ChainDeps() {
    ServiceChainController::Deps deps;
    deps.store = &store;
    deps.opi = &opi;
    deps.clock = options.clock;
    deps.tell_ready = EventsTeller();
    deps.get = [this](const ResourceName& name) { return chain_informer->Get(name); };
    deps.netdevs_in = [this](const ResourceName& network) {
      return netdev_informer->Having(network.ToString());
    };
    return deps;
  }
  Informer::Handler ChainHandler() {
    Informer::Handler handler;
    handler.added = [this](const ResourceName& name, const Resource& chain) {
      networks_of_chain[name] = ServiceChainController::NetworksOf(chain);
      EnqueueChain(name);
      WatchPorts();
    };
    handler.updated = [this](const ResourceName& name, const Resource& before, const Resource& now) {
      networks_of_chain[name] = ServiceChainController::NetworksOf(now);
      if (chains.IsNews(before, now)) EnqueueChain(name);
    };
    handler.deleted = [this](const ResourceName& name, const Resource&) {
      networks_of_chain.erase(name);
      chains.Vanished(name);
      EnqueueChain(name);
      WatchPorts();
    };
    handler.synced = [this] { EnqueueAllChains(); };
    return handler;
  }
  // On the loop. A cluster need not have the kind, so nothing else waits for its list.
  void EnqueueChain(const ResourceName& name) {
    if (both_synced() && chain_informer->synced()) chain_queue.Enqueue(name);
  }
  void EnqueueAllChains() {
    for (const auto& [name, networks] : networks_of_chain) EnqueueChain(name);
  }
  void EnqueueChainsOf(const ResourceName& network) {
    for (const auto& [name, networks] : networks_of_chain) {
      if (name.ns == network.ns && networks.contains(network.name)) EnqueueChain(name);
    }
  }
  // Whether a function is up depends on the representors of its ports, too, which come and go without a
  // change of any resource. On the loop; nobody is asked while there are no chains, as the agent then has to
  // say each 300 ms that it is there.
  void WatchPorts() {
    const bool wanted = !networks_of_chain.empty();
    if (std::exchange(watches_ports, wanted) == wanted) return;
    reason_of_port.reset();
    if (!wanted) return opi.WatchPorts(nullptr);
    opi.WatchPorts([this](const absl::StatusOr<agent::v1::PortStates>& states) {
      // While the agent is away chains are what they were, and all of them are looked at when it is back.
      if (states.ok()) loop.Post([this, states = *states] { PortsAre(states); });
    });
  }
  void PortsAre(const agent::v1::PortStates& states) {
    if (!watches_ports) return;
    std::map<std::string, std::string> reasons;
    for (const agent::v1::PortState& state : states.ports())
      reasons[state.port()] = state.healthy() ? "" : absl::StrCat("not healthy: ", state.reason());
    const auto before = std::exchange(reason_of_port, std::move(reasons));
    // What the chains were told last may have been before this.
    if (!before.has_value()) return EnqueueAllChains();
    if (before == reason_of_port) return;
    const auto reason = [](const std::map<std::string, std::string>& of, const std::string& port) {
      const auto it = of.find(port);
      return it == of.end() ? std::optional<std::string>() : it->second;
    };
    for (const Resource& netdev : netdev_informer->All()) {
      const std::string port = SpecOf(netdev, "port");
      if (reason(*before, port) != reason(*reason_of_port, port))
        EnqueueChainsOf({NameOf(netdev).ns, NetworkNameOf(netdev)});
    }
  }
  // A chain's functions are found by the Networks that their Netdevs are in.
  void EnqueueChainsOfNetdev(const ResourceName& name, const Resource* before, const Resource* now) {
    if (networks_of_chain.empty()) return;
    const std::string was = before == nullptr ? "" : NetworkNameOf(*before);
    const std::string is = now == nullptr ? "" : NetworkNameOf(*now);
    if (!was.empty()) EnqueueChainsOf({name.ns, was});
    if (!is.empty() && is != was) EnqueueChainsOf({name.ns, is});
  }

  PeerPorts::Deps PeerDeps() {
    PeerPorts::Deps deps;
    deps.loop = &loop;
    deps.store = &store;
    deps.opi = &opi;
    deps.backoff = options.backoff;
    deps.card = options.card;
    deps.enqueue = [this](const ResourceName& network) { peer_queue.Enqueue(network); };
    return deps;
  }

  bool has_tunnels() const { return options.vtep.has_value(); }
  void CardChanged(const ResourceName& name, const Resource* card) {
    peers.SetCard(name.name, card == nullptr ? std::nullopt : TunnelEndOf(*card));
    if (name == cards.name() && card_informer->synced()) card_queue.Enqueue(name);
  }
  Informer::Handler CardHandler() {
    Informer::Handler handler;
    handler.added = [this](const ResourceName& name, const Resource& card) { CardChanged(name, &card); };
    handler.updated = [this](const ResourceName& name, const Resource&, const Resource& card) {
      CardChanged(name, &card);
    };
    handler.deleted = [this](const ResourceName& name, const Resource&) { CardChanged(name, nullptr); };
    handler.synced = [this] {
      card_queue.Enqueue(cards.name());
      peers.CardsKnown();
    };
    // As with blocks.
    handler.relisted = [this] { card_queue.Enqueue(cards.name()); };
    return handler;
  }

  Informer::Handler NetworkHandler() {
    Informer::Handler handler;
    handler.added = [this](const ResourceName& name, const Resource& network) {
      Enqueue(network_queue, name);
      if (has_tunnels()) peers.SetDomain(name, DomainOf(name, network));
    };
    handler.updated = [this](const ResourceName& name, const Resource& before, const Resource& now) {
      if (has_tunnels()) peers.SetDomain(name, DomainOf(name, now));
      if (networks.IsNews(before, now)) Enqueue(network_queue, name);
      // Its Netdevs say why they wait for it.
      const ConditionValue was = GetCondition(before, "Ready");
      const ConditionValue is = GetCondition(now, "Ready");
      if (was.status != is.status || was.message != is.message) {
        EnqueueNetdevsOf(name);
        EnqueueChainsOf(name);
      }
    };
    handler.deleted = [this](const ResourceName& name, const Resource&) {
      if (has_tunnels()) peers.SetDomain(name, std::nullopt);
      networks.Vanished(name);
      Enqueue(network_queue, name);
      NetworkIsGone(name);
    };
    handler.synced = [this] { Synced(); };
    return handler;
  }
  Informer::Handler NetdevHandler() {
    Informer::Handler handler;
    handler.added = [this](const ResourceName& name, const Resource& netdev) {
      Enqueue(netdev_queue, name);
      OwnNetdevIs(name, &netdev);
      EnqueueChainsOfNetdev(name, nullptr, &netdev);
    };
    handler.updated = [this](const ResourceName& name, const Resource& before, const Resource& netdev) {
      if (NetdevController::IsNews(before, netdev)) Enqueue(netdev_queue, name);
      OwnNetdevIs(name, &netdev);
      EnqueueChainsOfNetdev(name, &before, &netdev);
    };
    handler.deleted = [this](const ResourceName& name, const Resource& last) {
      OwnNetdevIs(name, nullptr);
      EnqueueChainsOfNetdev(name, &last, nullptr);
    };
    handler.synced = [this] { Synced(); };
    return handler;
  }

  void OwnNetdevIs(const ResourceName& name, const Resource* netdev) {
    if (!has_tunnels()) return;
    const std::string network = netdev == nullptr ? "" : NetworkNameOf(*netdev);
    const auto is = network.empty() ? std::nullopt : std::optional(ResourceName{name.ns, network});
    peers.SetOwn(name, is);
    const auto was = own_networks.find(name);
    if (was != own_networks.end() && was->second != is) {
      const ResourceName left = was->second;
      own_networks.erase(was);
      CountUses(left, -1);
    }
    if (is.has_value() && own_networks.emplace(name, *is).second) CountUses(*is, 1);
  }

  void CountUses(const ResourceName& network, int change) {
    const int uses = uses_of_network[network] += change;
    if (uses > 0) {
      unused_networks.erase(network);
      return blocks.SetUses(network, uses);
    }
    uses_of_network.erase(network);
    unused_networks[network] =
        loop.After(options.keep_blocks, [this, network] { blocks.SetUses(network, 0); });
  }
  // There is no such Network any more, so nobody can want an address of it.
  void NetworkIsGone(const ResourceName& network) {
    if (has_tunnels() && unused_networks.erase(network) > 0) blocks.SetUses(network, 0);
  }

  // On the loop. Nothing has a turn before both lists are known: until then, what looks missing may just not
  // have been heard of.
  bool both_synced() const {
    return network_informer->synced() && netdev_informer->synced() &&
           (block_informer == nullptr || block_informer->synced());
  }
  void Enqueue(Controller& queue, const ResourceName& name) {
    if (both_synced()) queue.Enqueue(name);
  }
  void Synced() {
    if (both_synced()) EnqueueAll();
  }
  void Reconnected() {
    networks.ForgetBridges();
    peers.TellAllAgain();
    if (both_synced()) EnqueueAll();
  }
  void EnqueueAll() {
    blocks.Known();
    for (const ResourceName& name : network_informer->Names()) {
      network_queue.Enqueue(name);
      if (has_tunnels()) block_queue.Enqueue(name);
    }
    for (const ResourceName& name : netdev_informer->Names()) netdev_queue.Enqueue(name);
    EnqueueAllChains();
  }

  void EnqueueNetdevsOf(const ResourceName& network) {
    for (const Resource& netdev : netdev_informer->Having(network.ToString()))
      netdev_queue.Enqueue(NameOf(netdev));
  }

  const ControllerOptions options;
  ResourceStore& store;
  OpiClient& opi;
  // What the controllers tell of goes on being written until they have ended.
  EventRecorder events;
  EventLoop loop;
  NetworkController networks;
  NetdevController netdevs;
  CardController cards;
  PeerPorts peers;
  BlockController blocks;
  ServiceChainController chains;
  // On the loop.
  std::map<ResourceName, std::set<std::string>> networks_of_chain;
  // By the id of the port: empty if it is well. Nothing before the first word. On the loop.
  std::optional<std::map<std::string, std::string>> reason_of_port;
  bool watches_ports = false;
  // Of the Netdevs of this card, and how many are in each. On the loop.
  std::map<ResourceName, ResourceName> own_networks;
  std::map<ResourceName, int> uses_of_network;
  // Those without any, and when their blocks go back.
  std::map<ResourceName, EventLoop::Handle> unused_networks;
  // Those whose ports are to be counted again, and when. On the loop.
  std::map<ResourceName, EventLoop::Handle> counts;
  // What is to be done after a while. On the loop.
  std::map<uint64_t, EventLoop::Handle> later;
  uint64_t last_later = 0;
  Controller network_queue;
  Controller netdev_queue;
  Controller card_queue;
  Controller peer_queue;
  Controller block_queue;
  Controller chain_queue;
  std::unique_ptr<Informer> network_informer;
  std::unique_ptr<Informer> netdev_informer;
  // Only with tunnels.
  std::unique_ptr<Informer> card_informer;
  std::unique_ptr<Informer> block_informer;
  std::unique_ptr<Informer> chain_informer;
  std::thread thread;
};

Controllers::Controllers(std::unique_ptr<State> state) : state_(std::move(state)) {}
Controllers::~Controllers() = default;

void Controllers::WantAddresses(const std::string& bridge, const std::string& need,
                                std::function<void(const absl::Status&)> done) {
  // "<namespace>.<name>", and a namespace has no dot.
  const std::pair<std::string, std::string> parts = absl::StrSplit(bridge, absl::MaxSplits('.', 1));
  state_->blocks.Want({parts.first, parts.second}, need, std::move(done));
}

absl::StatusOr<std::unique_ptr<Controllers>> Controllers::Start(const ControllerOptions& options,
                                                                ResourceStore& store, OpiClient& opi) {
  if (options.card.empty()) {
    return absl::InvalidArgumentError(
        "the controllers need the name of this agent's card, as Netdevs have it");
  }
  ControllerOptions complete = options;
  if (complete.clock == nullptr) complete.clock = &Clock::Real();
  return std::unique_ptr<Controllers>(new Controllers(std::make_unique<State>(complete, store, opi)));
}

}  // namespace xpu
