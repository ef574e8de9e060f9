#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "common/sys/net_namespaces.h"

namespace xpu {

// Runs `work` in a network namespace and waits for it. A descriptor that `work` opens (a netlink or packet
// socket) stays bound to that namespace. Null: the calling thread's own namespace.
//
// The calling thread enters the namespace and comes back before this returns; the process ends if it cannot,
// as what it did next would be done to the wrong namespace. The process's first thread stays where it is, and
// another one goes: its namespace is the one that /proc/PID shows of the process, to itself (Current) and to
// others.
//
// Errors: those of `work`; PermissionDenied if the process may not enter; ResourceExhausted if there can be
// no thread.
absl::Status InNamespace(const std::shared_ptr<NetNamespace>& ns, const std::function<absl::Status()>& work);

}  // namespace xpu
