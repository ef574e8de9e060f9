#include "xpu-agent/controllers/card_status.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/kube/metadata.h"
#include "xpu-agent/controllers/outcome.h"

namespace xpu {

Resource FindCardEntry(const Resource& object, const std::string& card) {
  const auto status = object.find("status");
  if (status == object.end() || !status->is_object()) return {};
  const auto cards = status->find("cards");
  if (cards == status->end() || !cards->is_array()) return {};
  for (const Resource& entry : *cards) {
    if (entry.is_object() && entry.value("card", "") == card) return entry;
  }
  return {};
}

Resource& CardEntry(Resource* object, const std::string& card) {
  Resource& cards = (*object)["status"]["cards"];
  if (!cards.is_array()) cards = Resource::array();
  for (Resource& entry : cards) {
    if (entry.is_object() && entry.value("card", "") == card) return entry;
  }
  cards.push_back({{"card", card}});
  return cards.back();
}

bool RemoveCardEntry(Resource* object, const std::string& card) {
  if (FindCardEntry(*object, card).is_null()) return false;
  Resource& cards = (*object)["status"]["cards"];
  Resource others = Resource::array();
  for (const Resource& entry : cards) {
    if (!entry.is_object() || entry.value("card", "") != card) others.push_back(entry);
  }
  cards = others;
  return true;
}

void SetReadyOfCard(Resource* object, const std::string& card, const absl::Status& outcome, absl::Time now) {
  const std::string mine = absl::StrCat("card ", card, ": ");
  const ConditionValue is = GetCondition(*object, "Ready");
  const bool others_word = is.status == "False" && absl::StartsWith(is.message, "card ") &&
                           !absl::StartsWith(is.message, mine) &&
                           is.observed_generation == GenerationOf(*object);
  if (others_word) return;
  SetCondition(object,
               ReadyCondition(*object, outcome,
                              outcome.ok() ? "" : absl::StrCat(mine, std::string(outcome.message()))),
               now);
}

bool IsNewsForCard(const Resource& before, const Resource& now, const std::string& card,
                   const std::string& finalizer) {
  const ConditionValue was = GetCondition(before, "Ready");
  const ConditionValue is = GetCondition(now, "Ready");
  return IsBeingDeleted(now) || GenerationOf(before) != GenerationOf(now) || !HasFinalizer(now, finalizer) ||
         was.status != is.status || was.message != is.message ||
         FindCardEntry(before, card) != FindCardEntry(now, card);
}

}  // namespace xpu
