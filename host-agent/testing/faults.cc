#include "host-agent/testing/faults.h"

namespace xpu {
namespace {

class FaultyNetlink final : public Netlink {
 public:
  FaultyNetlink(FaultPoint& point, std::unique_ptr<Netlink> netlink)
      : point_(point), netlink_(std::move(netlink)) {}

  absl::StatusOr<std::vector<Link>> ListLinks() override {
    return point_.Do<absl::StatusOr<std::vector<Link>>>("ListLinks", [&] { return netlink_->ListLinks(); });
  }
  absl::StatusOr<Link> GetLink(const std::string& name) override {
    return point_.Do<absl::StatusOr<Link>>("GetLink", [&] { return netlink_->GetLink(name); });
  }
  absl::StatusOr<Link> GetLinkByIndex(int ifindex) override {
    return point_.Do<absl::StatusOr<Link>>("GetLinkByIndex",
                                           [&] { return netlink_->GetLinkByIndex(ifindex); });
  }
  absl::StatusOr<Link> PeekLink(const std::string& name) override {
    return point_.Do<absl::StatusOr<Link>>("PeekLink", [&] { return netlink_->PeekLink(name); });
  }
  absl::Status ChangeLink(int ifindex, const LinkChange& change) override {
    return point_.Do<absl::Status>("ChangeLink", [&] { return netlink_->ChangeLink(ifindex, change); });
  }
  absl::Status DeleteLink(int ifindex) override {
    return point_.Do<absl::Status>("DeleteLink", [&] { return netlink_->DeleteLink(ifindex); });
  }
  absl::Status CreateVeth(const std::string& name, const MacAddress& mac, const std::string& peer_name,
                          const MacAddress& peer_mac,
                          const std::shared_ptr<NetNamespace>& peer_namespace) override {
    return point_.Do<absl::Status>(
        "CreateVeth", [&] { return netlink_->CreateVeth(name, mac, peer_name, peer_mac, peer_namespace); });
  }
  absl::Status AddAddress(int ifindex, const InterfaceAddress& address) override {
    return point_.Do<absl::Status>("AddAddress", [&] { return netlink_->AddAddress(ifindex, address); });
  }
  absl::Status DeleteAddress(int ifindex, const InterfaceAddress& address) override {
    return point_.Do<absl::Status>("DeleteAddress",
                                   [&] { return netlink_->DeleteAddress(ifindex, address); });
  }
  absl::StatusOr<std::vector<InterfaceAddress>> ListAddresses(int ifindex) override {
    return point_.Do<absl::StatusOr<std::vector<InterfaceAddress>>>(
        "ListAddresses", [&] { return netlink_->ListAddresses(ifindex); });
  }
  absl::Status AddRoute(int ifindex, const Route& route) override {
    return point_.Do<absl::Status>("AddRoute", [&] { return netlink_->AddRoute(ifindex, route); });
  }
  absl::Status DeleteRoute(int ifindex, const Route& route) override {
    return point_.Do<absl::Status>("DeleteRoute", [&] { return netlink_->DeleteRoute(ifindex, route); });
  }
  absl::StatusOr<std::vector<Route>> ListRoutes(int ifindex) override {
    return point_.Do<absl::StatusOr<std::vector<Route>>>("ListRoutes",
                                                         [&] { return netlink_->ListRoutes(ifindex); });
  }
  absl::StatusOr<VfSettings> GetVf(int pf_ifindex, int vf) override {
    return point_.Do<absl::StatusOr<VfSettings>>("GetVf", [&] { return netlink_->GetVf(pf_ifindex, vf); });
  }
  absl::Status SetVf(int pf_ifindex, int vf, const VfSettings& settings) override {
    return point_.Do<absl::Status>("SetVf", [&] { return netlink_->SetVf(pf_ifindex, vf, settings); });
  }
  absl::StatusOr<std::unique_ptr<Monitor>> MonitorLinks(
      EventLoop& loop, std::function<void(const Link& link, bool gone)> changed) override {
    return netlink_->MonitorLinks(loop, std::move(changed));
  }

 private:
  FaultPoint& point_;
  const std::unique_ptr<Netlink> netlink_;
};

}  // namespace

void FaultPoint::Arm(int n, Mode mode, absl::Status status) {
  absl::MutexLock lock(&mu_);
  countdown_ = n;
  mode_ = mode;
  status_ = std::move(status);
  fired_ = false;
  where_.clear();
}

void FaultPoint::Disarm() {
  absl::MutexLock lock(&mu_);
  countdown_ = 0;
}

bool FaultPoint::fired() const {
  absl::MutexLock lock(&mu_);
  return fired_;
}

std::string FaultPoint::where() const {
  absl::MutexLock lock(&mu_);
  return where_;
}

std::pair<absl::Status, absl::Status> FaultPoint::Enter(const char* name) {
  absl::MutexLock lock(&mu_);
  const absl::Status killed = absl::CancelledError("the process is dead");
  if (dead_) return {killed, absl::OkStatus()};
  if (countdown_ == 0 || --countdown_ > 0) return {absl::OkStatus(), absl::OkStatus()};
  fired_ = true;
  where_ = name;
  switch (mode_) {
    case Mode::kErrorBefore:
      return {status_, absl::OkStatus()};
    case Mode::kErrorAfter:
      return {absl::OkStatus(), status_};
    case Mode::kKillBefore:
      dead_ = true;
      return {killed, absl::OkStatus()};
    case Mode::kKillAfter:
      dead_ = true;
      return {absl::OkStatus(), killed};
  }
  return {absl::OkStatus(), absl::OkStatus()};
}

absl::StatusOr<std::unique_ptr<Netlink>> FaultyNetlinkFactory::Open(const std::shared_ptr<NetNamespace>& ns) {
  using Result = absl::StatusOr<std::unique_ptr<Netlink>>;
  return point_.Do<Result>("OpenNetlink", [&]() -> Result {
    Result netlink = factory_.Open(ns);
    if (!netlink.ok()) return netlink;
    return std::unique_ptr<Netlink>(std::make_unique<FaultyNetlink>(point_, *std::move(netlink)));
  });
}

}  // namespace xpu
