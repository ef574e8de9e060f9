#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/opi/opi_client.h"
#include "common/opi/unimplemented_opi_client.h"
#include "common/sys/net_namespaces.h"
#include "common/sys/netlink.h"
#include "common/sys/pci_bus.h"
#include "host-agent/alloc/journal.h"
#include "host-agent/ipam/ipam.h"

namespace xpu {

// Where a process fails: stands between it and every seam, real or fake, and counts the calls. Safe from any
// thread.
class FaultPoint {
 public:
  enum class Mode {
    // The call fails and has done nothing.
    kErrorBefore,
    // The call does its work and fails then.
    kErrorAfter,
    // The process is killed before the call: it and all later ones do nothing.
    kKillBefore,
    // The process is killed after the call.
    kKillAfter,
  };
  // The n-th call from now (1: the next) fails with `status`.
  void Arm(int n, Mode mode, absl::Status status);
  // Nothing fails any more, except for a process that was killed.
  void Disarm();
  bool fired() const;
  // The call that failed, e.g. "ChangeLink".
  std::string where() const;

  // For the seams: does the call, or not.
  template <class R>
  R Do(const char* name, const std::function<R()>& call) {
    const auto [before, after] = Enter(name);
    if (!before.ok()) return R(before);
    R result = call();
    if (!after.ok()) return R(after);
    return result;
  }

 private:
  std::pair<absl::Status, absl::Status> Enter(const char* name);

  mutable absl::Mutex mu_;
  int countdown_ ABSL_GUARDED_BY(mu_) = 0;
  Mode mode_ ABSL_GUARDED_BY(mu_) = Mode::kErrorBefore;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  bool dead_ ABSL_GUARDED_BY(mu_) = false;
  bool fired_ ABSL_GUARDED_BY(mu_) = false;
  std::string where_ ABSL_GUARDED_BY(mu_);
};

// The seams of the host agent with a FaultPoint before them. Nothing is owned.

class FaultyJournal final : public Journal {
 public:
  FaultyJournal(FaultPoint& point, Journal& journal) : point_(point), journal_(journal) {}
  absl::StatusOr<std::vector<ClaimRow>> Load() override { return journal_.Load(); }
  absl::StatusOr<ClaimRow> Begin(const ClaimRow& row) override {
    return point_.Do<absl::StatusOr<ClaimRow>>("Begin", [&] { return journal_.Begin(row); });
  }
  absl::Status Write(const ClaimRow& row) override {
    return point_.Do<absl::Status>("Write", [&] { return journal_.Write(row); });
  }
  absl::Status End(const FunctionId& function, int64_t claim) override {
    return point_.Do<absl::Status>("End", [&] { return journal_.End(function, claim); });
  }

 private:
  FaultPoint& point_;
  Journal& journal_;
};

class FaultyPciBus final : public PciBus {
 public:
  FaultyPciBus(FaultPoint& point, PciBus& bus) : point_(point), bus_(bus) {}
  absl::StatusOr<std::vector<PciFunction>> List() override { return bus_.List(); }
  absl::StatusOr<PciFunction> Get(const PciAddress& address) override {
    return point_.Do<absl::StatusOr<PciFunction>>("Get", [&] { return bus_.Get(address); });
  }
  absl::StatusOr<std::vector<Subfunction>> Subfunctions(const PciAddress& parent) override {
    return point_.Do<absl::StatusOr<std::vector<Subfunction>>>("Subfunctions",
                                                               [&] { return bus_.Subfunctions(parent); });
  }
  absl::StatusOr<std::vector<std::string>> Netdevs(const FunctionId& function) override {
    return point_.Do<absl::StatusOr<std::vector<std::string>>>("Netdevs",
                                                               [&] { return bus_.Netdevs(function); });
  }
  absl::Status SetNumVfs(const PciAddress& pf, int count) override { return bus_.SetNumVfs(pf, count); }
  absl::Status BindDriver(const PciAddress& address, const std::string& driver) override {
    return point_.Do<absl::Status>("BindDriver", [&] { return bus_.BindDriver(address, driver); });
  }
  absl::StatusOr<std::unique_ptr<Monitor>> MonitorFunctions(
      EventLoop& loop, std::function<void(const PciAddress& address, bool gone)> changed) override {
    return bus_.MonitorFunctions(loop, std::move(changed));
  }

 private:
  FaultPoint& point_;
  PciBus& bus_;
};

class FaultyNetNamespaces final : public NetNamespaces {
 public:
  FaultyNetNamespaces(FaultPoint& point, NetNamespaces& namespaces)
      : point_(point), namespaces_(namespaces) {}
  absl::StatusOr<std::shared_ptr<NetNamespace>> Open(const std::string& path) override {
    return point_.Do<absl::StatusOr<std::shared_ptr<NetNamespace>>>("OpenNamespace",
                                                                    [&] { return namespaces_.Open(path); });
  }
  absl::StatusOr<std::shared_ptr<NetNamespace>> Current() override {
    return point_.Do<absl::StatusOr<std::shared_ptr<NetNamespace>>>("Current",
                                                                    [&] { return namespaces_.Current(); });
  }

 private:
  FaultPoint& point_;
  NetNamespaces& namespaces_;
};

class FaultyNetlinkFactory final : public NetlinkFactory {
 public:
  FaultyNetlinkFactory(FaultPoint& point, NetlinkFactory& factory) : point_(point), factory_(factory) {}
  absl::StatusOr<std::unique_ptr<Netlink>> Open(const std::shared_ptr<NetNamespace>& ns) override;

 private:
  FaultPoint& point_;
  NetlinkFactory& factory_;
};

// Only the calls that a host agent makes; the others are Unimplemented.
class FaultyOpiClient final : public UnimplementedOpiClient {
 public:
  FaultyOpiClient(FaultPoint& point, OpiClient& client) : point_(point), client_(client) {}

  absl::StatusOr<evpn::LogicalBridge> GetLogicalBridge(const std::string& name) override {
    return point_.Do<absl::StatusOr<evpn::LogicalBridge>>("GetLogicalBridge",
                                                          [&] { return client_.GetLogicalBridge(name); });
  }
  absl::StatusOr<evpn::BridgePort> CreateBridgePort(const std::string& id, const evpn::BridgePortSpec& spec,
                                                    int64_t claim) override {
    return point_.Do<absl::StatusOr<evpn::BridgePort>>(
        "CreateBridgePort", [&] { return client_.CreateBridgePort(id, spec, claim); });
  }
  absl::StatusOr<agent::v1::PortBinding> BindPort(const agent::v1::BindPortRequest& request) override {
    return point_.Do<absl::StatusOr<agent::v1::PortBinding>>("BindPort",
                                                             [&] { return client_.BindPort(request); });
  }
  absl::Status UnbindPort(const agent::v1::UnbindPortRequest& request) override {
    return point_.Do<absl::Status>("UnbindPort", [&] { return client_.UnbindPort(request); });
  }
  absl::StatusOr<std::vector<agent::v1::PortBinding>> ListPortBindings() override {
    return point_.Do<absl::StatusOr<std::vector<agent::v1::PortBinding>>>(
        "ListPortBindings", [&] { return client_.ListPortBindings(); });
  }
  void ObserveConnection(std::function<void(bool)> changed) override {
    client_.ObserveConnection(std::move(changed));
  }
  void WatchPorts(std::function<void(const absl::StatusOr<agent::v1::PortStates>&)> changed) override {
    client_.WatchPorts(std::move(changed));
  }

 private:
  FaultPoint& point_;
  OpiClient& client_;
};

class FaultyIpamRunner final : public IpamRunner {
 public:
  FaultyIpamRunner(FaultPoint& point, IpamRunner& runner) : point_(point), runner_(runner) {}
  absl::StatusOr<IpamResult> Add(const IpamCall& call, const Attachment& attachment) override {
    return point_.Do<absl::StatusOr<IpamResult>>("IpamAdd", [&] { return runner_.Add(call, attachment); });
  }
  absl::Status Del(const IpamCall& call, const Attachment& attachment) override {
    return point_.Do<absl::Status>("IpamDel", [&] { return runner_.Del(call, attachment); });
  }
  absl::Status Check(const IpamCall& call, const Attachment& attachment) override {
    return point_.Do<absl::Status>("IpamCheck", [&] { return runner_.Check(call, attachment); });
  }
  absl::Status Gc(const IpamCall& call) override { return runner_.Gc(call); }
  absl::Status Status(const IpamCall& call) override { return runner_.Status(call); }

 private:
  FaultPoint& point_;
  IpamRunner& runner_;
};

}  // namespace xpu
