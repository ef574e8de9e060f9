#pragma once

#include "absl/status/status.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/message.h"

namespace xpu {

// Carries fields of `from` over into `to`, two messages of one type with a field "spec": those that `mask`
// names (one that is not set in `from` is cleared), or, without a mask, all that are set. A repeated field is
// replaced. InvalidArgument for a path that is not "spec", "spec.<field>" or "*".
absl::Status ApplyUpdateMask(const google::protobuf::FieldMask& mask, const google::protobuf::Message& from,
                             google::protobuf::Message* to);

}  // namespace xpu
