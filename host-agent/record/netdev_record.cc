#include "host-agent/record/netdev_record.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/api/api.h"
#include "common/api/field_labels.h"
#include "common/kube/metadata.h"
#include "xpu/api/v1alpha1/netdev.pb.h"

namespace xpu {
namespace {

using api::v1alpha1::Netdev;

constexpr char kNamespaceWithoutNetwork[] = "default";
// Field of the spec that operators set.
constexpr char kBandwidth[] = "bandwidth";

nlohmann::json SpecOf(const Resource& resource) {
  const auto spec = resource.find("spec");
  return spec == resource.end() ? nlohmann::json::object() : *spec;
}

constexpr const char* kLabels[] = {api::kHostLabel, api::kCardLabel, api::kNetworkLabel};

// Null if it has none.
nlohmann::json LabelOf(const Resource& resource, const char* label) {
  const auto labels = resource["metadata"].find("labels");
  if (labels == resource["metadata"].end() || !labels->is_object()) return nullptr;
  return labels->value(label, nlohmann::json());
}

}  // namespace

std::string NetdevName(const std::string& host, const FunctionId& function) {
  return absl::StrCat(host, "-", absl::StrReplaceAll(function.ToString(), {{":", "-"}, {".", "-"}}));
}

std::optional<Resource> NetdevFor(const std::string& host, const ClaimRow& row) {
  if (row.state == ClaimState::kUndoing) return std::nullopt;
  Netdev netdev;
  api::v1alpha1::NetdevSpec& spec = *netdev.mutable_spec();
  spec.set_host(host);
  spec.set_function(row.function.ToString());
  spec.set_card(row.card);
  spec.set_port(row.port);
  spec.set_claim(row.claim);
  if (row.mac.IsUnicast()) spec.set_mac(row.mac.ToString());
  ResourceName name{kNamespaceWithoutNetwork, NetdevName(host, row.function)};
  spec.set_vfio(row.vfio);
  if (row.attachment) {
    if (!row.attachment->network_namespace.empty()) name.ns = row.attachment->network_namespace;
    spec.set_network(row.attachment->network);
    const bool own_lengths = row.attachment->vlan.has_value();
    if (own_lengths) spec.set_vlan(*row.attachment->vlan);
    for (const InterfaceAddress& address : row.addresses) {
      spec.add_addresses(own_lengths ? address.ToString() : address.address.ToString());
    }
    if (const Bandwidth& asked = row.attachment->bandwidth; asked.has_limits()) {
      api::v1alpha1::Bandwidth& limits = *spec.mutable_pod_bandwidth();
      limits.set_ingress_rate(static_cast<int64_t>(asked.ingress.rate));
      limits.set_ingress_burst(static_cast<int64_t>(asked.ingress.burst));
      limits.set_egress_rate(static_cast<int64_t>(asked.egress.rate));
      limits.set_egress_burst(static_cast<int64_t>(asked.egress.burst));
    }
    spec.mutable_pod()->set_namespace_(row.attachment->pod_namespace);
    spec.mutable_pod()->set_name(row.attachment->pod_name);
    spec.mutable_pod()->set_container_id(row.attachment->container_id);
  }
  Resource resource = MakeResource(api::KindOf<Netdev>(), name);
  resource["spec"] = api::Encode(netdev)["spec"];
  resource["metadata"]["labels"] = api::NetdevLabels(resource["spec"]);
  return resource;
}

nlohmann::json SpecFor(const Resource& resource, const Resource& record) {
  nlohmann::json spec = SpecOf(record);
  const nlohmann::json is = SpecOf(resource);
  const auto limits = is.find(kBandwidth);
  if (limits != is.end() && is.value("claim", nlohmann::json()) == spec.value("claim", nlohmann::json())) {
    spec[kBandwidth] = *limits;
  }
  return spec;
}

bool SaysTheSame(const Resource& resource, const Resource& record) {
  for (const char* label : kLabels) {
    if (LabelOf(resource, label) != LabelOf(record, label)) return false;
  }
  return SpecOf(resource) == SpecFor(resource, record);
}

void TakeLabels(const Resource& record, Resource* resource) {
  Resource& labels = (*resource)["metadata"]["labels"];
  for (const char* label : kLabels) {
    const nlohmann::json value = LabelOf(record, label);
    if (!value.is_null()) {
      labels[label] = value;
    } else if (labels.is_object()) {
      labels.erase(label);
    }
  }
}

bool CanBecome(const Resource& resource, const Resource& record) {
  const nlohmann::json is = SpecOf(resource);
  const nlohmann::json wanted = SpecOf(record);
  for (const char* field : {"host", "function", "card", "port"}) {
    if (is.value(field, nlohmann::json()) != wanted.value(field, nlohmann::json())) return false;
  }
  return true;
}

}  // namespace xpu
