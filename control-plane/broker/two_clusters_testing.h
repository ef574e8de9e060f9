#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/base/event_loop.h"
#include "common/kube/change_signal.h"
#include "common/kube/cut_store.h"
#include "common/kube/fake_store.h"
#include "control-plane/broker/broker.h"

namespace xpu::broker {

inline const ResourceKind kNetworks = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};

// A tenant's cluster, the infra cluster, and ways between them and brokers that can be cut. One thread.
class TwoClusters {
 public:
  TwoClusters();
  // Brokers must have ended.
  ~TwoClusters() = default;

  FakeStore tenant;
  FakeStore infra;
  // The brokers' ways.
  CutStore to_tenant{tenant};
  CutStore to_infra{infra};

  // WaitUntil asks again after its writes, too.
  void ListenTo(CutStore& way) {
    way.OnWrite([this] { written_.Notify(); });
  }

  // Copies Networks of "default" into "a" as the origin "tenant-a", with short delays.
  static BrokerOptions Options();

  // Waits until `done`, which is asked again after each write of a broker; false after a generous deadline.
  bool WaitUntil(const std::function<bool()>& done) { return written_.WaitUntil(done); }

  // Writes of a person or an agent, which cannot fail.
  Resource Write(FakeStore& store, const std::string& ns, const std::string& name, int64_t vni);
  std::optional<Resource> Find(FakeStore& store, const std::string& ns, const std::string& name);

 private:
  ChangeSignal written_;
};

// A broker process in a thread. Ends it when it goes, as a kill does as far as the clusters can tell.
class RunningBroker {
 public:
  RunningBroker(TwoClusters& clusters, BrokerOptions options, std::function<void(bool)> changed = {});
  // On ways of its own.
  RunningBroker(ResourceStore& tenant, ResourceStore& infra, BrokerOptions options,
                std::function<void(bool)> changed = {});
  ~RunningBroker();

 private:
  EventLoop loop_;
  std::thread thread_;
};

}  // namespace xpu::broker
