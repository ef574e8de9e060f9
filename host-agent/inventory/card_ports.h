#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "absl/status/statusor.h"

namespace xpu {

// How a card's xPU agent says that the representors of this host's functions are, by the ids of their bridge
// ports ("host0-3"), whether there is such a port at the moment or not. A port that is in neither is one that
// the card has no representor for. A value.
struct CardPorts {
  std::set<std::string> healthy;
  // And why.
  std::map<std::string, std::string> unhealthy;
  friend bool operator==(const CardPorts&, const CardPorts&) = default;
};

// Told whenever it changes. An error instead of the ports:
//   Unavailable     nothing was heard of the card for longer than its heartbeat may take
//   Unimplemented   it cannot tell (an OPI bridge of another vendor): no function is unhealthy for that
using CardPortsChanged = std::function<void(const absl::StatusOr<CardPorts>& ports)>;

}  // namespace xpu
