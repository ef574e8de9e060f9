#pragma once

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/kube/metadata.h"

namespace xpu {

class EventRecorder;

// How an OPI agent's answer is told and whether it is worth asking again.

// The condition "Ready" that follows from `status`: True when it is OK; the reason is one word for its code.
ConditionValue ReadyCondition(const Resource& object, const absl::Status& status, const std::string& message);

// Writes an Event about the object of which the card has just written that its condition "Ready", or its own
// part in it, is so: a Warning when it says something new of what is wrong, and one Normal Event when all is
// well again. What goes well from the beginning has none, so that many objects that come at a time cost no
// more than their status. Never blocks.
void TellOfReady(EventRecorder& events, const std::string& card, const Resource& object,
                 const ConditionValue& was, const ConditionValue& is);

// Told that the card's word on whether the object is ready was so and has been written so; both may be the
// same. Never blocks.
using TellReady =
    std::function<void(const Resource& object, const ConditionValue& was, const ConditionValue& is)>;

// What a change of an object does to the card's word on whether it is ready, the last time that the change is
// made.
class ReadyChange {
 public:
  // `look` reads that word: the condition "Ready" where the object has one card.
  explicit ReadyChange(std::function<ConditionValue(const Resource&)> look =
                           [](const Resource& object) { return GetCondition(object, "Ready"); })
      : look_(std::move(look)) {}

  // `change` for ChangeObject(), with a look at it before and after. Must not outlive this.
  template <typename Change>
  auto Of(Change change) {
    return [this, change = std::move(change)](Resource* object) {
      was_ = look_(*object);
      const bool changed = change(object);
      is_ = look_(*object);
      return changed;
    };
  }
  void TellOf(const Resource& object, const TellReady& tell) const { tell(object, was_, is_); }

 private:
  const std::function<ConditionValue(const Resource&)> look_;
  ConditionValue was_, is_;
};

// The agent did not answer: nothing is known of the object, and the switch goes on with what it has.
bool IsNoAnswer(const absl::Status& status);

// What a reconcile returns for an answer that has been written into the object's status: OK where only a
// change of the object can help.
absl::Status RetryFor(const absl::Status& status);

}  // namespace xpu
