#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/kube/metadata.h"

namespace xpu {

// How an OPI agent's answer is told and whether it is worth asking again.

// The condition "Ready" that follows from `status`: True when it is OK; the reason is one word for its code.
ConditionValue ReadyCondition(const Resource& object, const absl::Status& status, const std::string& message);

// The agent did not answer: nothing is known of the object, and the switch goes on with what it has.
bool IsNoAnswer(const absl::Status& status);

// What a reconcile returns for an answer that has been written into the object's status: OK where only a
// change of the object can help.
absl::Status RetryFor(const absl::Status& status);

}  // namespace xpu
