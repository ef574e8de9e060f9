#include "control-plane/broker/two_clusters_testing.h"

#include <utility>

#include "common/kube/metadata.h"
#include "gtest/gtest.h"

namespace xpu::broker {

TwoClusters::TwoClusters() {
  ListenTo(to_tenant);
  ListenTo(to_infra);
}

BrokerOptions TwoClusters::Options() {
  BrokerOptions options;
  options.identity = "broker-1";
  options.retry = {.initial = absl::Milliseconds(1), .max = absl::Milliseconds(20)};
  options.config.origin.name = "tenant-a";
  KindSync::Options sync;
  sync.kind = kNetworks;
  sync.origin = options.config.origin;
  sync.namespaces = {{"default", "a"}};
  sync.workers = 2;
  options.config.syncs = {sync};
  return options;
}

Resource TwoClusters::Write(FakeStore& store, const std::string& ns, const std::string& name, int64_t vni) {
  absl::StatusOr<Resource> object = store.Get(kNetworks, {ns, name});
  if (!object.ok()) {
    Resource fresh = MakeResource(kNetworks, {ns, name});
    fresh["spec"] = {{"vni", vni}};
    object = store.Create(kNetworks, fresh);
  } else {
    (*object)["metadata"].erase("resourceVersion");
    (*object)["spec"]["vni"] = vni;
    object = store.Update(kNetworks, *object);
  }
  EXPECT_TRUE(object.ok()) << object.status();
  return object.value_or(Resource());
}

std::optional<Resource> TwoClusters::Find(FakeStore& store, const std::string& ns, const std::string& name) {
  absl::StatusOr<Resource> object = store.Get(kNetworks, {ns, name});
  if (!object.ok()) return std::nullopt;
  return *std::move(object);
}

RunningBroker::RunningBroker(TwoClusters& clusters, BrokerOptions options, std::function<void(bool)> changed)
    : RunningBroker(clusters.to_tenant, clusters.to_infra, std::move(options), std::move(changed)) {}

RunningBroker::RunningBroker(ResourceStore& tenant, ResourceStore& infra, BrokerOptions options,
                             std::function<void(bool)> changed)
    : thread_([this, &tenant, &infra, options = std::move(options), changed = std::move(changed)] {
        const absl::Status status =
            RunBroker(options, {.loop = loop_, .source = tenant, .target = infra, .changed = changed});
        EXPECT_TRUE(status.ok()) << status;
      }) {}

RunningBroker::~RunningBroker() {
  loop_.Stop();
  thread_.join();
}

}  // namespace xpu::broker
