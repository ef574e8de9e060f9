#include "control-plane/apiserver/http/rest_api.h"

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "control-plane/apiserver/auth/impersonation.h"
#include "control-plane/apiserver/http/attributes.h"
#include "control-plane/apiserver/http/continue_token.h"
#include "control-plane/apiserver/http/discovery.h"
#include "control-plane/apiserver/http/query.h"
#include "control-plane/apiserver/http/reply.h"
#include "control-plane/apiserver/http/store_actions.h"
#include "control-plane/apiserver/http/view.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

absl::StatusOr<View> ViewOf(const HttpRequest& request) {
  return View::Parse(request.accept, Query(request, "includeObject"));
}

// What anybody may ask, to find out whether the server is there.
bool IsHealth(const HttpRequest& request) {
  return request.path.size() == 1 &&
         (request.path[0] == "healthz" || request.path[0] == "readyz" || request.path[0] == "livez");
}

}  // namespace

HttpReply RestApi::Handle(const HttpRequest& request) {
  if (IsHealth(request)) {
    HttpReply reply;
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = "ok";
    return reply;
  }
  // What no check has foreseen in what clients send is this request's failure, and not the server's end.
  try {
    absl::StatusOr<HttpReply> reply = Answer(request);
    return reply.ok() ? *std::move(reply) : ErrorReply(reply.status());
  } catch (const json::exception& e) {
    return ErrorReply(absl::InternalError(e.what()));
  }
}

absl::StatusOr<HttpReply> RestApi::Answer(const HttpRequest& request) {
  XPU_ASSIGN_OR_RETURN(const User user, Admit(request));
  if (request.body.size() > limits_.body_bytes) {
    return RequestTooLarge(
        absl::StrCat("the body has ", request.body.size(), " octets; at most ", limits_.body_bytes));
  }
  if (const std::optional<std::string> review = Reviews::Find(request.path)) {
    return Review(user, *review, request);
  }
  if (const std::optional<std::string> action = StoreActions::Find(request.path)) {
    return Act(user, *action, request);
  }
  if (request.path.size() == 1 && request.path[0] == "metrics") {
    XPU_RETURN_IF_ERROR(parts_.authorizer.Check(user, AttributesOf(request.path, request.method)));
    if (request.method != "GET") return MethodNotAllowed("only GET is possible on this URL");
    return HttpReply{.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = parts_.metrics()};
  }
  if (request.path.size() > 1 && request.path[0] == "openapi") {
    XPU_RETURN_IF_ERROR(parts_.authorizer.Check(user, AttributesOf(request.path, request.method)));
    if (std::optional<absl::StatusOr<HttpReply>> found = open_api_.Answer(request)) return *std::move(found);
  }
  if (const std::optional<json> found = Discover(parts_.store.kinds(), request.path)) {
    XPU_RETURN_IF_ERROR(parts_.authorizer.Check(user, AttributesOf(request.path, request.method)));
    if (request.method != "GET") return MethodNotAllowed("only GET is possible on this URL");
    return JsonReply(200, *found);
  }
  const absl::StatusOr<Route> route = FindRoute(parts_.store.kinds(), request.path);
  if (!route.ok()) {
    // Who may not know is not told whether it is there.
    XPU_RETURN_IF_ERROR(parts_.authorizer.Check(user, AttributesOf(request.path, request.method)));
    return route.status();
  }
  XPU_RETURN_IF_ERROR(parts_.authorizer.Check(user, AttributesOf(*route, request)));
  if (request.method != "GET") return writes_.Handle(user, *route, request);
  if (!route->name.empty()) return Get(*route, request);
  return Flag(request, "watch") ? Watch(user, *route, request) : List(*route, request);
}

absl::StatusOr<User> RestApi::Admit(const HttpRequest& request) {
  absl::StatusOr<User> user = parts_.authenticator.Authenticate(request);
  const absl::Duration wait = rate_.Take(user.ok() ? &*user : nullptr);
  if (wait > absl::ZeroDuration()) {
    return TooManyRequests("Too many requests, please try again later.", wait);
  }
  if (!user.ok()) return user.status();
  return Impersonated(*user, request, parts_.authorizer);
}

absl::StatusOr<HttpReply> RestApi::Review(const User& user, const std::string& review,
                                          const HttpRequest& request) {
  XPU_RETURN_IF_ERROR(parts_.authorizer.Check(
      user, {.verb = "create", .group = Reviews::GroupOf(review), .resource = review}));
  if (request.method != "POST") return MethodNotAllowed("only POST is possible on this URL");
  XPU_ASSIGN_OR_RETURN(json body, JsonBody(request));
  XPU_ASSIGN_OR_RETURN(const json answer, reviews_.Answer(review, user, std::move(body)));
  return JsonReply(201, answer);
}

absl::StatusOr<HttpReply> RestApi::Act(const User& user, const std::string& resource,
                                       const HttpRequest& request) {
  XPU_RETURN_IF_ERROR(parts_.authorizer.Check(
      user, {.verb = "create", .group = std::string(StoreActions::kGroup), .resource = resource}));
  if (request.method != "POST") return MethodNotAllowed("only POST is possible on this URL");
  XPU_ASSIGN_OR_RETURN(json body, JsonBody(request));
  return parts_.actions.Do(resource, request.peer, std::move(body));
}

absl::StatusOr<HttpReply> RestApi::Get(const Route& route, const HttpRequest& request) {
  XPU_ASSIGN_OR_RETURN(const View view, ViewOf(request));
  if (view.is_plain()) {
    XPU_ASSIGN_OR_RETURN(std::string text, parts_.store.GetText(*route.kind, {route.ns, route.name}));
    return TextReply(200, std::move(text));
  }
  XPU_ASSIGN_OR_RETURN(json object, parts_.store.Get(*route.kind, {route.ns, route.name}));
  return JsonReply(200, view.Object(*route.kind, std::move(object), parts_.clock.Now()));
}

absl::StatusOr<HttpReply> RestApi::List(const Route& route, const HttpRequest& request) {
  XPU_ASSIGN_OR_RETURN(const View view, ViewOf(request));
  XPU_ASSIGN_OR_RETURN(std::optional<int64_t> version, Number(request, "resourceVersion"));
  XPU_ASSIGN_OR_RETURN(api::Selector selector, SelectorOf(*route.kind, request));
  XPU_ASSIGN_OR_RETURN(const std::optional<int64_t> limit, Number(request, "limit"));
  Page page{.limit = static_cast<size_t>(limit.value_or(0))};
  std::optional<ContinueToken> from;
  if (const std::string token = Query(request, "continue"); !token.empty()) {
    XPU_ASSIGN_OR_RETURN(from, ReadContinue(token));
    page.after = from->after;
    // Who watches from the first page's version hears of all that happened between the pages, as long as the
    // history reaches back so far.
    XPU_RETURN_IF_ERROR(parts_.store.ChangesSince(*route.kind, route.ns, from->version, 1).status());
  }
  XPU_ASSIGN_OR_RETURN(Listing listing, parts_.store.List(*route.kind, route.ns, selector, page));
  if (version && Query(request, "resourceVersionMatch") == "Exact" && *version != listing.version) {
    return Expired("only the latest version can be listed; list again");
  }
  const int64_t as_of = from ? from->version : listing.version;
  json metadata = {{"resourceVersion", absl::StrCat(as_of)}};
  if (listing.more_after) metadata["continue"] = WriteContinue({as_of, *listing.more_after});
  return JsonReply(200,
                   view.List(*route.kind, std::move(listing.items), std::move(metadata), parts_.clock.Now()));
}

absl::StatusOr<HttpReply> RestApi::Watch(const User& user, const Route& route, const HttpRequest& request) {
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
  if (!user.In(kMasters)) watch.user = user.name;
  XPU_RETURN_IF_ERROR(parts_.watches.Check(watch));
  HttpReply reply;
  reply.stream = [this, watch = std::move(watch)](std::unique_ptr<HttpStream> stream) {
    parts_.watches.Start(watch, std::move(stream));
  };
  return reply;
}

}  // namespace xpu::apiserver
