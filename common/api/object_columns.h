#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/api/field_path.h"
#include "common/api/kinds.h"
#include "nlohmann/json.hpp"

namespace xpu::api {

// The columns in which a kind's objects are shown: (NAMESPACE,) NAME, those of its declaration, AGE.
class ObjectColumns {
 public:
  // `wide`: also the columns that are only for wide tables.
  ObjectColumns(const KindInfo& kind, bool with_namespace, bool wide);

  struct Heading {
    std::string name;
    bool wide = false;
  };
  const std::vector<Heading>& headings() const { return headings_; }
  // Their names.
  std::vector<std::string> Headings() const;
  // One cell for each heading, as a person reads it; `object` may have any shape.
  std::vector<std::string> Row(const nlohmann::json& object, absl::Time now) const;

 private:
  const bool with_namespace_;
  struct Cell {
    FieldPath path;
    bool date = false;
  };
  std::vector<Cell> cells_;
  const bool age_;
  std::vector<Heading> headings_;
};

// "12s", "3m20s", "5h", "2d": as long ago as a person wants to know it.
std::string AgeText(absl::Duration age);

}  // namespace xpu::api
