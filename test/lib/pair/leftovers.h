#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "test/lib/pair/pair.h"

namespace xpu::testing {

// What a sandbox holds on behalf of pods, counted where it really is. Two equal counts, one from before the
// pods and one from after, mean that nothing was left behind.
struct Leftovers {
  // VFs that are in the host's namespace under the names the card gave them, each with its MAC and MTU.
  std::vector<std::string> functions_at_home;
  // Addresses that the xPU agents have given out.
  int addresses = 0;
  // Bridge ports of the xPU agents.
  int bridge_ports = 0;
  // Ports on the switches' bridges.
  int switch_ports = 0;
  // Flows on the switches.
  int flows = 0;
  // Netdev resources at each API server (SandboxOptions::ClusterNames()).
  std::map<std::string, int> resources;
  // Rows of the host agent's journal.
  int journal_rows = 0;

  friend bool operator==(const Leftovers&, const Leftovers&) = default;
  // "functions at home 8, addresses 0, …".
  std::string ToString() const;
};

absl::StatusOr<Leftovers> CountLeftovers(Pair& pair);

// Waits until no journal row and no Netdev is left, woken by the changes of the store and of the host agent's
// functions; DeadlineExceeded, with what is left, if that does not come.
absl::Status WaitUntilReleased(Pair& pair, absl::Time deadline);

}  // namespace xpu::testing
