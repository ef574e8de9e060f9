#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/kube/metadata.h"
#include "common/kube/resource_store.h"

namespace xpu {

// The status of an object that several cards have a share in: each writes its own entry of status.cards, and
// all of them the condition "Ready".

// The card's entry; null if it is not there.
Resource FindCardEntry(const Resource& object, const std::string& card);
// The same; added if it is not there.
Resource& CardEntry(Resource* object, const std::string& card);
// True if there was one.
bool RemoveCardEntry(Resource* object, const std::string& card);

// The condition "Ready" as it would be if this card were the only one: False with what its entry says is
// wrong, True once it has confirmed the object, and with an empty status before it has said anything.
ConditionValue ReadyOnCard(const Resource& object, const std::string& card);
// What the card's entry says is wrong (status.cards[].problem); null if nothing is.
Resource ProblemOnCard(const Resource& object, const std::string& card);
// Whether an agent that does not answer is no news: what its card has confirmed is still what the switch
// does.
bool StaysConfirmed(const Resource& object, const std::string& card);

// Writes what came of the object on the card into its entry, and the condition: False as long as any card
// says so of this generation. Each card only takes back its own word, and then hands on to another card's, so
// that two of them never write it in turns and it is not True in between.
void SetReadyOfCard(Resource* object, const std::string& card, const absl::Status& outcome, absl::Time now);

// Whether a change calls for another look by the card that holds the object by the finalizer: not one of what
// other cards say of themselves.
bool IsNewsForCard(const Resource& before, const Resource& now, const std::string& card,
                   const std::string& finalizer);

}  // namespace xpu
