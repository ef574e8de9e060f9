// Random networks against the plainest allocator there could be: one that looks at every address.
#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "common/base/test_seed.h"
#include "gtest/gtest.h"
#include "xpu-agent/ipam/ipam.h"

namespace xpu {
namespace {

// All that may be given, written down address by address.
std::set<IpAddress> FreeIn(const IpPrefix& prefix, const AddressPool& pool, const AddressOwners& owners) {
  const int host_bits = prefix.address().bits() - prefix.length();
  const uint32_t size = 1u << host_bits;
  std::set<IpAddress> free;
  for (uint32_t i = 0; i < size; ++i) {
    if (host_bits >= 2 && i == 0) continue;
    if (host_bits >= 2 && i == size - 1 && prefix.family() == IpFamily::kV4) continue;
    const IpAddress address(prefix.family(), prefix.address().value() + i);
    if (owners.contains(address)) continue;
    if (std::find(pool.gateways.begin(), pool.gateways.end(), address) != pool.gateways.end()) continue;
    free.insert(address);
  }
  return free;
}

struct World {
  AddressPool pool;
  AddressOwners owners;
  std::vector<IpAddress> requested;
  AllocationCursor cursor;
};

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  World Make() {
    World world;
    const int prefixes = Below(5);
    for (int i = 0; i < prefixes; ++i) {
      const bool v4 = Below(2) == 0;
      const IpAddress base = v4 ? IpAddress(IpFamily::kV4, 0x0a000000u + (i << 8))
                                : IpAddress(IpFamily::kV6, absl::MakeUint128(0x20010db8'00000000, i << 8));
      world.pool.prefixes.push_back(IpPrefix::Of(base, base.bits() - Below(5)));
    }
    if (prefixes == 0) return world;
    for (int i = Below(4); i > 0; --i) world.pool.gateways.push_back(Near(world.pool));
    for (int i = Below(40); i > 0; --i) world.owners.emplace(Near(world.pool), "p");
    for (int i = Below(3); i > 0; --i) world.requested.push_back(Near(world.pool));
    for (const IpPrefix& prefix : world.pool.prefixes) {
      if (Below(2) == 0) world.cursor[prefix] = Near(world.pool);
    }
    return world;
  }

 private:
  int Below(int n) { return static_cast<int>(random_() % n); }
  // An address in or just beyond a prefix.
  IpAddress Near(const AddressPool& pool) {
    const IpPrefix& prefix = pool.prefixes[Below(static_cast<int>(pool.prefixes.size()))];
    return IpAddress(prefix.family(), prefix.address().value() + Below(18));
  }
  std::mt19937_64 random_;
};

// What the oracle expects of one family: a code, and the address if it is OK and there is one.
struct Expected {
  absl::StatusCode code = absl::StatusCode::kOk;
  bool has_address = false;
  InterfaceAddress address;
};

Expected ExpectRequested(const World& world, const IpAddress& address) {
  for (const IpPrefix& prefix : world.pool.prefixes) {
    if (!prefix.Contains(address)) continue;
    if (FreeIn(prefix, world.pool, {}).contains(address)) {
      if (world.owners.contains(address)) return {.code = absl::StatusCode::kAlreadyExists};
      return {.has_address = true, .address = {.address = address, .length = prefix.length()}};
    }
    break;
  }
  return {.code = absl::StatusCode::kInvalidArgument};
}

Expected ExpectChosen(const World& world, IpFamily family) {
  bool has_prefix = false;
  for (const IpPrefix& prefix : world.pool.prefixes) {
    if (prefix.family() != family) continue;
    has_prefix = true;
    const std::set<IpAddress> free = FreeIn(prefix, world.pool, world.owners);
    if (free.empty()) continue;
    auto next = free.begin();
    const auto last = world.cursor.find(prefix);
    if (last != world.cursor.end() && prefix.Contains(last->second)) next = free.upper_bound(last->second);
    if (next == free.end()) next = free.begin();
    return {.has_address = true, .address = {.address = *next, .length = prefix.length()}};
  }
  return {.code = has_prefix ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kOk};
}

Expected ExpectFamily(const World& world, IpFamily family) {
  std::vector<IpAddress> asked;
  for (const IpAddress& address : world.requested) {
    if (address.family() == family) asked.push_back(address);
  }
  if (asked.size() > 1) return {.code = absl::StatusCode::kInvalidArgument};
  return asked.empty() ? ExpectChosen(world, family) : ExpectRequested(world, asked[0]);
}

TEST(IpamProperty, AgreesWithAnAllocatorThatLooksAtEveryAddress) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Generator generator(seed);
  for (int round = 0; round < 5000; ++round) {
    const World world = generator.Make();
    absl::StatusCode code = absl::StatusCode::kOk;
    std::vector<InterfaceAddress> addresses;
    for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
      const Expected expected = ExpectFamily(world, family);
      if (code == absl::StatusCode::kOk) code = expected.code;
      if (expected.has_address) addresses.push_back(expected.address);
    }
    const auto allocation = AllocateAddresses(world.pool, world.owners, world.requested, world.cursor);
    ASSERT_EQ(allocation.status().code(), code) << "round " << round << ": " << allocation.status();
    if (!allocation.ok()) continue;
    ASSERT_EQ(allocation->addresses, addresses) << "round " << round;
  }
}

}  // namespace
}  // namespace xpu
