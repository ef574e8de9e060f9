#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "control-plane/apiserver/store/object_store.h"

namespace xpu::apiserver {

// Where the next page of a list begins (Kubernetes API concepts, "Retrieving large results sets in chunks").
// It names the last object of the page before it, so that objects which come and go between pages neither
// repeat nor hide others.
struct ContinueToken {
  // Of the first page.
  int64_t version = 0;
  ObjectName after;
};

std::string WriteContinue(const ContinueToken& token);
// Expired for what WriteContinue has not made: the client lists again.
absl::StatusOr<ContinueToken> ReadContinue(absl::string_view text);

}  // namespace xpu::apiserver
