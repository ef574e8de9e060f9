#include "control-plane/apiserver/http/store_actions.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {

using nlohmann::json;

std::optional<std::string> StoreActions::Find(const std::vector<std::string>& path) {
  if (path.size() != 4 || path[0] != "apis" || path[1] != kGroup || path[2] != "v1") return std::nullopt;
  if (path[3] != "backups" && path[3] != "restores") return std::nullopt;
  return path[3];
}

absl::StatusOr<json> StoreActions::Do(ObjectStore& store, const std::string& resource, const HttpPeer& peer,
                                      json body) {
  if (peer.transport == HttpPeer::Transport::kTls) {
    return Forbidden({std::string(kGroup), "v1", "", resource}, "",
                     "the file is on the server's machine: ask there, on its "
                     "unix socket or loopback");
  }
  if (!body.is_object()) return BadRequest("the body must be an object");
  const json spec = body.value("spec", json::object());
  const json path = spec.is_object() ? spec.value("path", json()) : json();
  if (!path.is_string() || !absl::StartsWith(path.get_ref<const std::string&>(), "/")) {
    return BadRequest("spec.path must be the absolute path of a file");
  }
  const std::string file = path.get<std::string>();
  const absl::Status done = resource == "backups" ? store.BackUp(file) : store.Restore(file);
  // What is wrong is wrong with the file that was named.
  if (!done.ok()) return BadRequest(done.message());
  body["status"] = {{"resourceVersion", absl::StrCat(store.version())}};
  return body;
}

}  // namespace xpu::apiserver
