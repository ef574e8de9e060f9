#include "xpu-agent/ipam/ipam.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "xpu-agent/model/subnet.h"

namespace xpu {
namespace {

const char* FamilyName(IpFamily family) { return family == IpFamily::kV4 ? "IPv4" : "IPv6"; }

bool IsGateway(const AddressPool& pool, const IpAddress& address) {
  return std::find(pool.gateways.begin(), pool.gateways.end(), address) != pool.gateways.end();
}

// "10.0.0.0/24, 10.0.1.0/24"; of all families if none is given.
std::string ListPrefixes(const AddressPool& pool, std::optional<IpFamily> family = {}) {
  std::vector<std::string> names;
  for (const IpPrefix& prefix : pool.prefixes) {
    if (!family || prefix.family() == *family) names.push_back(prefix.ToString());
  }
  return names.empty() ? "it has none" : absl::StrJoin(names, ", ");
}

std::vector<IpPrefix> PartsOf(const IpPrefix& prefix, const AddressPool& pool) {
  if (!pool.blocks.has_value()) return {prefix};
  std::vector<IpPrefix> parts;
  for (const IpPrefix& block : *pool.blocks) {
    if (block.length() >= prefix.length() && prefix.Contains(block.address())) parts.push_back(block);
  }
  return parts;
}

absl::Status NeedsBlock(absl::Status status, const std::string& need) {
  status.SetPayload(kNeedsAddressBlock, absl::Cord(need));
  return status;
}

absl::StatusOr<InterfaceAddress> CheckRequested(const AddressPool& pool, const AddressOwners& owners,
                                                const IpAddress& address) {
  const auto prefix = std::find_if(pool.prefixes.begin(), pool.prefixes.end(),
                                   [&](const IpPrefix& p) { return p.Contains(address); });
  if (prefix == pool.prefixes.end()) {
    return absl::InvalidArgumentError(absl::StrCat("address ", address.ToString(),
                                                   " is in no prefix of the network (", ListPrefixes(pool),
                                                   "): ask for one that is, or for none to be given one"));
  }
  if (!AssignableRange(*prefix).Contains(address)) {
    return absl::InvalidArgumentError(
        absl::StrCat("address ", address.ToString(), " is the network, broadcast or anycast address of ",
                     prefix->ToString(), ": ask for another one, or for none to be given one"));
  }
  if (IsGateway(pool, address)) {
    return absl::InvalidArgumentError(
        absl::StrCat("address ", address.ToString(),
                     " is a gateway of the network: ask for another one, or for "
                     "none to be given one"));
  }
  const std::vector<IpPrefix> parts = PartsOf(*prefix, pool);
  if (std::none_of(parts.begin(), parts.end(),
                   [&](const IpPrefix& part) { return part.Contains(address); })) {
    return NeedsBlock(absl::FailedPreconditionError(absl::StrCat(
                          "address ", address.ToString(),
                          " is in no block of addresses that this card may give: ask for another one, or for "
                          "none to be given one")),
                      address.ToString());
  }
  if (const auto owner = owners.find(address); owner != owners.end()) {
    return absl::AlreadyExistsError(absl::StrCat("address ", address.ToString(), " belongs to port ",
                                                 owner->second,
                                                 ": ask for another one, or take it from that port first"));
  }
  return InterfaceAddress{.address = address, .length = prefix->length()};
}

// What may be given of a block of the prefix; nothing if that is empty.
std::optional<AddressRange> RangeOf(const IpPrefix& prefix, const IpPrefix& block) {
  AddressRange range = AssignableRange(prefix);
  const absl::uint128 size = absl::uint128(1) << (block.address().bits() - block.length());
  const IpAddress last(block.family(), block.address().value() + (size - 1));
  range.first = std::max(range.first, block.address());
  range.last = std::min(range.last, last);
  if (range.last < range.first) return std::nullopt;
  return range;
}

// The first free address after `last`, from the start again after the end.
std::optional<IpAddress> FindFree(const IpPrefix& prefix, const AddressRange& range, const AddressPool& pool,
                                  const AddressOwners& owners, const std::optional<IpAddress>& last) {
  const auto after = [&](const IpAddress& address) {
    return address < range.last ? IpAddress(prefix.family(), address.value() + 1) : range.first;
  };
  IpAddress candidate = last && range.Contains(*last) ? after(*last) : range.first;
  // Each step that finds an address taken meets another owner or gateway, so that there cannot be more of
  // them.
  const absl::uint128 steps =
      std::min<absl::uint128>(range.last.value() - range.first.value(), owners.size() + pool.gateways.size());
  for (absl::uint128 step = 0; step <= steps; ++step, candidate = after(candidate)) {
    if (!owners.contains(candidate) && !IsGateway(pool, candidate)) return candidate;
  }
  return std::nullopt;
}

absl::StatusOr<InterfaceAddress> Choose(IpFamily family, const AddressPool& pool, const AddressOwners& owners,
                                        AllocationCursor* cursor) {
  for (const IpPrefix& prefix : pool.prefixes) {
    if (prefix.family() != family) continue;
    for (const IpPrefix& part : PartsOf(prefix, pool)) {
      const std::optional<AddressRange> range = RangeOf(prefix, part);
      if (!range.has_value()) continue;
      const auto last = cursor->find(part);
      const std::optional<IpAddress> found = FindFree(
          prefix, *range, pool, owners, last == cursor->end() ? std::nullopt : std::optional(last->second));
      if (!found) continue;
      (*cursor)[part] = *found;
      return InterfaceAddress{.address = *found, .length = prefix.length()};
    }
  }
  const absl::Status exhausted = absl::ResourceExhaustedError(
      absl::StrCat("no ", FamilyName(family), " address is left in ", ListPrefixes(pool, family),
                   ": add a prefix to the network, or detach a pod that no longer needs its address"));
  return pool.blocks.has_value() ? NeedsBlock(exhausted, FamilyName(family)) : exhausted;
}

}  // namespace

absl::StatusOr<Allocation> AllocateAddresses(const AddressPool& pool, const AddressOwners& owners,
                                             const std::vector<IpAddress>& requested,
                                             const AllocationCursor& cursor) {
  Allocation allocation{.cursor = cursor};
  for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
    const auto is_of_family = [&](const auto& x) { return x.family() == family; };
    const auto asked = std::find_if(requested.begin(), requested.end(), is_of_family);
    if (asked != requested.end()) {
      const auto second = std::find_if(asked + 1, requested.end(), is_of_family);
      if (second != requested.end()) {
        return absl::InvalidArgumentError(absl::StrCat("addresses ", asked->ToString(), " and ",
                                                       second->ToString(), " are both ", FamilyName(family),
                                                       ": ask for at most one of each family"));
      }
      XPU_ASSIGN_OR_RETURN(const InterfaceAddress address, CheckRequested(pool, owners, *asked));
      allocation.addresses.push_back(address);
    } else if (std::any_of(pool.prefixes.begin(), pool.prefixes.end(), is_of_family)) {
      XPU_ASSIGN_OR_RETURN(const InterfaceAddress address, Choose(family, pool, owners, &allocation.cursor));
      allocation.addresses.push_back(address);
    }
  }
  return allocation;
}

}  // namespace xpu
