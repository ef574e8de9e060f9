#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/api/api.h"
#include "common/kube/resource_store.h"
#include "control-plane/xpuctl/field_path.h"
#include "control-plane/xpuctl/table.h"

namespace xpu {

// The columns of a kind: (NAMESPACE,) NAME, those of its declaration, AGE.
class ObjectColumns {
 public:
  // `wide`: also the columns that are only for wide tables.
  ObjectColumns(const api::KindInfo& kind, bool with_namespace, bool wide);

  std::vector<std::string> Headings() const;
  std::vector<std::string> Row(const Resource& object, absl::Time now) const;

 private:
  const bool with_namespace_;
  std::vector<std::pair<std::string, FieldPath>> columns_;
};

}  // namespace xpu
