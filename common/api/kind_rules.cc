#include "common/api/kind_rules.h"

#include <optional>

#include "common/api/api.h"
#include "common/api/schema.h"
#include "common/base/ip_address.h"
#include "xpu/api/v1alpha1/netdev.pb.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu::api {
namespace {

using v1alpha1::Netdev;
using v1alpha1::Network;

void CheckNetwork(const Network& network, FieldErrors* errors) {
  std::vector<IpPrefix> prefixes;
  for (const std::string& text : network.spec().prefixes()) {
    absl::StatusOr<IpPrefix> prefix = IpPrefix::Parse(text);
    if (!prefix.ok()) return;
    for (const IpPrefix& earlier : prefixes) {
      if (!earlier.Overlaps(*prefix)) continue;
      errors->push_back({"FieldValueInvalid", Item("spec.prefixes", prefixes.size()),
                         absl::StrCat(text, " overlaps ", earlier.ToString(),
                                      "; the prefixes of a network must be apart from each other")});
      break;
    }
    prefixes.push_back(*prefix);
  }
  std::vector<std::optional<IpAddress>> gateway_of(prefixes.size());
  for (int i = 0; i < network.spec().gateways_size(); ++i) {
    absl::StatusOr<IpAddress> gateway = IpAddress::Parse(network.spec().gateways(i));
    if (!gateway.ok()) return;
    std::string path = Item("spec.gateways", i);
    size_t in = 0;
    while (in < prefixes.size() && !prefixes[in].Contains(*gateway)) ++in;
    if (in == prefixes.size()) {
      errors->push_back(
          {"FieldValueInvalid", path, absl::StrCat(gateway->ToString(), " lies in none of spec.prefixes")});
      continue;
    }
    const IpPrefix& prefix = prefixes[in];
    bool has_ends = prefix.length() < gateway->bits() - 1;
    if (has_ends && (*gateway == prefix.First() || (gateway->is_v4() && *gateway == prefix.Last()))) {
      errors->push_back(
          {"FieldValueInvalid", path,
           absl::StrCat(gateway->ToString(), " is the network or broadcast address of ", prefix.ToString())});
    } else if (gateway_of[in]) {
      errors->push_back({"FieldValueInvalid", path,
                         absl::StrCat(prefix.ToString(), " already has the gateway ",
                                      gateway_of[in]->ToString(), "; at most one for each prefix")});
    } else {
      gateway_of[in] = *gateway;
    }
  }
}

void CheckNetdev(const Netdev& netdev, FieldErrors* errors) {
  for (int i = 0; i < netdev.spec().addresses_size(); ++i) {
    for (int j = 0; j < i; ++j) {
      if (netdev.spec().addresses(i) != netdev.spec().addresses(j)) continue;
      errors->push_back({"FieldValueDuplicate", Item("spec.addresses", i),
                         absl::StrCat(netdev.spec().addresses(i), " is there twice")});
      break;
    }
  }
}

}  // namespace

std::unique_ptr<google::protobuf::Message> MessageWithRules(const KindInfo& kind) {
  if (kind.message == Network::descriptor()) return std::make_unique<Network>();
  if (kind.message == Netdev::descriptor()) return std::make_unique<Netdev>();
  return nullptr;
}

void CheckKindRules(const google::protobuf::Message& message, FieldErrors* errors) {
  using google::protobuf::DynamicCastToGenerated;
  if (const auto* network = DynamicCastToGenerated<Network>(&message)) CheckNetwork(*network, errors);
  if (const auto* netdev = DynamicCastToGenerated<Netdev>(&message)) CheckNetdev(*netdev, errors);
}

}  // namespace xpu::api
