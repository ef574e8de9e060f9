#include "control-plane/apiserver/http/attributes.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "control-plane/apiserver/http/query.h"

namespace xpu::apiserver {
namespace {

std::string VerbOf(const Route& route, const HttpRequest& request) {
  if (request.method == "POST") return "create";
  if (request.method == "PUT") return "update";
  if (request.method == "PATCH") return "patch";
  if (request.method == "DELETE") return route.name.empty() ? "deletecollection" : "delete";
  if (!route.name.empty()) return "get";
  return Flag(request, "watch") ? "watch" : "list";
}

}  // namespace

Attributes AttributesOf(const Route& route, const HttpRequest& request) {
  const ResourceKind& kind = route.kind->resource;
  Attributes wanted{.verb = VerbOf(route, request),
                    .group = kind.group,
                    .resource = kind.plural,
                    .subresource = route.status ? "status" : "",
                    .ns = route.ns,
                    .name = route.name};
  // A namespace lies in itself.
  if (kind.group.empty() && kind.plural == "namespaces") wanted.ns = route.name;
  if (wanted.name.empty() && request.method == "GET") {
    for (absl::string_view term : absl::StrSplit(Query(request, "fieldSelector"), ',')) {
      if (absl::ConsumePrefix(&term, "metadata.name="))
        wanted.name = std::string(absl::StripPrefix(term, "="));
    }
  }
  return wanted;
}

Attributes AttributesOf(const std::vector<std::string>& path, const std::string& method) {
  return {.verb = absl::AsciiStrToLower(method), .path = absl::StrCat("/", absl::StrJoin(path, "/"))};
}

}  // namespace xpu::apiserver
