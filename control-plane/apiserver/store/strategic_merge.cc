#include "control-plane/apiserver/store/strategic_merge.h"

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

constexpr absl::string_view kPatch = "$patch";
constexpr absl::string_view kRetainKeys = "$retainKeys";
constexpr absl::string_view kDeleteFrom = "$deleteFromPrimitiveList/";
constexpr absl::string_view kSetOrder = "$setElementOrder/";

// The merge keys of lists in the kinds that are served (patchMergeKey in Kubernetes' API types).
const char* KeyOf(const std::string& field) {
  static const auto& keys = *new std::map<std::string, const char*>{
      {"addresses", "type"},      {"conditions", "type"}, {"imagePullSecrets", "name"},
      {"ownerReferences", "uid"}, {"ports", "port"},      {"secrets", "name"}};
  const auto it = keys.find(field);
  return it == keys.end() ? nullptr : it->second;
}

bool IsSet(const std::string& field) { return field == "finalizers" || field == "podCIDRs"; }

std::string Directive(const json& value) {
  const auto it = value.is_object() ? value.find(kPatch) : value.end();
  return it == value.end() || !it->is_string() ? "" : it->get<std::string>();
}

json WithoutDirectives(json value) {
  if (!value.is_structured()) return value;
  for (auto it = value.begin(); it != value.end();) {
    if (value.is_object() && absl::StartsWith(it.key(), "$")) {
      it = value.erase(it);
    } else if (value.is_object() && it->is_null()) {
      it = value.erase(it);
    } else {
      *it = WithoutDirectives(std::move(*it));
      ++it;
    }
  }
  return value;
}

json* Find(json& list, const char* key, const json& value) {
  for (json& item : list) {
    if (item.is_object() && item.value(key, json()) == value) return &item;
  }
  return nullptr;
}

absl::Status MergeObject(const json& patch, json* target);

absl::Status MergeList(const std::string& field, const json& patch, json* target) {
  const char* key = KeyOf(field);
  const bool replaces = std::any_of(patch.begin(), patch.end(), [](const json& item) {
    return Directive(item) == "replace" && item.size() == 1;
  });
  if (!target->is_array() || replaces || (key == nullptr && !IsSet(field))) {
    *target = json::array();
    for (const json& item : patch) {
      if (Directive(item).empty()) target->push_back(WithoutDirectives(item));
    }
    return absl::OkStatus();
  }
  for (const json& item : patch) {
    if (key == nullptr) {
      if (std::find(target->begin(), target->end(), item) == target->end()) target->push_back(item);
      continue;
    }
    if (!item.is_object() || !item.contains(key)) {
      return BadRequest(
          absl::StrCat("an item of the list ", field, " in the patch lacks its merge key ", key));
    }
    const json identity = item[key];
    if (Directive(item) == "delete") {
      target->erase(std::remove_if(target->begin(), target->end(),
                                   [&](const json& there) {
                                     return there.is_object() && there.value(key, json()) == identity;
                                   }),
                    target->end());
    } else if (json* there = Find(*target, key, identity)) {
      XPU_RETURN_IF_ERROR(MergeObject(item, there));
    } else {
      target->push_back(WithoutDirectives(item));
    }
  }
  return absl::OkStatus();
}

// Items that the order names come in it; others keep their place behind those before them.
void Reorder(const std::string& field, const json& order, json* list) {
  if (!list->is_array() || !order.is_array()) return;
  const char* key = KeyOf(field);
  const auto place = [&](const json& item) {
    for (size_t i = 0; i < order.size(); ++i) {
      const bool same = key == nullptr ? item == order[i]
                                       : item.is_object() && order[i].is_object() &&
                                             item.value(key, json()) == order[i].value(key, json());
      if (same) return i;
    }
    return order.size();
  };
  std::stable_sort(list->begin(), list->end(),
                   [&](const json& a, const json& b) { return place(a) < place(b); });
}

absl::Status MergeObject(const json& patch, json* target) {
  const std::string directive = Directive(patch);
  if (directive == "replace" || !target->is_object()) {
    *target = WithoutDirectives(patch);
    return absl::OkStatus();
  }
  if (directive == "delete") {
    *target = json::object();
    return absl::OkStatus();
  }
  if (!directive.empty() && directive != "merge") {
    return BadRequest(
        absl::StrCat("the patch says \"$patch\": \"", directive, "\"; it is replace, delete or merge"));
  }
  if (const auto retained = patch.find(kRetainKeys); retained != patch.end() && retained->is_array()) {
    for (auto it = target->begin(); it != target->end();) {
      const bool stays = std::find(retained->begin(), retained->end(), it.key()) != retained->end();
      it = stays ? std::next(it) : target->erase(it);
    }
  }
  for (const auto& [name, value] : patch.items()) {
    absl::string_view field = name;
    if (absl::ConsumePrefix(&field, kDeleteFrom)) {
      const auto list = target->find(std::string(field));
      if (list == target->end() || !list->is_array() || !value.is_array()) continue;
      list->erase(std::remove_if(list->begin(), list->end(),
                                 [&removed = value](const json& item) {
                                   return std::find(removed.begin(), removed.end(), item) != removed.end();
                                 }),
                  list->end());
    }
    if (absl::StartsWith(name, "$")) continue;
    if (value.is_null()) {
      target->erase(name);
    } else if (value.is_object()) {
      if (Directive(value) == "delete") {
        target->erase(name);
      } else {
        XPU_RETURN_IF_ERROR(MergeObject(value, &(*target)[name]));
      }
    } else if (value.is_array()) {
      XPU_RETURN_IF_ERROR(MergeList(name, value, &(*target)[name]));
    } else {
      (*target)[name] = value;
    }
  }
  for (const auto& [name, value] : patch.items()) {
    absl::string_view field = name;
    if (!absl::ConsumePrefix(&field, kSetOrder)) continue;
    const auto list = target->find(std::string(field));
    if (list != target->end()) Reorder(std::string(field), value, &*list);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<json> StrategicMerge(json target, const json& patch) {
  if (!patch.is_object()) return BadRequest("a strategic merge patch of an object is an object");
  XPU_RETURN_IF_ERROR(MergeObject(patch, &target));
  return target;
}

}  // namespace xpu::apiserver
