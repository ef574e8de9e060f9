#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "control-plane/xpuctl/session.h"

namespace xpu {

struct DeleteCommand {
  // Objects by name; none if there are files.
  std::vector<std::string> words;
  std::vector<std::string> files;
  bool ignore_not_found = false;
  // Wait until the objects are gone, their finalizers included.
  bool wait = true;
  absl::Duration timeout = absl::Seconds(60);
};

absl::Status Delete(Session& session, const DeleteCommand& options);

// Waits until the object with that uid is gone, by watching. DeadlineExceeded says what still holds it.
absl::Status WaitUntilGone(ResourceStore& store, const ResourceKind& kind, const ResourceName& name,
                           const std::string& uid, absl::Time deadline);

}  // namespace xpu
