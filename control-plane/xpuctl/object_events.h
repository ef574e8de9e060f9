#pragma once

#include "control-plane/xpuctl/session.h"

namespace xpu {

// Prints what the Events about the object say, as `kubectl describe` does, the latest last: how long ago each
// was seen, how often and over which time, and who says so. What keeps them from being read is said in their
// place: who may see an object need not be allowed to see its Events.
void PrintEvents(Session& session, const api::KindInfo& kind, const Resource& object);

}  // namespace xpu
