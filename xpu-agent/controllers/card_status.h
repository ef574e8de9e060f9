#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
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

// False as long as any card says so; each card only takes back its own word, so that two of them never write
// it in turns.
void SetReadyOfCard(Resource* object, const std::string& card, const absl::Status& outcome, absl::Time now);

// Whether a change calls for another look by the card that holds the object by the finalizer: not one of what
// other cards say of themselves.
bool IsNewsForCard(const Resource& before, const Resource& now, const std::string& card,
                   const std::string& finalizer);

}  // namespace xpu
