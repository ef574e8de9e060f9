#pragma once

#include "absl/status/status.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/message.h"

namespace xpu {

// Carries fields of `from` over into `to`, two messages of one type with a field "spec": those that `mask`
// names, of whatever depth (one that is not set in `from` is cleared), or, without a mask, all of the spec
// that are set. "*" is all of the spec. Messages and repeated fields that are named are replaced. Name and
// status, which only the agent sets, stay as they are, also when they are named (AIP-203). InvalidArgument
// for a path of no field; `to` is as it was.
absl::Status ApplyUpdateMask(const google::protobuf::FieldMask& mask, const google::protobuf::Message& from,
                             google::protobuf::Message* to);

}  // namespace xpu
