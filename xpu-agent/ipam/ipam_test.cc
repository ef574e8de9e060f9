#include "xpu-agent/ipam/ipam.h"

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

IpAddress Ip(const std::string& text) { return IpAddress::Parse(text).value(); }

AddressPool Pool(const std::vector<std::string>& prefixes, const std::vector<std::string>& gateways = {}) {
  AddressPool pool;
  for (const std::string& p : prefixes) pool.prefixes.push_back(IpPrefix::Parse(p).value());
  for (const std::string& g : gateways) pool.gateways.push_back(Ip(g));
  return pool;
}

std::vector<std::string> Text(const std::vector<InterfaceAddress>& addresses) {
  std::vector<std::string> text;
  for (const InterfaceAddress& address : addresses) text.push_back(address.ToString());
  return text;
}

// What is chosen, as text; the error's message if it fails.
std::vector<std::string> Choose(const AddressPool& pool, const AddressOwners& owners = {},
                                const std::vector<IpAddress>& requested = {},
                                const AllocationCursor& cursor = {}) {
  const auto allocation = AllocateAddresses(pool, owners, requested, cursor);
  if (!allocation.ok()) return {std::string(allocation.status().message())};
  return Text(allocation->addresses);
}

void ExpectError(const AddressPool& pool, const AddressOwners& owners,
                 const std::vector<IpAddress>& requested, absl::StatusCode code, const std::string& words) {
  const auto allocation = AllocateAddresses(pool, owners, requested, {});
  EXPECT_EQ(allocation.status().code(), code) << allocation.status();
  EXPECT_THAT(std::string(allocation.status().message()), HasSubstr(words));
}

TEST(Ipam, GivesOneAddressOfEachFamily) {
  EXPECT_THAT(Choose(Pool({"2001:db8::/64", "10.0.0.0/24", "10.0.1.0/24"})),
              ElementsAre("10.0.0.1/24", "2001:db8::1/64"));
}

TEST(Ipam, GivesNothingFromANetworkWithoutPrefixes) { EXPECT_THAT(Choose(Pool({})), IsEmpty()); }

TEST(Ipam, NeverGivesAGateway) {
  EXPECT_THAT(Choose(Pool({"10.0.0.0/24", "2001:db8::/64"}, {"10.0.0.1", "2001:db8::1"})),
              ElementsAre("10.0.0.2/24", "2001:db8::2/64"));
}

TEST(Ipam, TakesTheNextPrefixWhenOneIsFull) {
  EXPECT_THAT(Choose(Pool({"10.0.0.0/30", "10.0.1.0/24"}), {{Ip("10.0.0.1"), "a"}, {Ip("10.0.0.2"), "b"}}),
              ElementsAre("10.0.1.1/24"));
}

TEST(Ipam, GivesTheRequestedAddressAndChoosesTheOtherFamily) {
  EXPECT_THAT(Choose(Pool({"10.0.0.0/24", "2001:db8::/64"}), {}, {Ip("2001:db8::77")}),
              ElementsAre("10.0.0.1/24", "2001:db8::77/64"));
}

TEST(Ipam, GivesARequestedAddressWithTheLengthOfItsOwnPrefix) {
  EXPECT_THAT(Choose(Pool({"10.0.0.0/24", "10.1.0.0/16"}), {}, {Ip("10.1.2.3")}), ElementsAre("10.1.2.3/16"));
}

TEST(Ipam, LetsAnAddressRestThatWasGivenBack) {
  const AddressPool pool = Pool({"10.0.0.0/29"});
  AllocationCursor cursor;
  std::vector<std::string> given;
  for (int i = 0; i < 7; ++i) {
    const auto allocation = AllocateAddresses(pool, {}, {}, cursor);
    ASSERT_TRUE(allocation.ok()) << allocation.status();
    given.push_back(allocation->addresses.at(0).address.ToString());
    cursor = allocation->cursor;
  }
  EXPECT_THAT(
      given, ElementsAre("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.1"));
}

TEST(Ipam, IgnoresACursorOutsideThePrefix) {
  const AddressPool pool = Pool({"10.0.0.0/24"});
  EXPECT_THAT(Choose(pool, {}, {}, {{pool.prefixes[0], Ip("192.168.0.9")}}), ElementsAre("10.0.0.1/24"));
  EXPECT_THAT(Choose(pool, {}, {}, {{pool.prefixes[0], Ip("10.0.0.254")}}), ElementsAre("10.0.0.1/24"));
}

TEST(Ipam, LeavesTheCursorWhereItIsForARequestedAddress) {
  const AddressPool pool = Pool({"10.0.0.0/24"});
  const AllocationCursor cursor = {{pool.prefixes[0], Ip("10.0.0.9")}};
  const auto allocation = AllocateAddresses(pool, {}, {Ip("10.0.0.200")}, cursor);
  ASSERT_TRUE(allocation.ok());
  EXPECT_EQ(allocation->cursor, cursor);
}

TEST(Ipam, UsesBothAddressesOfAPointToPointPrefix) {
  EXPECT_THAT(Choose(Pool({"10.0.0.4/31"}), {{Ip("10.0.0.4"), "a"}}), ElementsAre("10.0.0.5/31"));
  EXPECT_THAT(Choose(Pool({"2001:db8::4/127"})), ElementsAre("2001:db8::4/127"));
}

TEST(Ipam, RefusesTwoRequestedAddressesOfOneFamily) {
  ExpectError(Pool({"10.0.0.0/24"}), {}, {Ip("10.0.0.5"), Ip("10.0.0.6")}, absl::StatusCode::kInvalidArgument,
              "10.0.0.5 and 10.0.0.6 are both IPv4");
}

TEST(Ipam, RefusesARequestedAddressInNoPrefix) {
  ExpectError(Pool({"10.0.0.0/24"}), {}, {Ip("10.0.1.5")}, absl::StatusCode::kInvalidArgument,
              "10.0.1.5 is in no prefix of the network (10.0.0.0/24)");
  ExpectError(Pool({}), {}, {Ip("10.0.1.5")}, absl::StatusCode::kInvalidArgument, "it has none");
}

TEST(Ipam, RefusesAddressesThatNoPortMayHave) {
  const AddressPool pool = Pool({"10.0.0.0/24", "2001:db8::/64"}, {"10.0.0.1"});
  for (const char* address : {"10.0.0.0", "10.0.0.255", "2001:db8::", "10.0.0.1"}) {
    ExpectError(pool, {}, {Ip(address)}, absl::StatusCode::kInvalidArgument, address);
  }
}

TEST(Ipam, NamesThePortThatHasTheRequestedAddress) {
  ExpectError(Pool({"10.0.0.0/24"}), {{Ip("10.0.0.5"), "host0-3"}}, {Ip("10.0.0.5")},
              absl::StatusCode::kAlreadyExists, "host0-3");
}

TEST(Ipam, SaysWhatToDoWhenTheNetworkIsFull) {
  AddressOwners owners;
  for (int i = 1; i < 7; ++i) owners.emplace(IpAddress(IpFamily::kV4, 0x0a000000 + i), "p");
  ExpectError(Pool({"10.0.0.0/29", "2001:db8::/64"}), owners, {}, absl::StatusCode::kResourceExhausted,
              "no IPv4 address is left in 10.0.0.0/29: add a prefix");
}

TEST(Ipam, IsQuickInALargePrefixAndInAFullOne) {
  AddressOwners owners;
  for (int i = 1; i < 1022; ++i) owners.emplace(IpAddress(IpFamily::kV4, 0x0a000000 + i), "p");
  const AddressPool full = Pool({"10.0.0.0/22"});
  const AddressPool large = Pool({"2001:db8::/64"});
  const absl::Time start = absl::Now();
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(Choose(full, owners), ElementsAre("10.0.3.254/22"));
    EXPECT_THAT(Choose(large, owners), ElementsAre("2001:db8::1/64"));
  }
  // About 30 us each; a walk over all of a /64 would not end.
  EXPECT_LT(absl::Now() - start, absl::Seconds(30));
}

}  // namespace
}  // namespace xpu
