#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace xpu {

// Whom one side of dpu-operator's vendor plugin works for. The first who asks is told; who asks for something
// else is refused as long as something is in use, since that is another's. A value, not thread-safe.
class PluginRole {
 public:
  // `identifier`: whose role it was before the process was started anew, if that is known.
  explicit PluginRole(bool on_card, std::optional<std::string> identifier = std::nullopt)
      : on_card_(on_card), identifier_(std::move(identifier)) {}

  // `in_use`: what is, by name. FailedPrecondition: the other side is asked for, or another identifier than
  // before while something is in use.
  absl::Status Take(bool on_card, const std::string& identifier, const std::set<std::string>& in_use);

 private:
  const bool on_card_;
  std::optional<std::string> identifier_;
};

// "host0-1, host0-2 and 5 more".
std::string NameSome(const std::set<std::string>& names);

}  // namespace xpu
