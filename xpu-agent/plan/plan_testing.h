#pragma once

#include <map>
#include <string>
#include <vector>

#include "xpu-agent/plan/plan.h"

namespace xpu {

// Short ways to write models down in tests. Malformed text ends the test program.

LogicalBridge& AddBridge(Model* model, const std::string& id, uint32_t key,
                         const std::vector<std::string>& prefixes);

Vrf& AddVrf(Model* model, const std::string& id, uint32_t key);

// `gateways` as "10.0.0.254/24".
Svi& AddSvi(Model* model, const std::string& id, const std::string& vrf, const std::string& bridge,
            const std::vector<std::string>& gateways);

// A bound access port whose representor has the name of the port. `addresses` as "10.0.0.1/24".
BridgePort& AddBoundPort(Model* model, const std::string& id, uint32_t ofport, const std::string& mac,
                         const std::string& bridge, const std::vector<std::string>& addresses);

// A port of a plain OPI client, without addresses.
BridgePort& AddUnboundPort(Model* model, const std::string& id, uint32_t ofport, const std::string& mac,
                           const std::string& bridge);

// What a switch would have after `plan`: each new port gets the number it asks for.
void ApplyTo(const SwitchPlan& plan, SwitchSnapshot* snapshot);

// Plans and applies until there is nothing left to do, which takes at most two rounds; returns the number.
int Converge(const Model& model, SwitchSnapshot* snapshot);

// OpenFlow numbers of all ports of the model, as if the switch had given them what they ask for.
std::map<std::string, uint32_t> AllOfports(const Model& model);

}  // namespace xpu
