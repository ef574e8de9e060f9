#include "control-plane/apiserver/http/kube_protobuf.h"

#include <google/protobuf/util/json_util.h>

#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "control-plane/apiserver/store/api_error.h"
#include "kubernetes/objects.pb.h"

namespace xpu::apiserver {
namespace {

using google::protobuf::Message;
using nlohmann::json;

constexpr absl::string_view kMagic("k8s\0", 4);

// By "apiVersion kind"; null for others.
const Message* PrototypeOf(const kubernetes::TypeMeta& type) {
  static const auto& types = *new std::map<std::string, const Message*>{
      {"authentication.k8s.io/v1 SelfSubjectReview", &kubernetes::SelfSubjectReview::default_instance()},
      {"authorization.k8s.io/v1 SelfSubjectAccessReview",
       &kubernetes::SelfSubjectAccessReview::default_instance()},
      {"authorization.k8s.io/v1 SelfSubjectRulesReview",
       &kubernetes::SelfSubjectRulesReview::default_instance()},
      {"rbac.authorization.k8s.io/v1 ClusterRole", &kubernetes::Role::default_instance()},
      {"rbac.authorization.k8s.io/v1 ClusterRoleBinding", &kubernetes::RoleBinding::default_instance()},
      {"rbac.authorization.k8s.io/v1 Role", &kubernetes::Role::default_instance()},
      {"rbac.authorization.k8s.io/v1 RoleBinding", &kubernetes::RoleBinding::default_instance()},
      {"v1 ConfigMap", &kubernetes::ConfigMap::default_instance()},
      {"v1 Namespace", &kubernetes::Namespace::default_instance()},
      {"v1 Secret", &kubernetes::Secret::default_instance()},
      {"v1 ServiceAccount", &kubernetes::ServiceAccount::default_instance()}};
  // Every group has its own name for these.
  if (type.kind() == "DeleteOptions") return &kubernetes::DeleteOptions::default_instance();
  const auto it = types.find(absl::StrCat(type.api_version(), " ", type.kind()));
  return it == types.end() ? nullptr : it->second;
}

}  // namespace

absl::StatusOr<json> FromKubeProtobuf(const std::string& body) {
  absl::string_view rest = body;
  kubernetes::Unknown envelope;
  if (!absl::ConsumePrefix(&rest, kMagic) ||
      !envelope.ParseFromArray(rest.data(), static_cast<int>(rest.size()))) {
    return BadRequest(absl::StrCat("the body is not of the type ", kKubeProtobuf));
  }
  const kubernetes::TypeMeta& type = envelope.type_meta();
  const Message* prototype = PrototypeOf(type);
  if (prototype == nullptr) {
    return UnsupportedMediaType(absl::StrCat(type.api_version(), " ", type.kind(), " is not taken as ",
                                             kKubeProtobuf, "; send application/json"));
  }
  const std::unique_ptr<Message> message(prototype->New());
  std::string text;
  if (!message->ParseFromString(envelope.raw()) ||
      !google::protobuf::util::MessageToJsonString(*message, &text).ok()) {
    return BadRequest(absl::StrCat("the body is no ", type.kind()));
  }
  json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return BadRequest(absl::StrCat("the body is no ", type.kind()));
  object["apiVersion"] = type.api_version();
  object["kind"] = type.kind();
  return object;
}

}  // namespace xpu::apiserver
