#include "host-agent/provision/claim_gate.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace xpu {

ClaimGate::Closed::~Closed() {
  absl::MutexLock lock(&gate_.mu_);
  for (const FunctionId& function : functions_) gate_.closed_.erase(function);
}

std::unique_ptr<ClaimGate::Closed> ClaimGate::Close(std::set<FunctionId> functions, const std::string& why) {
  absl::MutexLock lock(&mu_);
  for (const FunctionId& function : functions) closed_.emplace(function, why);
  return std::unique_ptr<Closed>(new Closed(*this, std::move(functions)));
}

absl::StatusOr<ClaimRow> ClaimGate::Begin(const ClaimRow& row) {
  // Held until the row is written, so that whoever closes the gate finds it.
  absl::MutexLock lock(&mu_);
  if (const auto it = closed_.find(row.function); it != closed_.end()) {
    return absl::FailedPreconditionError(absl::StrCat("function ", row.function.ToString(),
                                                      " cannot be claimed at the moment: ", it->second,
                                                      "; try again when that is done"));
  }
  return journal_.Begin(row);
}

}  // namespace xpu
