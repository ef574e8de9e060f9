#include "xpu-agent/controllers/controllers_testing.h"

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/mac_address.h"

namespace xpu {

Resource ControllersTest::CreateNetwork(const std::string& name, int vni, const std::string& prefix) {
  Resource object = MakeResource(Networks(), Name(name));
  object["spec"] = {{"vni", vni}, {"prefixes", Resource::array({prefix})}, {"mtu", 1500}};
  return store_.Create(Networks(), object).value();
}

std::string ControllersTest::MacOf(int vf) { return absl::StrCat("02:00:00:00:00:0", vf); }

Resource ControllersTest::CreateNetdev(const std::string& name, int vf, const std::string& network,
                                       int64_t claim) {
  Resource object = MakeResource(Netdevs(), Name(name));
  object["spec"] = {{"host", "host-a"}, {"function", absl::StrCat("0000:03:00.", vf)},
                    {"card", "card0"},  {"port", absl::StrCat("host0-", vf)},
                    {"claim", claim},   {"mac", MacOf(vf)}};
  if (!network.empty()) object["spec"]["network"] = network;
  return store_.Create(Netdevs(), object).value();
}

void ControllersTest::PatchSpec(const ResourceKind& kind, const std::string& name, const Resource& spec) {
  const auto patched = store_.Patch(kind, Name(name), PatchType::kMerge, {{"spec", spec}});
  ASSERT_TRUE(patched.ok()) << patched.status();
}

absl::StatusOr<agent::v1::PortBinding> ControllersTest::BindDirectly(int vf, const std::string& network,
                                                                     int64_t claim) {
  agent::v1::BindPortRequest request;
  request.set_bridge_port(absl::StrCat("bridgePorts/host0-", vf));
  request.set_logical_bridge("logicalBridges/default." + network);
  request.set_mac_address(MacAddress::Parse(MacOf(vf))->ToBytes());
  request.set_claim(claim);
  return opi_.BindPort(request);
}

absl::Status ControllersTest::ReleaseDirectly(int vf, int64_t claim) {
  agent::v1::UnbindPortRequest request;
  request.set_bridge_port(absl::StrCat("bridgePorts/host0-", vf));
  request.set_claim(claim);
  request.set_release(true);
  return opi_.UnbindPort(request);
}

std::optional<agent::v1::PortBinding> ControllersTest::BindingOf(int vf) {
  const auto bindings = opi_.ListPortBindings();
  EXPECT_TRUE(bindings.ok()) << bindings.status();
  for (const auto& binding : *bindings) {
    if (binding.bridge_port() == absl::StrCat("bridgePorts/host0-", vf)) return binding;
  }
  return std::nullopt;
}

Resource ControllersTest::At(const Resource& object, const std::string& pointer) {
  const Resource::json_pointer where(pointer);
  return object.contains(where) ? object.at(where) : Resource();
}

int ControllersTest::PortsIn(const Resource& network) {
  const Resource ports = At(network, "/status/cards/0/ports");
  return ports.is_number() ? ports.get<int>() : -1;
}

Resource ControllersTest::WaitFor(const ResourceKind& kind, const std::string& name,
                                  const std::function<bool(const Resource&)>& test) {
  return WaitForIn("default", kind, name, test);
}

Resource ControllersTest::WaitForIn(const std::string& ns, const ResourceKind& kind, const std::string& name,
                                    const std::function<bool(const Resource&)>& test) {
  absl::Mutex mu;
  Resource object;
  const auto list = store_.List(kind, ns, {"", "metadata.name=" + name});
  EXPECT_TRUE(list.ok()) << list.status();
  if (!list.ok()) return object;
  if (!list->items.empty()) object = list->items[0];
  const auto watcher =
      store_.Watch(kind, ns, list->resource_version, {"", "metadata.name=" + name},
                   {[&](const WatchEvent& event) {
                      absl::MutexLock lock(&mu);
                      object = event.type == WatchEvent::Type::kDeleted ? Resource() : event.object;
                    },
                    nullptr});
  EXPECT_TRUE(watcher.ok()) << watcher.status();
  const auto reached = [&] { return test(object); };
  absl::MutexLock lock(&mu);
  EXPECT_TRUE(mu.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(20)))
      << kind.kind << " " << name << " is: " << object.dump(2);
  const Resource result = object;
  return result;
}

Resource ControllersTest::WaitForReady(const ResourceKind& kind, const std::string& name,
                                       const std::string& reason) {
  return WaitFor(kind, name, [&](const Resource& object) {
    const ConditionValue ready = GetCondition(object, "Ready");
    return ready.reason == reason && ready.observed_generation == GenerationOf(object);
  });
}

Resource ControllersTest::WaitForState(const std::string& netdev, const std::string& state) {
  return WaitFor(Netdevs(), netdev, [&](const Resource& object) {
    return At(object, "/status/state") == state &&
           GetCondition(object, "Ready").observed_generation == GenerationOf(object);
  });
}

void ControllersTest::WaitForGone(const ResourceKind& kind, const std::string& name) {
  WaitFor(kind, name, [](const Resource& object) { return object.is_null(); });
}

}  // namespace xpu
