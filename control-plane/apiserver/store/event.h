#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "common/api/selector.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// An object as it is at one version: shared, and changed by nobody.
using ObjectPtr = std::shared_ptr<const nlohmann::json>;

// One change of one object. Each version of the store has exactly one.
struct Change {
  int64_t version = 0;
  // "group/plural", see CollectionOf.
  std::string collection;
  std::string ns;
  std::string name;
  // Null where the object was not there before, or is not there any more.
  ObjectPtr before;
  // For a deletion `after` is null and `before` the last state under the deletion's version.
  ObjectPtr after;
  // `after` as JSON; empty where nobody has written it down yet.
  std::string text = {};
  // The same of `before`.
  std::string before_text = {};
  // False: it is known that neither of them names owners.
  bool may_have_owners = true;
};

// What a watch with a selector makes of a change.
struct WatchItem {
  absl::string_view type;  // "ADDED", "MODIFIED" or "DELETED"
  // With metadata.resourceVersion of the change.
  nlohmann::json object;
};

// The parts of Project: the type of the item, if it is one, and its object.
std::optional<absl::string_view> ItemType(const Change& change, const api::Selector& selector);
nlohmann::json ItemObject(const Change& change, absl::string_view type);

// An object that comes into the selection is ADDED, one that leaves it is DELETED, whatever happened to it
// otherwise. Nothing if the selection does not see the change.
std::optional<WatchItem> Project(const Change& change, const api::Selector& selector);

}  // namespace xpu::apiserver
