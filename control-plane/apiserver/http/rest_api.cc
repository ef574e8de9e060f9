#include "control-plane/apiserver/http/rest_api.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "control-plane/apiserver/http/body.h"
#include "control-plane/apiserver/http/continue_token.h"
#include "control-plane/apiserver/http/discovery.h"
#include "control-plane/apiserver/http/view.h"
#include "control-plane/apiserver/store/api_error.h"
#include "control-plane/apiserver/store/object_rules.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

HttpReply Answer(int code, const json& body) {
  HttpReply reply;
  reply.code = code;
  reply.body = body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  return reply;
}

std::string Query(const HttpRequest& request, const std::string& name) {
  auto it = request.query.find(name);
  return it == request.query.end() ? "" : it->second;
}

// As Kubernetes reads booleans of a query; there but empty means yes.
bool Flag(const HttpRequest& request, const std::string& name) {
  auto it = request.query.find(name);
  return it != request.query.end() && it->second != "0" && !absl::EqualsIgnoreCase(it->second, "false");
}

absl::StatusOr<std::optional<int64_t>> Number(const HttpRequest& request, const std::string& name) {
  std::string text = Query(request, name);
  if (text.empty()) return std::nullopt;
  int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < 0) {
    return BadRequest(absl::StrCat(name, " must be a number, not \"", text, "\""));
  }
  return value;
}

absl::StatusOr<api::Selector> SelectorOf(const api::KindInfo& kind, const HttpRequest& request) {
  absl::StatusOr<api::Selector> selector =
      api::Selector::Parse(Query(request, "labelSelector"), Query(request, "fieldSelector"));
  if (!selector.ok()) return BadRequest(selector.status().message());
  if (absl::Status fields = selector->CheckFields(kind); !fields.ok()) return BadRequest(fields.message());
  return selector;
}

absl::StatusOr<View> ViewOf(const HttpRequest& request) {
  return View::Parse(request.accept, Query(request, "includeObject"));
}

absl::Status CheckMediaType(const HttpRequest& request, const std::vector<absl::string_view>& taken) {
  for (absl::string_view type : taken) {
    if (request.content_type == type) return absl::OkStatus();
  }
  return UnsupportedMediaType(absl::StrCat("the body's media type is \"", request.content_type,
                                           "\"; taken here: ", absl::StrJoin(taken, ", ")));
}

absl::StatusOr<json> JsonBody(const HttpRequest& request) {
  if (!request.content_type.empty()) XPU_RETURN_IF_ERROR(CheckMediaType(request, {"application/json"}));
  return ParseBody(request.body);
}

absl::Status WrongMethod(const HttpRequest& request) {
  return MethodNotAllowed(absl::StrCat(request.method, " is not possible on this URL"));
}

Part PartOf(const Route& route) { return route.status ? Part::kStatus : Part::kMain; }

}  // namespace

HttpReply ErrorReply(const absl::Status& error) {
  const json status = StatusObject(error);
  return Answer(status["code"], status);
}

HttpReply RestApi::Handle(HttpRequest request) {
  if (request.path.size() == 1 &&
      (request.path[0] == "healthz" || request.path[0] == "readyz" || request.path[0] == "livez")) {
    HttpReply reply;
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = "ok";
    return reply;
  }
  absl::StatusOr<HttpReply> reply = [&]() -> absl::StatusOr<HttpReply> {
    if (std::optional<json> found = Discover(request.path)) {
      if (request.method != "GET") return WrongMethod(request);
      return Answer(200, *found);
    }
    XPU_ASSIGN_OR_RETURN(Route route, FindRoute(request.path));
    return OnResource(route, request);
  }();
  if (reply.ok()) return *std::move(reply);
  return ErrorReply(reply.status());
}

absl::StatusOr<HttpReply> RestApi::OnResource(const Route& route, const HttpRequest& request) {
  bool writes = request.method != "GET";
  if (writes && !Query(request, "dryRun").empty()) return BadRequest("dryRun is not possible here");
  if (route.name.empty()) {
    if (request.method == "GET") return Flag(request, "watch") ? Watch(route, request) : List(route, request);
    if (request.method == "POST" && (!route.ns.empty() || !route.kind->namespaced))
      return Create(route, request);
    return WrongMethod(request);
  }
  if (request.method == "GET") {
    XPU_ASSIGN_OR_RETURN(json object, store_.Get(*route.kind, {route.ns, route.name}));
    return AnswerObject(200, route, request, std::move(object));
  }
  if (request.method == "PUT") return Replace(route, request);
  if (request.method == "PATCH") return Patch(route, request);
  if (request.method == "DELETE" && !route.status) return Delete(route, request);
  return WrongMethod(request);
}

absl::StatusOr<HttpReply> RestApi::AnswerObject(int code, const Route& route, const HttpRequest& request,
                                                json object) {
  XPU_ASSIGN_OR_RETURN(const View view, ViewOf(request));
  return Answer(code, view.Object(*route.kind, std::move(object), clock_.Now()));
}

absl::StatusOr<HttpReply> RestApi::List(const Route& route, const HttpRequest& request) {
  XPU_ASSIGN_OR_RETURN(const View view, ViewOf(request));
  XPU_ASSIGN_OR_RETURN(std::optional<int64_t> version, Number(request, "resourceVersion"));
  if (version && Query(request, "resourceVersionMatch") == "Exact" && *version != store_.version()) {
    return Expired("only the latest version can be listed; list again");
  }
  XPU_ASSIGN_OR_RETURN(api::Selector selector, SelectorOf(*route.kind, request));
  XPU_ASSIGN_OR_RETURN(const std::optional<int64_t> limit, Number(request, "limit"));
  Page page{.limit = static_cast<size_t>(limit.value_or(0))};
  std::optional<ContinueToken> from;
  if (const std::string token = Query(request, "continue"); !token.empty()) {
    XPU_ASSIGN_OR_RETURN(from, ReadContinue(token));
    page.after = from->after;
    // Who watches from the first page's version hears of all that happened between the pages, as long as the
    // history reaches back so far.
    XPU_RETURN_IF_ERROR(store_.ChangesSince(*route.kind, route.ns, from->version, 1).status());
  }
  XPU_ASSIGN_OR_RETURN(Listing listing, store_.List(*route.kind, route.ns, selector, page));
  const int64_t as_of = from ? from->version : listing.version;
  json metadata = {{"resourceVersion", absl::StrCat(as_of)}};
  if (listing.more_after) metadata["continue"] = WriteContinue({as_of, *listing.more_after});
  return Answer(200, view.List(*route.kind, std::move(listing.items), std::move(metadata), clock_.Now()));
}

absl::StatusOr<HttpReply> RestApi::Watch(const Route& route, const HttpRequest& request) {
  WatchRequest watch;
  watch.kind = route.kind;
  XPU_ASSIGN_OR_RETURN(watch.view, ViewOf(request));
  watch.ns = route.ns;
  XPU_ASSIGN_OR_RETURN(watch.selector, SelectorOf(*route.kind, request));
  XPU_ASSIGN_OR_RETURN(std::optional<int64_t> since, Number(request, "resourceVersion"));
  // 0 means "whatever you have", as in Kubernetes.
  if (since && *since > 0) watch.since = since;
  watch.bookmarks = Flag(request, "allowWatchBookmarks");
  XPU_ASSIGN_OR_RETURN(std::optional<int64_t> seconds, Number(request, "timeoutSeconds"));
  if (seconds && *seconds > 0) watch.timeout = absl::Seconds(*seconds);
  XPU_RETURN_IF_ERROR(watches_.Check(watch));
  HttpReply reply;
  reply.stream = [this, watch = std::move(watch)](std::unique_ptr<HttpStream> stream) {
    watches_.Start(watch, std::move(stream));
  };
  return reply;
}

absl::StatusOr<HttpReply> RestApi::Create(const Route& route, const HttpRequest& request) {
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
  XPU_ASSIGN_OR_RETURN(json made, store_.Create(*route.kind, object));
  return AnswerObject(201, route, request, std::move(made));
}

absl::StatusOr<HttpReply> RestApi::Replace(const Route& route, const HttpRequest& request) {
  XPU_ASSIGN_OR_RETURN(json object, JsonBody(request));
  XPU_ASSIGN_OR_RETURN(json written,
                       store_.Update(*route.kind, {route.ns, route.name}, PartOf(route), std::move(object)));
  return AnswerObject(200, route, request, std::move(written));
}

absl::StatusOr<HttpReply> RestApi::Patch(const Route& route, const HttpRequest& request) {
  XPU_RETURN_IF_ERROR(
      CheckMediaType(request, {"application/merge-patch+json", "application/json-patch+json"}));
  PatchKind kind =
      request.content_type == "application/json-patch+json" ? PatchKind::kJson : PatchKind::kMerge;
  XPU_ASSIGN_OR_RETURN(json patch, ParseBody(request.body));
  XPU_ASSIGN_OR_RETURN(json written,
                       store_.Patch(*route.kind, {route.ns, route.name}, PartOf(route), kind, patch));
  return AnswerObject(200, route, request, std::move(written));
}

absl::StatusOr<HttpReply> RestApi::Delete(const Route& route, const HttpRequest& request) {
  Preconditions preconditions;
  if (!request.body.empty()) {
    XPU_ASSIGN_OR_RETURN(json options, JsonBody(request));
    if (!options.is_object()) return BadRequest("the body must be DeleteOptions");
    if (options.contains("dryRun") && !options["dryRun"].empty())
      return BadRequest("dryRun is not possible here");
    auto it = options.find("preconditions");
    if (it != options.end() && it->is_object()) {
      auto text = [&](const char* field) -> std::optional<std::string> {
        auto value = it->find(field);
        if (value == it->end() || !value->is_string()) return std::nullopt;
        return value->get<std::string>();
      };
      preconditions = {text("uid"), text("resourceVersion")};
    }
  }
  XPU_ASSIGN_OR_RETURN(Deleted deleted, store_.Delete(*route.kind, {route.ns, route.name}, preconditions));
  if (deleted.waits) return Answer(200, deleted.object);
  return Answer(200, DeletedObject(route.kind->resource, route.name, MetadataText(deleted.object, "uid")));
}

}  // namespace xpu::apiserver
