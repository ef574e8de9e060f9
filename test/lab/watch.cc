#include "test/lab/watch.h"

#include <cstdlib>
#include <iostream>
#include <utility>

namespace xpu::testing {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(60);

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::cerr << "cannot watch: " << value.status() << std::endl;
  std::abort();
}

}  // namespace

Watch::Watch(PciBus& bus, Netlink& netlink) {
  function_monitor_ = Must(bus.MonitorFunctions(loop_, [this](const PciAddress& address, bool gone) {
    absl::MutexLock lock(&mu_);
    told_.insert(address);
    if (gone) {
      functions_.erase(address);
    } else {
      functions_.insert(address);
    }
  }));
  link_monitor_ = Must(netlink.MonitorLinks(loop_, [this](const Link& link, bool gone) {
    absl::MutexLock lock(&mu_);
    std::erase_if(links_, [&](const auto& entry) { return entry.second.ifindex == link.ifindex; });
    if (!gone) links_[link.name] = link;
  }));
  thread_ = std::thread([this] { loop_.Run(); });
}

Watch::~Watch() {
  loop_.PostAndWait([this] {
    function_monitor_.reset();
    link_monitor_.reset();
  });
  loop_.Stop();
  thread_.join();
}

bool Watch::Await(const std::function<bool()>& reached) {
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(&reached), kDeadline);
}

bool Watch::AwaitFunctions(const std::set<PciAddress>& there) {
  return Await([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return functions_ == there; });
}

bool Watch::AwaitCarrier(const std::string& ifname, bool carrier) {
  return Await([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto link = links_.find(ifname);
    return link != links_.end() && link->second.carrier == carrier;
  });
}

bool Watch::AwaitLink(const std::string& ifname) {
  return Await([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return links_.contains(ifname); });
}

void Watch::Mark() {
  absl::MutexLock lock(&mu_);
  told_.clear();
}

bool Watch::AwaitNewsOf(const PciAddress& function) {
  return Await([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return told_.contains(function); });
}

}  // namespace xpu::testing
