#pragma once

#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace xpu::api {

// A path through an object, the part of kubectl's JSONPath that printer columns use:
//   .spec.vni   .spec['vni']   .metadata.labels.app\.io/name   .status.addresses[0]   [-1] (from the end) [*]
//   .status.conditions[?(@.type=="Ready")].status
class FieldPath {
 public:
  // InvalidArgument shows where it cannot be read.
  static absl::StatusOr<FieldPath> Parse(absl::string_view text);

  // All values that the path leads to, in order; none if there is nothing. They live as long as `object`.
  std::vector<const nlohmann::json*> Find(const nlohmann::json& object) const;
  // The values as a person reads them in a cell: lists joined with commas, empty for nothing.
  std::string Text(const nlohmann::json& object) const;

 private:
  struct Key {
    std::string name;
  };
  struct Index {
    int64_t index = 0;
  };
  struct All {};
  // Elements whose field equals (or not) a value.
  struct Filter {
    std::vector<std::string> field;
    bool equal = true;
    nlohmann::json value;
  };
  using Step = std::variant<Key, Index, All, Filter>;

  class Parser;
  std::vector<Step> steps_;
};

// A value as a person reads it: strings as they are, lists joined with commas, objects as JSON.
std::string CellText(const nlohmann::json& value);

}  // namespace xpu::api
