#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/event_loop.h"
#include "common/sys/netlink.h"
#include "common/sys/pci_bus.h"

namespace xpu::testing {

// What the monitors of a bus and of a namespace's interfaces tell, kept for a test to wait for. Has a loop
// and a thread of its own; the calls may come from any other.
class Watch {
 public:
  Watch(PciBus& bus, Netlink& netlink);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // False if it has not come to that after a time that only something broken takes.
  [[nodiscard]] bool AwaitFunctions(const std::set<PciAddress>& there);
  [[nodiscard]] bool AwaitCarrier(const std::string& ifname, bool carrier);
  [[nodiscard]] bool AwaitLink(const std::string& ifname);
  // Until the function is told of again after the last Mark.
  void Mark();
  [[nodiscard]] bool AwaitNewsOf(const PciAddress& function);

 private:
  bool Await(const std::function<bool()>& reached);

  EventLoop loop_;
  absl::Mutex mu_;
  std::set<PciAddress> functions_ ABSL_GUARDED_BY(mu_);
  std::set<PciAddress> told_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Link> links_ ABSL_GUARDED_BY(mu_);
  // Destroyed on the loop.
  std::unique_ptr<PciBus::Monitor> function_monitor_;
  std::unique_ptr<Netlink::Monitor> link_monitor_;
  std::thread thread_;
};

}  // namespace xpu::testing
