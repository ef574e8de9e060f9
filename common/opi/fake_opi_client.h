#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/opi/fake_opi_agent.h"
#include "common/opi/opi_client.h"

namespace xpu {

// An OpiClient with a model of an agent behind it, in memory, that can be told to fail. Methods are named as
// in OpiClient, e.g. "BindPort". Safe from any thread.
class FakeOpiClient : public OpiClient {
 public:
  enum class When {
    // The agent never heard of the call.
    kBefore,
    // The agent did it, only the answer got lost.
    kAfter,
  };

  FakeOpiClient();
  ~FakeOpiClient() override;

  // The n-th call of `method` from now on (1: the next) is answered `status`.
  void FailCall(const std::string& method, int n, const absl::Status& status, When when = When::kBefore);
  // While not connected, every call is answered Unavailable and nothing is done. Connected to begin with.
  void SetConnected(bool connected);
  // Holds calls of `method` that come from now on, before they have an effect, until ReleaseCalls().
  void BlockCalls(const std::string& method);
  void ReleaseCalls(const std::string& method);
  // Waits until `n` calls of `method` are held; false if that takes longer than `deadline`.
  bool WaitForBlocked(const std::string& method, int n, absl::Duration deadline = absl::Seconds(10));
  // How often `method` was called.
  int Calls(const std::string& method) const;
  // BindPort of this port id is NotFound: the card has no such function.
  void RemoveFunction(const std::string& port_id);
  // BindPort to this VLAN is PermissionDenied; all others are allowed.
  void ForbidVlan(uint32_t vlan);
  // What SetAddressBlocks() left there; nothing if it was never called. Addresses that are given need not be
  // in them.
  std::optional<std::vector<std::string>> AddressBlocks(const std::string& bridge_id) const;
  // What UpdateRemotePorts() left in that logical bridge, by id.
  std::map<std::string, agent::v1::RemotePort> RemotePorts(const std::string& bridge_id) const;
  // The same once `test` is true of it, or as it is after `deadline`.
  std::map<std::string, agent::v1::RemotePort> AwaitRemotePorts(
      const std::string& bridge_id,
      const std::function<bool(const std::map<std::string, agent::v1::RemotePort>&)>& test,
      absl::Duration deadline = absl::Seconds(20)) const;
  // Every UpdateRemotePorts() that had an effect.
  std::vector<agent::v1::UpdateRemotePortsRequest> RemotePortUpdates() const;
  // What SetChain() left, by id.
  std::map<std::string, agent::v1::SetChainRequest> Chains() const;
  // What WatchPorts() tells, and functions of chains on a port that is not healthy are not up; empty to begin
  // with.
  void SetPortStates(const agent::v1::PortStates& states);
  // The agent forgets everything, as if its disk had been lost.
  void ForgetAll();

  absl::StatusOr<evpn::LogicalBridge> CreateLogicalBridge(const std::string& id,
                                                          const evpn::LogicalBridgeSpec& spec) override;
  absl::StatusOr<evpn::LogicalBridge> GetLogicalBridge(const std::string& name) override;
  absl::StatusOr<std::vector<evpn::LogicalBridge>> ListLogicalBridges() override;
  absl::Status DeleteLogicalBridge(const std::string& name) override;
  absl::StatusOr<evpn::BridgePort> CreateBridgePort(const std::string& id, const evpn::BridgePortSpec& spec,
                                                    int64_t claim) override;
  absl::StatusOr<evpn::BridgePort> GetBridgePort(const std::string& name) override;
  absl::StatusOr<std::vector<evpn::BridgePort>> ListBridgePorts() override;
  absl::Status DeleteBridgePort(const std::string& name, int64_t claim) override;
  absl::StatusOr<evpn::Vrf> CreateVrf(const std::string& id, const evpn::VrfSpec& spec) override;
  absl::StatusOr<evpn::Vrf> GetVrf(const std::string& name) override;
  absl::StatusOr<std::vector<evpn::Vrf>> ListVrfs() override;
  absl::Status DeleteVrf(const std::string& name) override;
  absl::StatusOr<evpn::Svi> CreateSvi(const std::string& id, const evpn::SviSpec& spec) override;
  absl::StatusOr<evpn::Svi> UpdateSvi(const std::string& name, const evpn::SviSpec& spec) override;
  absl::StatusOr<evpn::Svi> GetSvi(const std::string& name) override;
  absl::StatusOr<std::vector<evpn::Svi>> ListSvis() override;
  absl::Status DeleteSvi(const std::string& name) override;
  absl::StatusOr<agent::v1::Subnets> SetSubnets(const agent::v1::Subnets& subnets) override;
  absl::StatusOr<agent::v1::PortBinding> BindPort(const agent::v1::BindPortRequest& request) override;
  absl::Status UnbindPort(const agent::v1::UnbindPortRequest& request) override;
  absl::StatusOr<std::vector<agent::v1::PortBinding>> ListPortBindings() override;
  absl::Status SetAddressBlocks(const agent::v1::SetAddressBlocksRequest& request) override;
  absl::Status UpdateRemotePorts(const agent::v1::UpdateRemotePortsRequest& request) override;
  absl::StatusOr<agent::v1::SetChainResponse> SetChain(const agent::v1::SetChainRequest& request) override;
  void ObserveConnection(std::function<void(bool connected)> changed) override;
  // A silent agent is one that is not connected.
  void WatchPorts(std::function<void(const absl::StatusOr<agent::v1::PortStates>& states)> changed) override;

 private:
  struct Fault {
    std::string method;
    int countdown;
    absl::Status status;
    When when;
  };

  template <typename Result>
  Result Call(const std::string& method, const std::function<Result()>& effect);
  void Notify();

  mutable absl::Mutex mu_;
  FakeOpiAgent agent_ ABSL_GUARDED_BY(mu_);
  std::list<Fault> faults_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, int> calls_ ABSL_GUARDED_BY(mu_);
  std::vector<agent::v1::UpdateRemotePortsRequest> remote_port_updates_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, bool> blocked_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, int> held_ ABSL_GUARDED_BY(mu_);
  bool connected_ ABSL_GUARDED_BY(mu_) = true;

  void TellPorts() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Empties a list of news, and waits for the call that an observer may be in.
  void Drop(std::list<std::function<void()>>* news) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  agent::v1::PortStates port_states_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::function<void(bool)> observer_ ABSL_GUARDED_BY(mu_);
  std::function<void(const absl::StatusOr<agent::v1::PortStates>&)> port_observer_ ABSL_GUARDED_BY(mu_);
  // What the observers have yet to be told.
  std::list<std::function<void()>> news_ ABSL_GUARDED_BY(mu_);
  std::list<std::function<void()>> port_news_ ABSL_GUARDED_BY(mu_);
  bool notifying_ ABSL_GUARDED_BY(mu_) = false;
  std::thread notifier_;
};

}  // namespace xpu
