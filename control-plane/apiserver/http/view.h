#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/api/kinds.h"
#include "common/api/object_columns.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// In which form a client wants objects (Kubernetes API concepts, "Receiving resources as Tables"): as they
// are, as the rows of a table whose columns the server knows, or their metadata alone. A value; pure.
class View {
 public:
  // Objects as they are.
  View() = default;
  // By the header Accept and, for tables, the query's includeObject (None, Metadata or Object; empty:
  // Metadata). NotAcceptable if the client takes nothing of what there is; BadRequest for another
  // includeObject.
  static absl::StatusOr<View> Parse(absl::string_view accept, absl::string_view include_object);

  // Objects as they are, the same for everybody.
  bool is_plain() const { return form_ == Form::kObject; }
  // One object, the answer to a GET or a write.
  nlohmann::json Object(const api::KindInfo& kind, nlohmann::json object, absl::Time now) const;
  // A list with its metadata (resourceVersion, continue).
  nlohmann::json List(const api::KindInfo& kind, std::vector<nlohmann::json> items, nlohmann::json metadata,
                      absl::Time now) const;
  // The object of a watch event. Only the first of a watch's tables has the columns' definitions.
  nlohmann::json Event(const api::KindInfo& kind, nlohmann::json object, bool first, absl::Time now) const;

 private:
  enum class Form { kObject, kTable, kMetadata };
  enum class Include { kNone, kMetadata, kObject };

  nlohmann::json Table(const api::KindInfo& kind, std::vector<nlohmann::json> items, nlohmann::json metadata,
                       bool with_columns, absl::Time now) const;

  Form form_ = Form::kObject;
  Include include_ = Include::kMetadata;
};

}  // namespace xpu::apiserver
