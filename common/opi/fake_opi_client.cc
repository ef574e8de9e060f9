#include "common/opi/fake_opi_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/opi/opi_names.h"

namespace xpu {

FakeOpiClient::FakeOpiClient() : notifier_([this] { Notify(); }) {}

FakeOpiClient::~FakeOpiClient() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  notifier_.join();
}

void FakeOpiClient::FailCall(const std::string& method, int n, const absl::Status& status, When when) {
  absl::MutexLock lock(&mu_);
  faults_.push_back({method, n, status, when});
}

void FakeOpiClient::SetConnected(bool connected) {
  absl::MutexLock lock(&mu_);
  if (connected_ == connected) return;
  connected_ = connected;
  if (observer_) news_.push_back([observer = observer_, connected] { observer(connected); });
  TellPorts();
}

void FakeOpiClient::SetPortStates(const agent::v1::PortStates& states) {
  absl::MutexLock lock(&mu_);
  port_states_ = states;
  if (connected_) TellPorts();
}

void FakeOpiClient::TellPorts() {
  if (port_observer_ == nullptr) return;
  absl::StatusOr<agent::v1::PortStates> states = port_states_;
  if (!connected_) states = absl::UnavailableError("no connection to the xPU agent (fake)");
  port_news_.push_back([observer = port_observer_, states = std::move(states)] { observer(states); });
}

void FakeOpiClient::BlockCalls(const std::string& method) {
  absl::MutexLock lock(&mu_);
  blocked_[method] = true;
}

void FakeOpiClient::ReleaseCalls(const std::string& method) {
  absl::MutexLock lock(&mu_);
  blocked_[method] = false;
}

bool FakeOpiClient::WaitForBlocked(const std::string& method, int n, absl::Duration deadline) {
  absl::MutexLock lock(&mu_);
  auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return held_[method] >= n; };
  return mu_.AwaitWithTimeout(absl::Condition(&enough), deadline);
}

int FakeOpiClient::Calls(const std::string& method) const {
  absl::MutexLock lock(&mu_);
  auto it = calls_.find(method);
  return it == calls_.end() ? 0 : it->second;
}

void FakeOpiClient::RemoveFunction(const std::string& port_id) {
  absl::MutexLock lock(&mu_);
  agent_.RemoveFunction(port_id);
}

void FakeOpiClient::ForbidVlan(uint32_t vlan) {
  absl::MutexLock lock(&mu_);
  agent_.ForbidVlan(vlan);
}

void FakeOpiClient::ForgetAll() {
  absl::MutexLock lock(&mu_);
  agent_ = FakeOpiAgent();
}

template <typename Result>
Result FakeOpiClient::Call(const std::string& method, const std::function<Result()>& effect) {
  absl::MutexLock lock(&mu_);
  ++calls_[method];
  if (blocked_[method]) {
    ++held_[method];
    auto released = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !blocked_[method]; };
    mu_.Await(absl::Condition(&released));
    --held_[method];
  }
  if (!connected_) return absl::UnavailableError("no connection to the xPU agent (fake)");
  absl::Status lost;
  for (auto fault = faults_.begin(); fault != faults_.end();) {
    if (fault->method != method || --fault->countdown > 0) {
      ++fault;
      continue;
    }
    Fault due = std::move(*fault);
    fault = faults_.erase(fault);
    if (due.when == When::kBefore) return due.status;
    lost = due.status;
  }
  Result result = effect();
  if (!lost.ok()) return lost;
  return result;
}

absl::StatusOr<evpn::LogicalBridge> FakeOpiClient::CreateLogicalBridge(const std::string& id,
                                                                       const evpn::LogicalBridgeSpec& spec) {
  return Call<absl::StatusOr<evpn::LogicalBridge>>(
      "CreateLogicalBridge",
      [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.CreateLogicalBridge(id, spec); });
}

absl::StatusOr<evpn::LogicalBridge> FakeOpiClient::GetLogicalBridge(const std::string& name) {
  return Call<absl::StatusOr<evpn::LogicalBridge>>(
      "GetLogicalBridge", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.GetLogicalBridge(name); });
}

absl::StatusOr<std::vector<evpn::LogicalBridge>> FakeOpiClient::ListLogicalBridges() {
  return Call<absl::StatusOr<std::vector<evpn::LogicalBridge>>>(
      "ListLogicalBridges", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.ListLogicalBridges(); });
}

absl::Status FakeOpiClient::DeleteLogicalBridge(const std::string& name) {
  return Call<absl::Status>("DeleteLogicalBridge", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return agent_.DeleteLogicalBridge(name);
  });
}

absl::StatusOr<evpn::BridgePort> FakeOpiClient::CreateBridgePort(const std::string& id,
                                                                 const evpn::BridgePortSpec& spec,
                                                                 int64_t claim) {
  return Call<absl::StatusOr<evpn::BridgePort>>("CreateBridgePort", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return agent_.CreateBridgePort(id, spec, claim);
  });
}

absl::StatusOr<evpn::BridgePort> FakeOpiClient::GetBridgePort(const std::string& name) {
  return Call<absl::StatusOr<evpn::BridgePort>>(
      "GetBridgePort", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.GetBridgePort(name); });
}

absl::StatusOr<std::vector<evpn::BridgePort>> FakeOpiClient::ListBridgePorts() {
  return Call<absl::StatusOr<std::vector<evpn::BridgePort>>>(
      "ListBridgePorts", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.ListBridgePorts(); });
}

absl::Status FakeOpiClient::DeleteBridgePort(const std::string& name, int64_t claim) {
  return Call<absl::Status>("DeleteBridgePort", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return agent_.DeleteBridgePort(name, claim);
  });
}

absl::StatusOr<evpn::Vrf> FakeOpiClient::CreateVrf(const std::string& id, const evpn::VrfSpec& spec) {
  return Call<absl::StatusOr<evpn::Vrf>>(
      "CreateVrf", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.CreateVrf(id, spec); });
}

absl::StatusOr<evpn::Vrf> FakeOpiClient::GetVrf(const std::string& name) {
  return Call<absl::StatusOr<evpn::Vrf>>(
      "GetVrf", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.GetVrf(name); });
}

absl::StatusOr<std::vector<evpn::Vrf>> FakeOpiClient::ListVrfs() {
  return Call<absl::StatusOr<std::vector<evpn::Vrf>>>(
      "ListVrfs", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.ListVrfs(); });
}

absl::Status FakeOpiClient::DeleteVrf(const std::string& name) {
  return Call<absl::Status>("DeleteVrf",
                            [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.DeleteVrf(name); });
}

absl::StatusOr<evpn::Svi> FakeOpiClient::CreateSvi(const std::string& id, const evpn::SviSpec& spec) {
  return Call<absl::StatusOr<evpn::Svi>>(
      "CreateSvi", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.CreateSvi(id, spec); });
}

absl::StatusOr<evpn::Svi> FakeOpiClient::UpdateSvi(const std::string& name, const evpn::SviSpec& spec) {
  return Call<absl::StatusOr<evpn::Svi>>(
      "UpdateSvi", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.UpdateSvi(name, spec); });
}

absl::StatusOr<evpn::Svi> FakeOpiClient::GetSvi(const std::string& name) {
  return Call<absl::StatusOr<evpn::Svi>>(
      "GetSvi", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.GetSvi(name); });
}

absl::StatusOr<std::vector<evpn::Svi>> FakeOpiClient::ListSvis() {
  return Call<absl::StatusOr<std::vector<evpn::Svi>>>(
      "ListSvis", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.ListSvis(); });
}

absl::Status FakeOpiClient::DeleteSvi(const std::string& name) {
  return Call<absl::Status>("DeleteSvi",
                            [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.DeleteSvi(name); });
}

absl::StatusOr<agent::v1::Subnets> FakeOpiClient::SetSubnets(const agent::v1::Subnets& subnets) {
  return Call<absl::StatusOr<agent::v1::Subnets>>(
      "SetSubnets", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.SetSubnets(subnets); });
}

absl::StatusOr<agent::v1::PortBinding> FakeOpiClient::BindPort(const agent::v1::BindPortRequest& request) {
  return Call<absl::StatusOr<agent::v1::PortBinding>>(
      "BindPort", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.BindPort(request); });
}

absl::Status FakeOpiClient::UnbindPort(const agent::v1::UnbindPortRequest& request) {
  return Call<absl::Status>("UnbindPort",
                            [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.UnbindPort(request); });
}

absl::StatusOr<std::vector<agent::v1::PortBinding>> FakeOpiClient::ListPortBindings() {
  return Call<absl::StatusOr<std::vector<agent::v1::PortBinding>>>(
      "ListPortBindings", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.ListPortBindings(); });
}

absl::Status FakeOpiClient::SetAddressBlocks(const agent::v1::SetAddressBlocksRequest& request) {
  return Call<absl::Status>(
      "SetAddressBlocks", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return agent_.SetAddressBlocks(request); });
}

std::optional<std::vector<std::string>> FakeOpiClient::AddressBlocks(const std::string& bridge_id) const {
  absl::MutexLock lock(&mu_);
  return agent_.AddressBlocks(bridge_id);
}

absl::Status FakeOpiClient::UpdateRemotePorts(const agent::v1::UpdateRemotePortsRequest& request) {
  return Call<absl::Status>("UpdateRemotePorts", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    remote_port_updates_.push_back(request);
    return agent_.UpdateRemotePorts(request);
  });
}

absl::StatusOr<agent::v1::SetChainResponse> FakeOpiClient::SetChain(
    const agent::v1::SetChainRequest& request) {
  return Call<absl::StatusOr<agent::v1::SetChainResponse>>("SetChain", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    absl::StatusOr<agent::v1::SetChainResponse> answer = agent_.SetChain(request);
    if (!answer.ok()) return answer;
    for (agent::v1::NetworkFunction& function : *answer->mutable_network_functions()) {
      for (const agent::v1::PortState& state : port_states_.ports()) {
        const std::string name = BridgePortName(state.port());
        if (state.healthy() || (function.input() != name && function.output() != name)) continue;
        function.set_up(false);
        function.set_reason(state.reason());
      }
    }
    return answer;
  });
}

std::map<std::string, agent::v1::SetChainRequest> FakeOpiClient::Chains() const {
  absl::MutexLock lock(&mu_);
  return agent_.chains();
}

std::vector<agent::v1::UpdateRemotePortsRequest> FakeOpiClient::RemotePortUpdates() const {
  absl::MutexLock lock(&mu_);
  return remote_port_updates_;
}

std::map<std::string, agent::v1::RemotePort> FakeOpiClient::AwaitRemotePorts(
    const std::string& bridge_id,
    const std::function<bool(const std::map<std::string, agent::v1::RemotePort>&)>& test,
    absl::Duration deadline) const {
  absl::MutexLock lock(&mu_);
  const auto reached = [&]()
                           ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return test(agent_.RemotePorts(bridge_id)); };
  mu_.AwaitWithTimeout(absl::Condition(&reached), deadline);
  return agent_.RemotePorts(bridge_id);
}

std::map<std::string, agent::v1::RemotePort> FakeOpiClient::RemotePorts(const std::string& bridge_id) const {
  absl::MutexLock lock(&mu_);
  return agent_.RemotePorts(bridge_id);
}

void FakeOpiClient::ObserveConnection(std::function<void(bool connected)> changed) {
  absl::MutexLock lock(&mu_);
  Drop(&news_);
  observer_ = std::move(changed);
  if (observer_) news_.push_back([observer = observer_, connected = connected_] { observer(connected); });
}

void FakeOpiClient::WatchPorts(
    std::function<void(const absl::StatusOr<agent::v1::PortStates>& states)> changed) {
  absl::MutexLock lock(&mu_);
  Drop(&port_news_);
  port_observer_ = std::move(changed);
  TellPorts();
}

void FakeOpiClient::Drop(std::list<std::function<void()>>* news) {
  news->clear();
  auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !notifying_; };
  // An observer may take itself away.
  if (std::this_thread::get_id() != notifier_.get_id()) mu_.Await(absl::Condition(&idle));
  news->clear();
}

void FakeOpiClient::Notify() {
  absl::MutexLock lock(&mu_);
  while (true) {
    auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return stop_ || !news_.empty() || !port_news_.empty();
    };
    mu_.Await(absl::Condition(&due));
    if (stop_) return;
    auto& news = news_.empty() ? port_news_ : news_;
    const std::function<void()> tell = std::move(news.front());
    news.pop_front();
    notifying_ = true;
    mu_.Unlock();
    tell();
    mu_.Lock();
    notifying_ = false;
  }
}

}  // namespace xpu
