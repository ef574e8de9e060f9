#include "control-plane/apiserver/http/writes.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/api/yaml.h"
#include "common/base/status_macros.h"
#include "control-plane/apiserver/auth/service_account.h"
#include "control-plane/apiserver/http/attributes.h"
#include "control-plane/apiserver/http/body.h"
#include "control-plane/apiserver/http/query.h"
#include "control-plane/apiserver/http/reply.h"
#include "control-plane/apiserver/http/view.h"
#include "control-plane/apiserver/store/api_error.h"
#include "control-plane/apiserver/store/crd.h"
#include "control-plane/apiserver/store/object_rules.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

constexpr char kMergePatch[] = "application/merge-patch+json";
constexpr char kJsonPatch[] = "application/json-patch+json";

constexpr char kStrategicPatch[] = "application/strategic-merge-patch+json";
constexpr char kApplyPatch[] = "application/apply-patch+yaml";

// As Kubernetes: the parameter, or what the client calls itself.
std::string ManagerOf(const HttpRequest& request) {
  const std::string given = Query(request, "fieldManager");
  if (!given.empty()) return given;
  const std::string agent = request.user_agent.substr(0, request.user_agent.find('/'));
  return agent.empty() ? "unknown" : agent;
}

absl::StatusOr<UnknownFields> UnknownFieldsOf(const HttpRequest& request) {
  const std::string text = Query(request, "fieldValidation");
  if (text.empty()) return UnknownFields::kAsKindSays;
  if (text == "Strict") return UnknownFields::kStrict;
  if (text == "Warn") return UnknownFields::kWarn;
  if (text == "Ignore") return UnknownFields::kIgnore;
  return BadRequest(absl::StrCat("fieldValidation: Unsupported value: \"", text,
                                 "\": supported values: \"Ignore\", \"Strict\", \"Warn\""));
}

// The body of an apply: YAML, or JSON, which is YAML.
absl::StatusOr<json> ApplyBody(const HttpRequest& request) {
  absl::StatusOr<json> body = ParseBody(request.body);
  if (absl::IsInvalidArgument(body.status()) && request.body.find_first_of("{[") != 0) {
    absl::StatusOr<std::vector<api::YamlDocument>> read = api::YamlToJson(request.body, "the body");
    if (!read.ok()) return BadRequest(read.status().message());
    if (read->size() != 1) return BadRequest("the body must be one document of YAML");
    body = std::move(read->front().value);
  }
  if (!body.ok()) return body.status();
  if (!body->is_object()) return BadRequest("the body must be an object");
  return body;
}

absl::StatusOr<Propagation> PropagationOf(const HttpRequest& request, const json& options) {
  std::string policy = Query(request, "propagationPolicy");
  const auto in_body = options.find("propagationPolicy");
  if (in_body != options.end() && in_body->is_string()) policy = in_body->get<std::string>();
  // What it was called before there was a policy.
  if (policy.empty() && options.value("orphanDependents", json()) == true) policy = "Orphan";
  if (policy.empty() || policy == "Background") return Propagation::kBackground;
  if (policy == "Foreground") return Propagation::kForeground;
  if (policy == "Orphan") return Propagation::kOrphan;
  return BadRequest(absl::StrCat("propagationPolicy: Unsupported value: \"", policy,
                                 "\": supported values: \"Background\", \"Foreground\", \"Orphan\""));
}

// What a DELETE says about how, in its body and its parameters.
struct DeleteOptions {
  Preconditions preconditions;
  Propagation propagation = Propagation::kBackground;
  bool dry_run = false;
};

absl::StatusOr<DeleteOptions> DeleteOptionsOf(const HttpRequest& request) {
  DeleteOptions options;
  json body = json::object();
  if (!request.body.empty()) {
    XPU_ASSIGN_OR_RETURN(body, JsonBody(request));
    if (!body.is_object()) return BadRequest("the body must be DeleteOptions");
    if (const json dry_run = body.value("dryRun", json()); !dry_run.empty()) {
      if (dry_run != json({"All"})) return BadRequest("dryRun: only [\"All\"] is supported");
      options.dry_run = true;
    }
    auto it = body.find("preconditions");
    if (it != body.end() && it->is_object()) {
      auto text = [&](const char* field) -> std::optional<std::string> {
        auto value = it->find(field);
        if (value == it->end() || !value->is_string()) return std::nullopt;
        return value->get<std::string>();
      };
      options.preconditions = {text("uid"), text("resourceVersion")};
    }
  }
  XPU_ASSIGN_OR_RETURN(options.propagation, PropagationOf(request, body));
  return options;
}

Part PartOf(const Route& route) { return route.status ? Part::kStatus : Part::kMain; }

}  // namespace

absl::StatusOr<HttpReply> Writes::Handle(const User& user, const Route& route, const HttpRequest& request) {
  WriteOptions options;
  std::vector<std::string> warnings;
  options.warnings = &warnings;
  options.manager = ManagerOf(request);
  XPU_ASSIGN_OR_RETURN(options.dry_run, IsDryRun(request));
  XPU_ASSIGN_OR_RETURN(options.unknown, UnknownFieldsOf(request));
  options.admit = [&](const json* old, json* object) -> absl::Status {
    XPU_RETURN_IF_ERROR(authorizer_.CheckGrant(user, *route.kind, old, *object));
    return FillInToken(store_, *route.kind, object);
  };
  XPU_ASSIGN_OR_RETURN(HttpReply reply, Dispatch(user, route, request, options));
  for (const std::string& warning : warnings) {
    reply.headers.emplace_back("Warning", absl::StrCat("299 - \"", absl::CEscape(warning), "\""));
  }
  return reply;
}

absl::StatusOr<HttpReply> Writes::Dispatch(const User& user, const Route& route, const HttpRequest& request,
                                           const WriteOptions& options) {
  if (route.name.empty()) {
    if (request.method == "POST" && (!route.ns.empty() || !route.kind->namespaced)) {
      return Create(route, request, options);
    }
    // Of namespaces one at a time, and nothing of all namespaces at once, as in Kubernetes.
    if (request.method == "DELETE" && IsDeletedTogether(*route.kind) &&
        (!route.ns.empty() || !route.kind->namespaced)) {
      return DeleteCollection(route, request, options);
    }
  } else if (request.method == "PUT") {
    return Replace(route, request, options);
  } else if (request.method == "PATCH") {
    return request.content_type == kApplyPatch ? Apply(user, route, request, options)
                                               : Patch(route, request, options);
  } else if (request.method == "DELETE" && !route.status) {
    return Delete(route, request, options);
  }
  return MethodNotAllowed(absl::StrCat(request.method, " is not possible on this URL"));
}

absl::StatusOr<HttpReply> Writes::AnswerObject(
    const Route& route, const HttpRequest& request, WriteOptions options,
    absl::FunctionRef<absl::StatusOr<Written>(const WriteOptions&)> write) {
  XPU_ASSIGN_OR_RETURN(const View view, View::Parse(request.accept, Query(request, "includeObject")));
  std::string text;
  // Kinds that are declared at run time are shown under the version that was asked for.
  const bool as_written = view.is_plain() && route.kind->message != nullptr;
  if (as_written) options.text = &text;
  XPU_ASSIGN_OR_RETURN(Written written, write(options));
  if (!as_written) {
    return JsonReply(written.code, view.Object(*route.kind, std::move(written.object), clock_.Now()));
  }
  return TextReply(written.code, std::move(text));
}

absl::StatusOr<HttpReply> Writes::Create(const Route& route, const HttpRequest& request,
                                         const WriteOptions& options) {
  XPU_ASSIGN_OR_RETURN(json object, JsonBody(request));
  if (!object.is_object()) return BadRequest("the body must be an object");
  std::string ns = MetadataText(object, "namespace");
  if (!route.ns.empty() && !ns.empty() && ns != route.ns) {
    return BadRequest(absl::StrCat("metadata.namespace is \"", ns, "\" but the URL says \"", route.ns, "\""));
  }
  // An empty or absent namespace is the URL's; one that is no string is left for the rules to refuse.
  auto metadata = object.find("metadata");
  if (!route.ns.empty() && ns.empty() && metadata != object.end() && metadata->is_object()) {
    json& there = (*metadata)["namespace"];
    if (there.is_null() || there.is_string()) there = route.ns;
  }
  return AnswerObject(route, request, options, [&](const WriteOptions& how) -> absl::StatusOr<Written> {
    XPU_ASSIGN_OR_RETURN(json made, store_.Create(*route.kind, object, how));
    return Written{201, std::move(made)};
  });
}

absl::StatusOr<HttpReply> Writes::Replace(const Route& route, const HttpRequest& request,
                                          const WriteOptions& options) {
  XPU_ASSIGN_OR_RETURN(json object, JsonBody(request));
  return AnswerObject(route, request, options, [&](const WriteOptions& how) -> absl::StatusOr<Written> {
    XPU_ASSIGN_OR_RETURN(json written, store_.Update(*route.kind, {route.ns, route.name}, PartOf(route),
                                                     std::move(object), how));
    return Written{200, std::move(written)};
  });
}

absl::StatusOr<HttpReply> Writes::Patch(const Route& route, const HttpRequest& request,
                                        const WriteOptions& options) {
  PatchKind kind = PatchKind::kMerge;
  if (request.content_type == kJsonPatch) {
    kind = PatchKind::kJson;
  } else if (request.content_type == kStrategicPatch && route.kind->open && !IsCrd(*route.kind)) {
    kind = PatchKind::kStrategic;
  } else if (request.content_type != kMergePatch) {
    // As Kubernetes: there is no strategic merge where the server does not know
    // the lists' keys.
    return UnsupportedMediaType(
        absl::StrCat("the body of the request was in an unknown format (", request.content_type,
                     ") - accepted media types include: ", kJsonPatch, ", ", kMergePatch, ", ", kApplyPatch));
  }
  XPU_ASSIGN_OR_RETURN(json patch, ParseBody(request.body));
  return AnswerObject(route, request, options, [&](const WriteOptions& how) -> absl::StatusOr<Written> {
    XPU_ASSIGN_OR_RETURN(json written,
                         store_.Patch(*route.kind, {route.ns, route.name}, PartOf(route), kind, patch, how));
    return Written{200, std::move(written)};
  });
}

absl::StatusOr<HttpReply> Writes::Apply(const User& user, const Route& route, const HttpRequest& request,
                                        const WriteOptions& options) {
  if (Query(request, "fieldManager").empty()) {
    return BadRequest("fieldManager: Required value: is required for apply patch");
  }
  XPU_ASSIGN_OR_RETURN(json object, ApplyBody(request));
  const ResourceKind& kind = route.kind->resource;
  if (object.value("apiVersion", json()) != kind.ApiVersion() || object.value("kind", json()) != kind.kind) {
    return BadRequest(
        absl::StrCat("the body must say apiVersion ", kind.ApiVersion(), " and kind ", kind.kind));
  }
  json& metadata = object["metadata"];
  if (metadata.is_null()) metadata = json::object();
  if (!metadata.is_object()) return BadRequest("metadata must be an object");
  if (metadata.contains("managedFields")) return BadRequest("metadata.managedFields must be nil");
  for (const auto& [field, wanted] : {std::pair{"name", route.name}, {"namespace", route.ns}}) {
    const std::string given = MetadataText(object, field);
    if (!given.empty() && given != wanted) {
      return BadRequest(
          absl::StrCat("metadata.", field, " is \"", given, "\" but the URL says \"", wanted, "\""));
    }
    if (!wanted.empty()) metadata[field] = wanted;
  }
  WriteOptions with_create = options;
  with_create.admit = [&](const json* old, json* written) -> absl::Status {
    // Who makes an object by applying it must be allowed to make it.
    if (old == nullptr) {
      Attributes wanted = AttributesOf(route, request);
      wanted.verb = "create";
      XPU_RETURN_IF_ERROR(authorizer_.Check(user, wanted));
    }
    return options.admit(old, written);
  };
  return AnswerObject(route, request, with_create, [&](const WriteOptions& how) -> absl::StatusOr<Written> {
    XPU_ASSIGN_OR_RETURN(ObjectStore::Applied applied,
                         store_.Apply(*route.kind, {route.ns, route.name}, PartOf(route), std::move(object),
                                      Flag(request, "force"), how));
    return Written{applied.created ? 201 : 200, std::move(applied.object)};
  });
}

absl::StatusOr<HttpReply> Writes::Delete(const Route& route, const HttpRequest& request,
                                         WriteOptions options) {
  XPU_ASSIGN_OR_RETURN(const DeleteOptions how, DeleteOptionsOf(request));
  options.dry_run |= how.dry_run;
  XPU_ASSIGN_OR_RETURN(Deleted deleted, store_.Delete(*route.kind, {route.ns, route.name}, how.preconditions,
                                                      options, how.propagation));
  if (deleted.waits) return JsonReply(200, deleted.object);
  return JsonReply(200, DeletedObject(route.kind->resource, route.name, MetadataText(deleted.object, "uid")));
}

absl::StatusOr<HttpReply> Writes::DeleteCollection(const Route& route, const HttpRequest& request,
                                                   WriteOptions options) {
  XPU_ASSIGN_OR_RETURN(const DeleteOptions how, DeleteOptionsOf(request));
  options.dry_run |= how.dry_run;
  XPU_ASSIGN_OR_RETURN(const View view, View::Parse(request.accept, Query(request, "includeObject")));
  XPU_ASSIGN_OR_RETURN(const api::Selector selector, SelectorOf(*route.kind, request));
  XPU_ASSIGN_OR_RETURN(const std::optional<int64_t> limit, Number(request, "limit"));
  XPU_ASSIGN_OR_RETURN(Listing listing, store_.List(*route.kind, route.ns, selector,
                                                    {.limit = static_cast<size_t>(limit.value_or(0))}));
  std::vector<json> gone;
  for (const json& object : listing.items) {
    Preconditions preconditions = how.preconditions;
    // Just what was selected.
    if (!preconditions.uid) preconditions.uid = MetadataText(object, "uid");
    absl::StatusOr<Deleted> deleted =
        store_.Delete(*route.kind, {MetadataText(object, "namespace"), MetadataText(object, "name")},
                      preconditions, options, how.propagation);
    // One before may have taken it along.
    if (absl::IsNotFound(deleted.status())) continue;
    if (!deleted.ok()) return deleted.status();
    gone.push_back(std::move(deleted->object));
  }
  json metadata = {{"resourceVersion", absl::StrCat(listing.version)}};
  return JsonReply(200, view.List(*route.kind, std::move(gone), std::move(metadata), clock_.Now()));
}

}  // namespace xpu::apiserver
