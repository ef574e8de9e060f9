#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/api/kinds.h"
#include "control-plane/apiserver/store/object_store.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// What the server makes of what clients send: pure functions, without the tables. The results carry no
// resourceVersion of their own yet: they get it when they are written.

// A new object from what a client sends: status is not taken, what the server owns is filled in. The name
// must be there. Invalid or BadRequest.
absl::StatusOr<nlohmann::json> NewObject(const api::KindInfo& kind, nlohmann::json sent,
                                         const std::string& uid, absl::Time now);

// `old` with one part replaced by that of `sent`. Equal to `old` if nothing changes. Conflict if `sent` was
// made from another version or another object of that name; Invalid or BadRequest.
absl::StatusOr<nlohmann::json> ChangedObject(const api::KindInfo& kind, Part part, const nlohmann::json& old,
                                             nlohmann::json sent);

// The object with a deletionTimestamp; an earlier one stays.
nlohmann::json MarkedForDeletion(const api::KindInfo& kind, nlohmann::json object, absl::Time now);

// It is to be deleted and nobody has to agree any more.
bool MayGo(const nlohmann::json& object);
bool IsMarked(const nlohmann::json& object);

// Kinds that are declared while the server runs may have several versions, which differ in nothing but
// apiVersion: that of `kind` is put into the object.
void StampVersion(const api::KindInfo& kind, nlohmann::json* object);

// A string of metadata, as long as the object stays as it is; empty if it is not there or not a string.
const std::string& MetadataText(const nlohmann::json& object, const char* field);

}  // namespace xpu::apiserver
