#include "common/api/kinds.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "xpu/api/apiextensions/v1/custom_resource_definition.pb.h"
#include "xpu/api/coordination/v1/lease.pb.h"
#include "xpu/api/core/v1/core.pb.h"
#include "xpu/api/core/v1/namespace.pb.h"
#include "xpu/api/discovery/v1/endpoint_slice.pb.h"
#include "xpu/api/networking/v1/network_policy.pb.h"
#include "xpu/api/rbac/v1/rbac.pb.h"
#include "xpu/api/v1alpha1/address_block.pb.h"
#include "xpu/api/v1alpha1/card.pb.h"
#include "xpu/api/v1alpha1/netdev.pb.h"
#include "xpu/api/v1alpha1/network.pb.h"
#include "xpu/api/v1alpha1/options.pb.h"
#include "xpu/api/v1alpha1/service_chain.pb.h"

namespace xpu::api {
namespace {

// The one place that lists the kinds. Naming the types also makes the linker keep their descriptors.
std::vector<KindInfo> ReadAllKinds() {
  std::vector<KindInfo> kinds = {
      ReadKind(*apiextensions::v1::CustomResourceDefinition::descriptor()),
      ReadKind(*coordination::v1::Lease::descriptor()),
      ReadKind(*core::v1::ConfigMap::descriptor()),
      ReadKind(*core::v1::Event::descriptor()),
      ReadKind(*core::v1::Namespace::descriptor()),
      ReadKind(*core::v1::Node::descriptor()),
      ReadKind(*core::v1::Secret::descriptor()),
      ReadKind(*core::v1::Service::descriptor()),
      ReadKind(*core::v1::ServiceAccount::descriptor()),
      ReadKind(*discovery::v1::EndpointSlice::descriptor()),
      ReadKind(*networking::v1::NetworkPolicy::descriptor()),
      ReadKind(*rbac::v1::ClusterRole::descriptor()),
      ReadKind(*rbac::v1::ClusterRoleBinding::descriptor()),
      ReadKind(*rbac::v1::Role::descriptor()),
      ReadKind(*rbac::v1::RoleBinding::descriptor()),
      ReadKind(*v1alpha1::AddressBlock::descriptor()),
      ReadKind(*v1alpha1::Card::descriptor()),
      ReadKind(*v1alpha1::Netdev::descriptor()),
      ReadKind(*v1alpha1::Network::descriptor()),
      ReadKind(*v1alpha1::ServiceChain::descriptor()),
  };
  std::sort(kinds.begin(), kinds.end(),
            [](const KindInfo& a, const KindInfo& b) { return a.resource < b.resource; });
  return kinds;
}

template <class Predicate>
const KindInfo* Find(const Predicate& matches) {
  const std::vector<KindInfo>& kinds = AllKinds();
  auto it = std::find_if(kinds.begin(), kinds.end(), matches);
  return it == kinds.end() ? nullptr : &*it;
}

}  // namespace

KindInfo ReadKind(const google::protobuf::Descriptor& message) {
  const v1alpha1::KindOptions& options = message.options().GetExtension(v1alpha1::kind);
  KindInfo info;
  info.resource = {options.group(), options.version(), message.name(), options.plural()};
  info.singular = absl::AsciiStrToLower(message.name());
  info.short_names.assign(options.short_names().begin(), options.short_names().end());
  for (const v1alpha1::PrinterColumn& column : options.columns()) {
    info.columns.push_back({column.name(), column.path(), column.wide()});
  }
  for (absl::string_view path : options.selectable_fields()) {
    absl::ConsumePrefix(&path, ".");
    info.selectable_fields.emplace_back(path);
  }
  info.namespaced = !options.cluster_scoped();
  info.open = options.open();
  info.has_status = message.FindFieldByName("status") != nullptr;
  info.message = &message;
  return info;
}

const std::vector<KindInfo>& AllKinds() {
  static const auto& kinds = *new std::vector<KindInfo>(ReadAllKinds());
  return kinds;
}

const KindInfo* FindKind(absl::string_view api_version, absl::string_view kind) {
  return Find(
      [&](const KindInfo& k) { return k.resource.kind == kind && k.resource.ApiVersion() == api_version; });
}

const KindInfo* FindPlural(absl::string_view group, absl::string_view version, absl::string_view plural) {
  return Find([&](const KindInfo& k) {
    return k.resource.group == group && k.resource.version == version && k.resource.plural == plural;
  });
}

const KindInfo* FindByName(absl::string_view name) {
  std::string lower = absl::AsciiStrToLower(name);
  return Find([&](const KindInfo& k) {
    absl::string_view bare = lower;
    if (!k.resource.group.empty()) absl::ConsumeSuffix(&bare, absl::StrCat(".", k.resource.group));
    return bare == k.singular || bare == k.resource.plural ||
           std::find(k.short_names.begin(), k.short_names.end(), bare) != k.short_names.end();
  });
}

const KindInfo& KindOf(const google::protobuf::Descriptor& message) {
  const KindInfo* kind = Find([&](const KindInfo& k) { return k.message == &message; });
  // A message type that is no kind is a mistake in the program, found by the first test that gets here.
  if (kind == nullptr) std::abort();
  return *kind;
}

}  // namespace xpu::api
