#include "common/sys/netlink.h"

namespace xpu {
namespace {

// RT_SCOPE_UNIVERSE and RT_SCOPE_LINK.
constexpr uint8_t kUniverse = 0;
constexpr uint8_t kLink = 253;
constexpr uint32_t kMainTable = 254;
// IP6_RT_PRIO_USER.
constexpr uint32_t kIpv6Metric = 1024;

}  // namespace

Route WithDefaults(const Route& route) {
  Route full = route;
  const bool v4 = route.destination.family() == IpFamily::kV4;
  if (!v4) full.scope = kUniverse;
  if (!full.scope) full.scope = route.gateway ? kUniverse : kLink;
  if (!full.metric || (!v4 && *full.metric == 0)) full.metric = v4 ? 0 : kIpv6Metric;
  if (!full.table) full.table = kMainTable;
  return full;
}

bool IsRoute(const Route& there, const Route& wanted) {
  const Route have = WithDefaults(there);
  const Route want = WithDefaults(wanted);
  return have.destination == want.destination && have.gateway == want.gateway && have.scope == want.scope &&
         have.metric == want.metric && have.table == want.table &&
         (!want.source || have.source == want.source) && (!want.mtu || have.mtu == want.mtu) &&
         (!want.advmss || have.advmss == want.advmss);
}

}  // namespace xpu
