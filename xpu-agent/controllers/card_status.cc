#include "xpu-agent/controllers/card_status.h"

#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/kube/metadata.h"
#include "xpu-agent/controllers/outcome.h"

namespace xpu {
namespace {

// The key of a card's entry whose value is a CardProblem of proto/xpu/api.
constexpr char kProblem[] = "problem";

std::string TextAt(const Resource& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}
int64_t NumberAt(const Resource& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number_integer() ? it->get<int64_t>() : 0;
}

// status.cards; null if it is not there.
const Resource* CardsOf(const Resource& object) {
  const auto status = object.find("status");
  if (status == object.end() || !status->is_object()) return nullptr;
  const auto cards = status->find("cards");
  return cards == status->end() || !cards->is_array() ? nullptr : &*cards;
}

Resource ProblemOf(const Resource& entry) {
  if (!entry.is_object()) return {};
  const auto problem = entry.find(kProblem);
  return problem != entry.end() && problem->is_object() ? *problem : Resource();
}

ConditionValue ReadyOfEntry(const Resource& entry) {
  if (!entry.is_object()) return {};
  if (const Resource problem = ProblemOf(entry); !problem.is_null()) {
    return {"Ready", "False", TextAt(problem, "reason"),
            absl::StrCat("card ", TextAt(entry, "card"), ": ", TextAt(problem, "message")),
            NumberAt(problem, "observedGeneration")};
  }
  const int64_t confirmed = NumberAt(entry, "confirmedGeneration");
  if (confirmed == 0) return {};
  return {"Ready", "True", "Confirmed", "", confirmed};
}

// What the first card by name says is wrong with the object as it is now; with an empty status if none does.
ConditionValue WordOfACard(const Resource& object) {
  ConditionValue word;
  std::string speaker;
  const Resource* cards = CardsOf(object);
  if (cards == nullptr) return word;
  for (const Resource& entry : *cards) {
    ConditionValue ready = ReadyOfEntry(entry);
    if (ready.status != "False" || ready.observed_generation != GenerationOf(object)) continue;
    const std::string card = TextAt(entry, "card");
    if (!word.status.empty() && speaker <= card) continue;
    word = std::move(ready);
    speaker = card;
  }
  return word;
}

}  // namespace

Resource FindCardEntry(const Resource& object, const std::string& card) {
  const Resource* cards = CardsOf(object);
  if (cards == nullptr) return {};
  for (const Resource& entry : *cards) {
    if (entry.is_object() && TextAt(entry, "card") == card) return entry;
  }
  return {};
}

Resource& CardEntry(Resource* object, const std::string& card) {
  Resource& cards = (*object)["status"]["cards"];
  if (!cards.is_array()) cards = Resource::array();
  for (Resource& entry : cards) {
    if (entry.is_object() && TextAt(entry, "card") == card) return entry;
  }
  cards.push_back({{"card", card}});
  return cards.back();
}

bool RemoveCardEntry(Resource* object, const std::string& card) {
  if (FindCardEntry(*object, card).is_null()) return false;
  Resource& cards = (*object)["status"]["cards"];
  Resource others = Resource::array();
  for (const Resource& entry : cards) {
    if (!entry.is_object() || TextAt(entry, "card") != card) others.push_back(entry);
  }
  cards = others;
  return true;
}

ConditionValue ReadyOnCard(const Resource& object, const std::string& card) {
  return ReadyOfEntry(FindCardEntry(object, card));
}

Resource ProblemOnCard(const Resource& object, const std::string& card) {
  return ProblemOf(FindCardEntry(object, card));
}

bool StaysConfirmed(const Resource& object, const std::string& card) {
  return GetCondition(object, "Ready").status == "True" || ReadyOnCard(object, card).status == "True";
}

void SetReadyOfCard(Resource* object, const std::string& card, const absl::Status& outcome, absl::Time now) {
  const ConditionValue mine = ReadyCondition(*object, outcome, std::string(outcome.message()));
  Resource& entry = CardEntry(object, card);
  if (outcome.ok()) {
    entry.erase(kProblem);
  } else {
    entry[kProblem] = {
        {"reason", mine.reason}, {"message", mine.message}, {"observedGeneration", mine.observed_generation}};
  }
  const ConditionValue is = GetCondition(*object, "Ready");
  const bool others_word = is.status == "False" && absl::StartsWith(is.message, "card ") &&
                           !absl::StartsWith(is.message, absl::StrCat("card ", card, ": ")) &&
                           is.observed_generation == GenerationOf(*object);
  if (others_word) return;
  const ConditionValue word = outcome.ok() ? WordOfACard(*object) : ReadyOnCard(*object, card);
  SetCondition(object, word.status.empty() ? mine : word, now);
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
