#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/api/api.h"
#include "common/kube/fake_store.h"
#include "common/kube/metadata.h"
#include "common/opi/fake_opi_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/controllers/controllers.h"
#include "xpu/api/v1alpha1/netdev.pb.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu {

// A store, an OPI agent of card0, and the controllers between them.
class ControllersTest : public ::testing::Test {
 protected:
  using Call = FakeStore::Call;

  void Start() { controllers_ = StartFor("card0", opi_); }
  // Waits for what is under way.
  void Stop() { controllers_.reset(); }
  std::unique_ptr<Controllers> StartFor(const std::string& card, OpiClient& opi) {
    ControllerOptions options;
    options.card = card;
    options.count_after = absl::ZeroDuration();
    options.backoff.initial = absl::Milliseconds(1);
    options.backoff.max = absl::Milliseconds(20);
    return Controllers::Start(options, store_, opi).value();
  }

  static const ResourceKind& Networks() { return api::KindOf<api::v1alpha1::Network>().resource; }
  static const ResourceKind& Netdevs() { return api::KindOf<api::v1alpha1::Netdev>().resource; }
  static ResourceName Name(const std::string& name) { return {"default", name}; }

  Resource CreateNetwork(const std::string& name, int vni, const std::string& prefix = "10.0.0.0/24");
  // A Netdev of host0-<vf> of card0; `network` may be empty.
  Resource CreateNetdev(const std::string& name, int vf, const std::string& network, int64_t claim = 1);
  void PatchSpec(const ResourceKind& kind, const std::string& name, const Resource& spec);

  // What the host agent asks for by itself over OPI.
  absl::StatusOr<agent::v1::PortBinding> BindDirectly(int vf, const std::string& network, int64_t claim = 1);
  absl::Status ReleaseDirectly(int vf, int64_t claim = 1);
  static std::string MacOf(int vf);
  std::optional<agent::v1::PortBinding> BindingOf(int vf);
  bool PortExists(int vf) { return opi_.GetBridgePort("bridgePorts/host0-" + std::to_string(vf)).ok(); }

  // What is at that JSON pointer; null if there is nothing.
  static Resource At(const Resource& object, const std::string& pointer);
  // How many ports the first card has in that network, as its status says; -1 if it says nothing.
  static int PortsIn(const Resource& network);
  // The object once `test` is true of it (null: gone); a failure and what there is if that takes too long.
  Resource WaitFor(const ResourceKind& kind, const std::string& name,
                   const std::function<bool(const Resource&)>& test);
  Resource WaitForIn(const std::string& ns, const ResourceKind& kind, const std::string& name,
                     const std::function<bool(const Resource&)>& test);
  Resource WaitForReady(const ResourceKind& kind, const std::string& name,
                        const std::string& reason = "Confirmed");
  Resource WaitForState(const std::string& netdev, const std::string& state);
  void WaitForGone(const ResourceKind& kind, const std::string& name);

  FakeStore store_;
  FakeOpiClient opi_;
  std::unique_ptr<Controllers> controllers_;
};

}  // namespace xpu
