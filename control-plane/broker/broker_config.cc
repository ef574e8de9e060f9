#include "control-plane/broker/broker_config.h"

#include <google/protobuf/message.h>

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/api/api.h"
#include "common/base/status_macros.h"
#include "xpu/broker/v1/config.pb.h"

namespace xpu::broker {
namespace {

namespace pb = xpu::broker::v1;
using api::FieldErrors;

KubeFlags ReadCluster(const pb::ClusterConfiguration& in, const std::string& path, FieldErrors* errors) {
  KubeFlags out;
  out.server = in.server();
  out.ca = in.ca_file();
  out.certificate = in.certificate_file();
  out.key = in.key_file();
  out.token_file = in.token_file();
  out.kubeconfig = in.kubeconfig();
  out.context = in.context();
  if (in.server().empty() == in.kubeconfig().empty()) {
    errors->push_back({"FieldValueInvalid", path, "must have either server or kubeconfig"});
  }
  const bool has_details = !in.ca_file().empty() || !in.certificate_file().empty() ||
                           !in.key_file().empty() || !in.token_file().empty();
  if (!in.kubeconfig().empty() && has_details) {
    errors->push_back({"FieldValueInvalid", path,
                       "has files of certificates or a token beside a kubeconfig, which has its own"});
  }
  if (in.certificate_file().empty() != in.key_file().empty()) {
    errors->push_back({"FieldValueInvalid", path, "must have both certificateFile and keyFile, or neither"});
  }
  return out;
}

// The kinds of a policy with whether they have a status.
std::map<ResourceKind, bool> ReadKinds(const pb::PolicyConfiguration& in, const std::string& path,
                                       FieldErrors* errors) {
  std::map<ResourceKind, bool> kinds;
  for (int i = 0; i < in.kinds_size(); ++i) {
    const std::string at = absl::StrCat(path, ".kinds[", i, "]");
    const api::KindInfo* kind = api::FindByName(in.kinds(i));
    if (kind == nullptr) {
      errors->push_back({"FieldValueNotSupported", at,
                         absl::StrCat("\"", in.kinds(i),
                                      "\" is no kind that is known here; spell it out under otherKinds")});
    } else if (!kind->namespaced) {
      errors->push_back(
          {"FieldValueInvalid", at,
           absl::StrCat(kind->resource.kind, " belongs to the whole cluster and cannot be copied")});
    } else if (!kinds.emplace(kind->resource, kind->has_status).second) {
      errors->push_back({"FieldValueDuplicate", at, absl::StrCat(in.kinds(i), " is there already")});
    }
  }
  for (int i = 0; i < in.other_kinds_size(); ++i) {
    const pb::KindConfiguration& other = in.other_kinds(i);
    const ResourceKind kind{other.group(), other.version(), other.kind(), other.plural()};
    if (kinds.emplace(kind, !other.without_status()).second) continue;
    errors->push_back({"FieldValueDuplicate", absl::StrCat(path, ".otherKinds[", i, "]"),
                       absl::StrCat(other.kind(), " is there already")});
  }
  if (kinds.empty() && errors->empty()) {
    errors->push_back({"FieldValueRequired", path + ".kinds", "must name at least one kind"});
  }
  return kinds;
}

// A namespace may have one policy for each kind only, so that it is always clear what an object's copy is.
class UsedNamespaces {
 public:
  void Add(const ResourceKind& kind, const NamespacePair& names, const std::string& path,
           FieldErrors* errors) {
    Add(kind, "source", names.source, path + ".source", errors);
    Add(kind, "target", names.target, path + ".target", errors);
  }

 private:
  void Add(const ResourceKind& kind, const char* side, const std::string& ns, const std::string& path,
           FieldErrors* errors) {
    if (used_.emplace(kind, side, ns).second) return;
    errors->push_back({"FieldValueDuplicate", path,
                       absl::StrCat(ns, " is a ", side, " of ", kind.kind, " objects already")});
  }
  std::set<std::tuple<ResourceKind, std::string, std::string>> used_;
};

}  // namespace

absl::StatusOr<BrokerConfig> ReadBrokerConfig(absl::string_view text, absl::string_view source) {
  XPU_ASSIGN_OR_RETURN(const std::vector<api::YamlDocument> documents, api::YamlToJson(text, source));
  if (documents.size() != 1) {
    return absl::InvalidArgumentError(absl::StrCat(source, ": must hold one document, has ", documents.size(),
                                                   "; see docs/guide/broker.md for an example"));
  }
  pb::BrokerConfiguration in;
  XPU_RETURN_IF_ERROR(api::ToStatus(api::ValidateMessage(*in.GetDescriptor(), documents[0].value), source));
  XPU_RETURN_IF_ERROR(api::ToStatus(api::DecodeMessage(documents[0].value, &in), source));

  FieldErrors errors;
  BrokerConfig config;
  config.origin.name = in.origin();
  config.source = ReadCluster(in.source(), "source", &errors);
  config.target = ReadCluster(in.target(), "target", &errors);
  if (in.has_lease()) {
    LeasePlace& lease = config.lease.emplace();
    lease.in_source = in.lease().cluster() == "source";
    lease.name = {in.lease().namespace_(), in.lease().name()};
    if (in.lease().has_duration_seconds()) lease.duration = absl::Seconds(in.lease().duration_seconds());
  }
  UsedNamespaces used;
  for (int i = 0; i < in.policies_size(); ++i) {
    const pb::PolicyConfiguration& policy = in.policies(i);
    const std::string path = absl::StrCat("policies[", i, "]");
    if (const auto selector = api::Selector::Parse(policy.label_selector(), ""); !selector.ok()) {
      errors.push_back(
          {"FieldValueInvalid", path + ".labelSelector", std::string(selector.status().message())});
    }
    Origin origin = config.origin;
    origin.annotations.assign(policy.annotations().begin(), policy.annotations().end());
    for (const auto& [kind, has_status] : ReadKinds(policy, path, &errors)) {
      KindSync::Options& sync = config.syncs.emplace_back();
      sync.kind = kind;
      sync.has_status = has_status;
      sync.origin = origin;
      sync.label_selector = policy.label_selector();
      for (int j = 0; j < policy.namespaces_size(); ++j) {
        const pb::NamespaceConfiguration& names = policy.namespaces(j);
        sync.namespaces.push_back({names.source(), names.target(), names.drain()});
        used.Add(kind, sync.namespaces.back(), absl::StrCat(path, ".namespaces[", j, "]"), &errors);
      }
    }
  }
  XPU_RETURN_IF_ERROR(api::ToStatus(errors, source));
  return config;
}

}  // namespace xpu::broker
