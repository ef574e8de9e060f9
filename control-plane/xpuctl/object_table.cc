#include "control-plane/xpuctl/object_table.h"

#include "common/kube/metadata.h"
#include "control-plane/xpuctl/session.h"

namespace xpu {

ObjectColumns::ObjectColumns(const api::KindInfo& kind, bool with_namespace, bool wide)
    : with_namespace_(with_namespace && kind.namespaced) {
  for (const api::Column& column : kind.columns) {
    if (column.wide && !wide) continue;
    absl::StatusOr<FieldPath> path = FieldPath::Parse(column.path);
    if (path.ok()) columns_.emplace_back(column.name, *std::move(path));
  }
}

std::vector<std::string> ObjectColumns::Headings() const {
  std::vector<std::string> headings;
  if (with_namespace_) headings.push_back("Namespace");
  headings.push_back("Name");
  for (const auto& [name, path] : columns_) headings.push_back(name);
  headings.push_back("Age");
  return headings;
}

std::vector<std::string> ObjectColumns::Row(const Resource& object, absl::Time now) const {
  static const FieldPath& created = *new FieldPath(FieldPath::Parse(".metadata.creationTimestamp").value());
  const ResourceName name = NameOf(object);
  std::vector<std::string> row;
  if (with_namespace_) row.push_back(name.ns);
  row.push_back(name.name);
  for (const auto& [heading, path] : columns_) row.push_back(path.Text(object));
  absl::Time since;
  row.push_back(
      absl::ParseTime(absl::RFC3339_full, created.Text(object), &since, nullptr) ? AgeText(now - since) : "");
  return row;
}

}  // namespace xpu
