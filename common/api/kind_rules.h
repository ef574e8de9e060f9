#pragma once

#include <google/protobuf/message.h>

#include <memory>

#include "common/api/field_error.h"
#include "common/api/kinds.h"

namespace xpu::api {

// An empty message of the kind, where CheckKindRules has something to say about its objects; null otherwise.
std::unique_ptr<google::protobuf::Message> MessageWithRules(const KindInfo& kind);

// Rules of one kind that go across its fields, which options cannot say, of an object that was read into such
// a message. What the rules of the fields refuse already is passed over here.
void CheckKindRules(const google::protobuf::Message& message, FieldErrors* errors);

}  // namespace xpu::api
