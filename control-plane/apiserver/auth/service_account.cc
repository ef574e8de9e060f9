#include "control-plane/apiserver/auth/service_account.h"

#include <sys/random.h>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"
#include "control-plane/apiserver/store/api_error.h"
#include "control-plane/apiserver/store/object_rules.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

constexpr absl::string_view kPrefix = "xpu-sa.";
constexpr char kType[] = "kubernetes.io/service-account-token";
constexpr char kNameAnnotation[] = "kubernetes.io/service-account.name";
constexpr char kUidAnnotation[] = "kubernetes.io/service-account.uid";

const api::KindInfo& Secrets() { return *api::FindKind("v1", "Secret"); }
const api::KindInfo& Accounts() { return *api::FindKind("v1", "ServiceAccount"); }

bool IsTokenSecret(const json& secret) { return secret.value("type", json()) == kType; }

std::string Annotation(const json& object, const char* name) {
  const json annotations = object["metadata"].value("annotations", json::object());
  const auto it = annotations.find(name);
  return it == annotations.end() || !it->is_string() ? "" : it->get<std::string>();
}

// xpu-sa.NAMESPACE/SECRET.RANDOM, the latter two in the alphabet of URLs.
std::string NewToken(const std::string& ns, const std::string& secret) {
  char random[32];
  // Never short for so few octets, and cannot fail once the kernel has its entropy.
  if (getrandom(random, sizeof(random), 0) != sizeof(random)) abort();
  return absl::StrCat(kPrefix, absl::WebSafeBase64Escape(absl::StrCat(ns, "/", secret)), ".",
                      absl::WebSafeBase64Escape(absl::string_view(random, sizeof(random))));
}

// Takes as long whatever they differ in.
bool SameSecret(absl::string_view a, absl::string_view b) {
  unsigned char differences = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i)
    differences |= static_cast<unsigned char>(a[i] ^ b[i]);
  return differences == 0;
}

absl::Status NotOurs() { return absl::UnauthenticatedError("the token is not one of this server's"); }

}  // namespace

absl::Status FillInToken(ObjectStore& store, const api::KindInfo& kind, json* secret) {
  if (!(kind.resource == Secrets().resource) || !IsTokenSecret(*secret)) return absl::OkStatus();
  const std::string ns = MetadataText(*secret, "namespace");
  const std::string name = MetadataText(*secret, "name");
  const std::string account = Annotation(*secret, kNameAnnotation);
  const std::string field = absl::StrCat("metadata.annotations[", kNameAnnotation, "]");
  if (account.empty()) {
    return Invalid(kind, name,
                   {{"FieldValueRequired", field, "must name the ServiceAccount that the token is of"}});
  }
  const absl::StatusOr<json> owner = store.Get(Accounts(), {ns, account});
  if (!owner.ok() && !absl::IsNotFound(owner.status())) return owner.status();
  if (!owner.ok()) {
    return Invalid(kind, name,
                   {{"FieldValueInvalid", field,
                     absl::StrCat("there is no ServiceAccount \"", account, "\" in the namespace ", ns)}});
  }
  (*secret)["metadata"]["annotations"][kUidAnnotation] = MetadataText(*owner, "uid");
  json& data = (*secret)["data"];
  if (!data.is_object()) data = json::object();
  if (!data.contains("token")) data["token"] = absl::Base64Escape(NewToken(ns, name));
  if (!data.contains("namespace")) data["namespace"] = absl::Base64Escape(ns);
  return absl::OkStatus();
}

absl::StatusOr<User> ServiceAccountOf(ObjectStore& store, absl::string_view token) {
  absl::string_view rest = token;
  if (!absl::ConsumePrefix(&rest, kPrefix)) return NotOurs();
  std::string place;
  if (!absl::WebSafeBase64Unescape(rest.substr(0, rest.find('.')), &place)) return NotOurs();
  const std::pair<std::string, std::string> name = absl::StrSplit(place, absl::MaxSplits('/', 1));
  const absl::StatusOr<json> secret = store.Get(Secrets(), {name.first, name.second});
  if (absl::IsNotFound(secret.status())) return NotOurs();
  if (!secret.ok()) return secret.status();
  std::string stored;
  const json data = secret->value("data", json::object());
  const auto it = data.find("token");
  if (!IsTokenSecret(*secret) || it == data.end() || !it->is_string() ||
      !absl::Base64Unescape(it->get_ref<const std::string&>(), &stored) || !SameSecret(stored, token)) {
    return NotOurs();
  }
  const std::string account = Annotation(*secret, kNameAnnotation);
  const absl::StatusOr<json> owner = store.Get(Accounts(), {name.first, account});
  if (absl::IsNotFound(owner.status())) return NotOurs();
  if (!owner.ok()) return owner.status();
  // Another one of that name, made since, is somebody else.
  const std::string uid = MetadataText(*owner, "uid");
  if (Annotation(*secret, kUidAnnotation) != uid) return NotOurs();
  return User{absl::StrCat("system:serviceaccount:", name.first, ":", account),
              uid,
              {"system:serviceaccounts", absl::StrCat("system:serviceaccounts:", name.first),
               std::string(kAuthenticated)}};
}

}  // namespace xpu::apiserver
