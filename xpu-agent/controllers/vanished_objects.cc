#include "xpu-agent/controllers/vanished_objects.h"

#include "common/base/status_macros.h"

namespace xpu {

void VanishedObjects::Add(const ResourceName& name) {
  absl::MutexLock lock(&mu_);
  names_.insert(name);
}

absl::Status VanishedObjects::Remove(const ResourceName& name, const std::function<absl::Status()>& remove) {
  {
    absl::MutexLock lock(&mu_);
    if (!names_.contains(name)) return absl::OkStatus();
  }
  XPU_RETURN_IF_ERROR(remove());
  absl::MutexLock lock(&mu_);
  names_.erase(name);
  return absl::OkStatus();
}

}  // namespace xpu
