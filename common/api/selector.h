#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/api/kinds.h"
#include "nlohmann/json.hpp"

namespace xpu::api {

// Which objects a list or a watch is about: labels and fields as kubectl's --selector and --field-selector
// write them. A value; selects everything by default.
class Selector {
 public:
  Selector() = default;
  // Labels: "app=demo", "app==demo", "app!=demo", "app in (a,b)", "app notin (a,b)", "app", "!app", joined
  // with commas. Fields: "metadata.name=x", "spec.host!=y": "=", "==" and "!=" on any scalar of the object;
  // an absent field equals the empty string. InvalidArgument says what cannot be read.
  static absl::StatusOr<Selector> Parse(absl::string_view labels, absl::string_view fields);

  // Whether objects of `kind` can be selected by these fields: metadata.name, metadata.namespace and those
  // that its declaration names. InvalidArgument names one that it does not.
  absl::Status CheckFields(const KindInfo& kind) const;

  bool Matches(const nlohmann::json& object) const;
  bool everything() const { return labels_.empty() && fields_.empty(); }

 private:
  enum class Operator { kIn, kNotIn, kExists, kNotExists };
  struct LabelTerm {
    std::string key;
    Operator op = Operator::kExists;
    std::vector<std::string> values;
  };
  struct FieldTerm {
    std::vector<std::string> path;
    bool equal = true;
    std::string value;
  };
  static absl::StatusOr<LabelTerm> ParseLabelTerm(absl::string_view text);

  std::vector<LabelTerm> labels_;
  std::vector<FieldTerm> fields_;
};

}  // namespace xpu::api
