#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "common/sys/net_namespaces.h"

namespace xpu {

// Runs `work` in a network namespace and waits for it. The work is done by a thread that lives no longer than
// this call, so that no other thread ever stands in the wrong namespace, whatever fails. A descriptor that
// `work` opens (a netlink or packet socket) stays bound to that namespace. Null: the calling thread's own
// namespace, on the calling thread.
//
// Errors: those of `work`; PermissionDenied if the process may not enter; ResourceExhausted if there can be
// no thread.
absl::Status InNamespace(const std::shared_ptr<NetNamespace>& ns, const std::function<absl::Status()>& work);

}  // namespace xpu
