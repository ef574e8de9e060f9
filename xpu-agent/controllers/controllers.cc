#include "xpu-agent/controllers/controllers.h"

#include <thread>
#include <utility>

#include "common/api/api.h"
#include "common/base/event_loop.h"
#include "common/ctrl/controller.h"
#include "common/kube/informer.h"
#include "common/kube/metadata.h"
#include "common/opi/opi_client.h"
#include "xpu-agent/controllers/netdev_controller.h"
#include "xpu-agent/controllers/network_controller.h"
#include "xpu/api/v1alpha1/netdev.pb.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu {
namespace {

// Each waits for the switch; several changes then share one round of it.
constexpr int kNetdevWorkers = 4;

std::string NetworkNameOf(const Resource& netdev) {
  const auto spec = netdev.find("spec");
  if (spec == netdev.end() || !spec->is_object()) return "";
  const auto network = spec->find("network");
  return network != spec->end() && network->is_string() ? network->get<std::string>() : "";
}

}  // namespace

// The informers' handlers run on the loop and fill the two queues, whose workers call the controllers.
struct Controllers::State {
  State(const ControllerOptions& opts, ResourceStore& store_in, OpiClient& opi_in)
      : options(opts),
        store(store_in),
        opi(opi_in),
        networks(opts.card, NetworkDeps()),
        netdevs(NetdevDeps()),
        network_queue(QueueOptions("Network", 1, 1),
                      [this](const ResourceName& name) { return networks.Reconcile(name); }),
        netdev_queue(QueueOptions("Netdev", kNetdevWorkers, 2),
                     [this](const ResourceName& name) { return netdevs.Reconcile(name); }),
        network_informer(std::make_unique<Informer>(loop, store, InformerOptions<api::v1alpha1::Network>(""),
                                                    NetworkHandler())),
        netdev_informer(std::make_unique<Informer>(
            loop, store, InformerOptions<api::v1alpha1::Netdev>("spec.card=" + opts.card), NetdevHandler())),
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
    loop.PostAndWait([this] {
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

  NetworkController::Deps NetworkDeps() {
    NetworkController::Deps deps;
    deps.store = &store;
    deps.opi = &opi;
    deps.clock = options.clock;
    deps.get = [this](const ResourceName& name) { return network_informer->Get(name); };
    deps.bridge_ready = [this](const ResourceName& network) { EnqueueNetdevsOf(network); };
    return deps;
  }
  NetdevController::Deps NetdevDeps() {
    NetdevController::Deps deps;
    deps.store = &store;
    deps.opi = &opi;
    deps.clock = options.clock;
    deps.get = [this](const ResourceName& name) { return netdev_informer->Get(name); };
    deps.has_bridge = [this](const ResourceName& network) { return networks.HasBridge(network); };
    deps.get_network = [this](const ResourceName& network) { return network_informer->Get(network); };
    deps.ports_changed = [this](const ResourceName& network) { network_queue.Enqueue(network); };
    return deps;
  }

  Informer::Handler NetworkHandler() {
    Informer::Handler handler;
    handler.added = [this](const ResourceName& name, const Resource&) { Enqueue(network_queue, name); };
    handler.updated = [this](const ResourceName& name, const Resource& before, const Resource& now) {
      Enqueue(network_queue, name);
      // Its Netdevs say why they wait for it.
      if (GetCondition(before, "Ready").status != GetCondition(now, "Ready").status) EnqueueNetdevsOf(name);
    };
    handler.deleted = [this](const ResourceName& name, const Resource&) {
      networks.Vanished(name);
      Enqueue(network_queue, name);
    };
    handler.synced = [this] { Synced(); };
    return handler;
  }
  Informer::Handler NetdevHandler() {
    Informer::Handler handler;
    handler.added = [this](const ResourceName& name, const Resource&) { Enqueue(netdev_queue, name); };
    handler.updated = [this](const ResourceName& name, const Resource&, const Resource&) {
      Enqueue(netdev_queue, name);
    };
    handler.synced = [this] { Synced(); };
    return handler;
  }

  // On the loop. Nothing has a turn before both lists are known: until then, what looks missing may just not
  // have been heard of.
  bool both_synced() const { return network_informer->synced() && netdev_informer->synced(); }
  void Enqueue(Controller& queue, const ResourceName& name) {
    if (both_synced()) queue.Enqueue(name);
  }
  void Synced() {
    if (both_synced()) EnqueueAll();
  }
  void Reconnected() {
    networks.ForgetBridges();
    if (both_synced()) EnqueueAll();
  }
  void EnqueueAll() {
    for (const ResourceName& name : network_informer->Names()) network_queue.Enqueue(name);
    for (const ResourceName& name : netdev_informer->Names()) netdev_queue.Enqueue(name);
  }

  void EnqueueNetdevsOf(const ResourceName& network) {
    for (const Resource& netdev : netdev_informer->All()) {
      const ResourceName name = NameOf(netdev);
      if (name.ns == network.ns && NetworkNameOf(netdev) == network.name) netdev_queue.Enqueue(name);
    }
  }

  const ControllerOptions options;
  ResourceStore& store;
  OpiClient& opi;
  EventLoop loop;
  NetworkController networks;
  NetdevController netdevs;
  Controller network_queue;
  Controller netdev_queue;
  std::unique_ptr<Informer> network_informer;
  std::unique_ptr<Informer> netdev_informer;
  std::thread thread;
};

Controllers::Controllers(std::unique_ptr<State> state) : state_(std::move(state)) {}
Controllers::~Controllers() = default;

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
