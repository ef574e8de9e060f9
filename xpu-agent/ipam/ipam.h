#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/base/ip_address.h"

namespace xpu {

// Where the addresses of a network come from.
struct AddressPool {
  std::vector<IpPrefix> prefixes;
  std::vector<IpAddress> gateways;
  // The parts of the prefixes that this card may give; nothing: all of them.
  std::optional<std::vector<IpPrefix>> blocks = {};
};

// Payload of an error that another block of addresses would help against: the address that it must have, or
// "IPv4" or "IPv6" for any.
inline constexpr char kNeedsAddressBlock[] = "xpu.opiproject.org/needs-address-block";

// Who has an address of the network now: the id of the port.
using AddressOwners = absl::flat_hash_map<IpAddress, std::string>;

// The address that was chosen last in each prefix, or block of one. The next one is searched for after it, so
// that an address that was just given back rests as long as possible and neighbours with an old cache entry
// do not reach the wrong pod.
using AllocationCursor = std::map<IpPrefix, IpAddress>;

struct Allocation {
  // At most one per family, IPv4 first, each with the length of its prefix.
  std::vector<InterfaceAddress> addresses;
  // To be passed in the next time.
  AllocationCursor cursor;
};

// Gives a port its addresses: those `requested`, and one of each other family that the pool has prefixes of,
// from the first prefix with room. Never a gateway or an address that no interface may have
// (AssignableRange). A port that is bound again leaves its own addresses out of `owners`. Pure; takes time in
// proportion to the owners at worst, whatever the size of the prefix.
//   InvalidArgument    two requested addresses of one family, or one that is in no prefix or not for a port
//   AlreadyExists      a requested address is another port's
//   FailedPrecondition a requested address is in no block of this card
//   ResourceExhausted  no address is left
// The last two carry kNeedsAddressBlock where the pool has blocks.
absl::StatusOr<Allocation> AllocateAddresses(const AddressPool& pool, const AddressOwners& owners,
                                             const std::vector<IpAddress>& requested,
                                             const AllocationCursor& cursor);

}  // namespace xpu
