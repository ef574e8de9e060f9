#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace xpu {

// Decides about each call that comes over mTLS, before its message is read. Safe from any thread; must not
// block.
class CallGate {
 public:
  virtual ~CallGate() = default;
  // `uris`: the URIs among the subject alternative names of the caller's certificate, which the server's CA
  // has signed. `method`: "/package.Service/Method". An error is the answer to the call.
  virtual absl::Status Admit(const std::vector<std::string>& uris, absl::string_view method) = 0;
};

}  // namespace xpu
