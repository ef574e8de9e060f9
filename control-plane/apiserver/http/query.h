#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/api/kinds.h"
#include "common/api/selector.h"
#include "common/http/http_server.h"

namespace xpu::apiserver {

// What the query of a request says; errors are BadRequest.

std::string Query(const HttpRequest& request, const std::string& name);
// As Kubernetes reads booleans of a query; there but empty means yes.
bool Flag(const HttpRequest& request, const std::string& name);
// A number from 0; nothing if it is absent or empty.
absl::StatusOr<std::optional<int64_t>> Number(const HttpRequest& request, const std::string& name);
// labelSelector and fieldSelector, the latter by fields that objects of `kind` are selected by.
absl::StatusOr<api::Selector> SelectorOf(const api::KindInfo& kind, const HttpRequest& request);
// Whether dryRun asks that nothing is written; "All" is the only value that it may have.
absl::StatusOr<bool> IsDryRun(const HttpRequest& request);

}  // namespace xpu::apiserver
