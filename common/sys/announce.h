#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "common/sys/net_namespaces.h"

namespace xpu {

// Tells the neighbours that `mac` now has `addresses`, so that what they remember of a former owner is
// corrected at once: an ARP announcement for each IPv4 address, an unsolicited neighbour advertisement for
// each IPv6 one. Sends one frame for each address from the interface `ifindex` of namespace `ns`, which must
// be up.
//
// To be called once traffic may pass. A neighbour that misses it learns by asking, so a failure is for the
// log, not for undoing what was done. NotFound if the interface is gone; FailedPrecondition if it is down.
absl::Status AnnounceAddresses(const std::shared_ptr<NetNamespace>& ns, int ifindex, const MacAddress& mac,
                               const std::vector<IpAddress>& addresses);

// The frames, from the Ethernet header on and without padding.
// RFC 5227, section 3: a broadcast ARP request in which sender and target are `ip`.
std::string ArpAnnouncement(const MacAddress& mac, const IpAddress& ip);
// RFC 4861, section 7.2.6: to all nodes, override set, with the target's link-layer address.
std::string UnsolicitedAdvertisement(const MacAddress& mac, const IpAddress& ip);

}  // namespace xpu
