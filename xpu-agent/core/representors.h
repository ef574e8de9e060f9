#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/event_loop.h"
#include "common/base/mac_address.h"

namespace xpu {

// Interfaces of the DPU that stand for functions of the host (the kernel's switchdev representors). All calls
// on the loop that Watch() was given, or while it does not run.
class Representors {
 public:
  virtual ~Representors() = default;

  // Name of the interface whose port the card calls `phys_port_name` ("pf0vf3"); NotFound if there is none
  // now, FailedPrecondition if two interfaces say so.
  virtual absl::StatusOr<std::string> Find(const std::string& phys_port_name) = 0;
  // All that Find() would find: phys_port_name → interface.
  virtual absl::StatusOr<std::map<std::string, std::string>> List() = 0;
  struct Prepared {
    // Another one than before means that the interface was made anew.
    int index = 0;
    bool up = false;
  };
  // Gives the function behind the interface the address that it begins with, the next time that a driver
  // takes it. Unimplemented if the card does not do that, or does not tell which function it is.
  virtual absl::Status SetFunctionMac(const std::string& interface, const MacAddress& mac) = 0;
  // Makes the interface ready to be a port of the switch: up, without addresses of the DPU's own kernel, so
  // that a host cannot talk to that, and with an MTU (bytes of layer 3) of at least `mtu`. Doing it again is
  // OK. An interface whose index is `ready_index` was ready before: if it is down, somebody wants it so, and
  // it stays down. NotFound if the interface is gone.
  virtual absl::StatusOr<Prepared> Prepare(const std::string& interface, uint32_t mtu, int ready_index) = 0;

  // Ends when it goes away, which is on the loop or when that does not run.
  class Watcher {
   public:
    virtual ~Watcher() = default;
  };
  // Calls `changed` on the loop whenever Find() may answer otherwise than before or an interface went up or
  // down. One at a time; it must go before the loop and this object do.
  virtual absl::StatusOr<std::unique_ptr<Watcher>> Watch(EventLoop& loop, std::function<void()> changed) = 0;
};

}  // namespace xpu
