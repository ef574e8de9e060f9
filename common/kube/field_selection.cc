#include "common/kube/field_selection.h"

#include "absl/strings/str_cat.h"
#include "common/api/kinds.h"
#include "common/base/status_macros.h"
#include "common/kube/metadata.h"
#include "spdlog/spdlog.h"

namespace xpu {

WatchEvent FieldSelection::Select(const WatchEvent& event) const {
  if (event.type == WatchEvent::Type::kBookmark || rest.Matches(event.object)) return event;
  // It may have been selected before, and who never saw it is not told of what.
  if (event.type == WatchEvent::Type::kModified) return {WatchEvent::Type::kDeleted, event.object};
  return {WatchEvent::Type::kBookmark, {{"metadata", {{"resourceVersion", VersionOf(event.object)}}}}};
}

absl::StatusOr<FieldSelection> FieldSelections::For(const ResourceKind& kind, const ListOptions& options) {
  FieldSelection selection{options.label_selector, options.field_selector, {}};
  {
    absl::MutexLock lock(&mu_);
    if (options.field_selector.empty() || !unselectable_.contains(kind)) return selection;
  }
  XPU_ASSIGN_OR_RETURN(selection.rest, api::Selector::Parse("", options.field_selector));
  const api::KindInfo* const info = api::FindKind(kind.ApiVersion(), kind.kind);
  if (info != nullptr) XPU_RETURN_IF_ERROR(selection.rest.CheckFields(*info));
  selection.fields.clear();
  if (!options.labels_of_fields.empty()) {
    absl::StrAppend(&selection.labels, selection.labels.empty() ? "" : ",", options.labels_of_fields);
  }
  return selection;
}

bool FieldSelections::IsRefusal(const ResourceKind& kind, const FieldSelection& asked,
                                const absl::Status& answer) {
  if (!absl::IsInvalidArgument(answer) || asked.fields.empty()) return false;
  // What the kind does not declare is refused by every server, and what cannot be read too.
  const api::KindInfo* const info = api::FindKind(kind.ApiVersion(), kind.kind);
  const absl::StatusOr<api::Selector> fields = api::Selector::Parse("", asked.fields);
  const absl::StatusOr<api::Selector> labels = api::Selector::Parse(asked.labels, "");
  if (info == nullptr || info->selectable_fields.empty() || !labels.ok() || !fields.ok()) return false;
  if (!fields->CheckFields(*info).ok()) return false;
  absl::MutexLock lock(&mu_);
  if (unselectable_.insert(kind).second) {
    spdlog::info("the server cannot select {} by {}, so it is done here", kind.plural, asked.fields);
  }
  return true;
}

}  // namespace xpu
