#pragma once

#include <functional>
#include <set>

#include "common/base/event_loop.h"
#include "common/sys/pci_bus.h"
#include "gtest/gtest.h"

namespace xpu {

// Runs a loop with a monitor of the bus's functions on it until `done` says so of those that are there, at
// once or after one of them was told; or until a deadline that only a broken program reaches. Returns what
// `done` said last.
inline bool WaitForFunctions(PciBus& bus, const std::function<void()>& begin,
                             const std::function<bool(const std::set<PciAddress>&)>& done) {
  EventLoop loop;
  std::set<PciAddress> there;
  bool begun = false;
  bool reached = false;
  auto monitor = bus.MonitorFunctions(loop, [&](const PciAddress& address, bool gone) {
    if (gone) {
      there.erase(address);
    } else {
      there.insert(address);
    }
    if (begun && (reached = done(there))) loop.Stop();
  });
  EXPECT_TRUE(monitor.ok()) << monitor.status();
  if (!monitor.ok()) return false;
  // After what the monitor has to tell of the start.
  loop.Post([&] {
    begun = true;
    begin();
    if ((reached = done(there))) loop.Stop();
  });
  const EventLoop::Handle deadline = loop.After(absl::Seconds(20), [&] { loop.Stop(); });
  loop.Run();
  return reached;
}

}  // namespace xpu
