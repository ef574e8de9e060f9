#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/http/http_server.h"
#include "control-plane/apiserver/store/object_store.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// Backup and restore while the server runs: POST of an object {"spec": {"path":
// "/..."}} to /apis/store.xpu.opiproject.org/v1/backups or .../restores, which
// is answered when it is done and not kept. The path is on the server's
// machine, so only clients on that machine may ask; roles name the resources as
// any others.
class StoreActions {
 public:
  static constexpr absl::string_view kGroup = "store.xpu.opiproject.org";

  // "backups" or "restores"; nothing for other URLs.
  static std::optional<std::string> Find(const std::vector<std::string>& path);

  // The object with what was done in `status`. What was asked for before must
  // have been committed.
  static absl::StatusOr<nlohmann::json> Do(ObjectStore& store, const std::string& resource,
                                           const HttpPeer& peer, nlohmann::json body);
};

}  // namespace xpu::apiserver
