#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "xpu-agent/datapath/switch.h"
#include "xpu-agent/model/model.h"

namespace xpu {

// Ids of the objects that a flow is there for: the port if another one in its place would not have it,
// otherwise the bridge; none if every switch has the flow.
struct FlowOwners {
  std::vector<std::string> ports;
  std::vector<std::string> bridges;
};
// `ofports` as CompileFlows() takes them. Compiles flows for each object: for the rare case that one was
// refused.
FlowOwners FindOwners(const Model& model, const std::map<std::string, uint32_t>& ofports,
                      const FlowKey& flow);

// Takes ports out of all bridges that are in one which is not there: half of what a port asks for is not
// better than nothing.
void IsolateOrphans(Model* model);

}  // namespace xpu
