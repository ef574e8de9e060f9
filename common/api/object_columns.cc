#include "common/api/object_columns.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace xpu::api {
namespace {

const FieldPath& Fixed(const char* path) {
  // A few, for ever.
  return *new FieldPath(FieldPath::Parse(path).value());
}

// How long ago an RFC 3339 time is; empty if it is none.
std::string AgeOf(const std::string& time, absl::Time now) {
  absl::Time since;
  return absl::ParseTime(absl::RFC3339_full, time, &since, nullptr) ? AgeText(now - since) : "";
}

}  // namespace

ObjectColumns::ObjectColumns(const KindInfo& kind, bool with_namespace, bool wide)
    : with_namespace_(with_namespace && kind.namespaced), age_(kind.age_column) {
  if (with_namespace_) headings_.push_back({"Namespace"});
  headings_.push_back({"Name"});
  for (const Column& column : kind.columns) {
    if (column.wide && !wide) continue;
    absl::StatusOr<FieldPath> path = FieldPath::Parse(column.path);
    if (!path.ok()) continue;
    cells_.push_back({*std::move(path), column.date});
    headings_.push_back({column.name, column.wide});
  }
  if (age_) headings_.push_back({"Age"});
}

std::vector<std::string> ObjectColumns::Headings() const {
  std::vector<std::string> names;
  for (const Heading& heading : headings_) names.push_back(heading.name);
  return names;
}

std::vector<std::string> ObjectColumns::Row(const nlohmann::json& object, absl::Time now) const {
  static const FieldPath& ns = Fixed(".metadata.namespace");
  static const FieldPath& name = Fixed(".metadata.name");
  static const FieldPath& created = Fixed(".metadata.creationTimestamp");
  std::vector<std::string> row;
  if (with_namespace_) row.push_back(ns.Text(object));
  row.push_back(name.Text(object));
  for (const Cell& cell : cells_) {
    const std::string text = cell.path.Text(object);
    row.push_back(cell.date ? AgeOf(text, now) : text);
  }
  if (age_) row.push_back(AgeOf(created.Text(object), now));
  return row;
}

std::string AgeText(absl::Duration age) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(age));
  const int64_t minutes = seconds / 60;
  const int64_t hours = minutes / 60;
  const int64_t days = hours / 24;
  // Two units while the larger one alone would say too little.
  const auto two = [](int64_t big, const char* big_unit, int64_t small, const char* small_unit) {
    return small == 0 ? absl::StrCat(big, big_unit) : absl::StrCat(big, big_unit, small, small_unit);
  };
  if (seconds < 120) return absl::StrCat(seconds, "s");
  if (minutes < 10) return two(minutes, "m", seconds % 60, "s");
  if (hours < 3) return absl::StrCat(minutes, "m");
  if (hours < 8) return two(hours, "h", minutes % 60, "m");
  if (hours < 48) return absl::StrCat(hours, "h");
  if (days < 8) return two(days, "d", hours % 24, "h");
  return absl::StrCat(days, "d");
}

}  // namespace xpu::api
