#include "common/kube/kube_urls.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace xpu {
namespace {

// RFC 3986, section 2.3: all but the unreserved characters is escaped.
std::string Escape(absl::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' || c == '~') {
      escaped.push_back(c);
    } else {
      absl::StrAppendFormat(&escaped, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

}  // namespace

std::string CollectionPath(const ResourceKind& kind, const std::string& ns) {
  std::string path = kind.group.empty()
                         ? absl::StrCat("/api/", Escape(kind.version))
                         : absl::StrCat("/apis/", Escape(kind.group), "/", Escape(kind.version));
  if (!ns.empty()) absl::StrAppend(&path, "/namespaces/", Escape(ns));
  absl::StrAppend(&path, "/", Escape(kind.plural));
  return path;
}

std::string ObjectPath(const ResourceKind& kind, const ResourceName& name, const std::string& subresource) {
  std::string path = absl::StrCat(CollectionPath(kind, name.ns), "/", Escape(name.name));
  if (!subresource.empty()) absl::StrAppend(&path, "/", subresource);
  return path;
}

std::string QueryOf(const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string query;
  for (const auto& [key, value] : parameters) {
    if (value.empty()) continue;
    absl::StrAppend(&query, query.empty() ? "?" : "&", key, "=", Escape(value));
  }
  return query;
}

}  // namespace xpu
