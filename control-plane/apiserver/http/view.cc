#include "control-plane/apiserver/http/view.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

constexpr char kMeta[] = "meta.k8s.io/v1";

json MetadataOnly(const json& object) {
  return {{"apiVersion", kMeta},
          {"kind", "PartialObjectMetadata"},
          {"metadata", object.value("metadata", json())}};
}

json Columns(const std::vector<api::ObjectColumns::Heading>& headings) {
  json columns = json::array();
  for (const api::ObjectColumns::Heading& heading : headings) {
    columns.push_back({{"name", heading.name},
                       {"type", "string"},
                       // What "name" is tells kubectl what to print behind the kind with -o name.
                       {"format", heading.name == "Name" ? "name" : ""},
                       {"description", ""},
                       {"priority", heading.wide ? 1 : 0}});
  }
  return columns;
}

}  // namespace

absl::StatusOr<View> View::Parse(absl::string_view accept, absl::string_view include_object) {
  View view;
  if (include_object == "None") {
    view.include_ = Include::kNone;
  } else if (include_object == "Object") {
    view.include_ = Include::kObject;
  } else if (!include_object.empty() && include_object != "Metadata") {
    return BadRequest(
        absl::StrCat("includeObject is None, Metadata or Object, not \"", include_object, "\""));
  }
  if (absl::StripAsciiWhitespace(accept).empty()) return view;
  // The first that can be given. Weights (";q=") are in use nowhere here: clients write in their order.
  for (absl::string_view range : absl::StrSplit(accept, ',')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(range, ';');
    const std::string type = absl::AsciiStrToLower(absl::StripAsciiWhitespace(parts[0]));
    if (type != "application/json" && type != "application/*" && type != "*/*") continue;
    std::string as, group, version;
    for (size_t i = 1; i < parts.size(); ++i) {
      const std::pair<absl::string_view, absl::string_view> parameter =
          absl::StrSplit(absl::StripAsciiWhitespace(parts[i]), absl::MaxSplits('=', 1));
      if (parameter.first == "as") as = std::string(parameter.second);
      if (parameter.first == "g") group = std::string(parameter.second);
      if (parameter.first == "v") version = std::string(parameter.second);
    }
    if (as.empty()) return view;
    if (group != "meta.k8s.io" || version != "v1") continue;
    if (as == "Table") {
      view.form_ = Form::kTable;
      return view;
    }
    if (as == "PartialObjectMetadata" || as == "PartialObjectMetadataList") {
      view.form_ = Form::kMetadata;
      return view;
    }
  }
  return NotAcceptable(
      absl::StrCat("objects are given as application/json, also as Table or PartialObjectMetadata "
                   "of meta.k8s.io/v1; \"",
                   accept, "\" takes none of these"));
}

json View::Object(const api::KindInfo& kind, json object, absl::Time now) const {
  return Event(kind, std::move(object), /*first=*/true, now);
}

json View::Event(const api::KindInfo& kind, json object, bool first, absl::Time now) const {
  switch (form_) {
    case Form::kObject:
      break;
    case Form::kMetadata:
      return MetadataOnly(object);
    case Form::kTable: {
      json metadata = json::object();
      const json& from = object.value("metadata", json::object());
      if (from.contains("resourceVersion")) metadata["resourceVersion"] = from["resourceVersion"];
      return Table(kind, {std::move(object)}, std::move(metadata), first, now);
    }
  }
  return object;
}

json View::List(const api::KindInfo& kind, std::vector<json> items, json metadata, absl::Time now) const {
  if (form_ == Form::kTable)
    return Table(kind, std::move(items), std::move(metadata), /*with_columns=*/true, now);
  if (form_ == Form::kMetadata) {
    for (json& item : items) item = MetadataOnly(item);
    return {{"apiVersion", kMeta},
            {"kind", "PartialObjectMetadataList"},
            {"metadata", std::move(metadata)},
            {"items", std::move(items)}};
  }
  return {{"apiVersion", kind.resource.ApiVersion()},
          {"kind", absl::StrCat(kind.resource.kind, "List")},
          {"metadata", std::move(metadata)},
          {"items", std::move(items)}};
}

json View::Table(const api::KindInfo& kind, std::vector<json> items, json metadata, bool with_columns,
                 absl::Time now) const {
  const api::ObjectColumns columns(kind, /*with_namespace=*/false, /*wide=*/true);
  json rows = json::array();
  for (json& item : items) {
    json row = {{"cells", columns.Row(item, now)}};
    if (include_ == Include::kMetadata) row["object"] = MetadataOnly(item);
    if (include_ == Include::kObject) row["object"] = std::move(item);
    rows.push_back(std::move(row));
  }
  return {{"apiVersion", kMeta},
          {"kind", "Table"},
          {"metadata", std::move(metadata)},
          {"columnDefinitions", with_columns ? Columns(columns.headings()) : json::array()},
          {"rows", std::move(rows)}};
}

}  // namespace xpu::apiserver
