#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host-agent/alloc/journal.h"
#include "host-agent/ipam/ipam_result.h"

namespace xpu {

// Has addresses given and taken back by the IPAM plugin that a CNI configuration names (CNI specification
// 1.1.0, section 4, "Execution of delegated plugins"). Of the attachment, container id, interface name and
// namespace count. Safe from any thread; blocks for as long as the plugin takes, up to a deadline.
//
// Errors are CNI errors (host-agent/cni/cni_error.h): the plugin's own with its code, text and details; else
// NotFound if there is no such plugin, DeadlineExceeded if it took too long, Internal if it answers what
// cannot be read.
class IpamRunner {
 public:
  virtual ~IpamRunner() = default;

  // ADD. A plugin may refuse an attachment that has addresses already. After an error it may have some or
  // not.
  virtual absl::StatusOr<IpamResult> Add(const IpamCall& call, const Attachment& attachment) = 0;
  // DEL. OK also if the attachment has no addresses.
  virtual absl::Status Del(const IpamCall& call, const Attachment& attachment) = 0;
  // CHECK: the attachment has the addresses that prevResult in the configuration says.
  virtual absl::Status Check(const IpamCall& call, const Attachment& attachment) = 0;
  // GC and STATUS, with a configuration as the specification has it for those. OK for a plugin that is too
  // old to know them.
  virtual absl::Status Gc(const IpamCall& call) = 0;
  virtual absl::Status Status(const IpamCall& call) = 0;
};

// Whether the plugin sends and hears packets through the interface, which must then be in its namespace and
// on the network.
inline bool NeedsInterface(const IpamCall& call) { return call.type == "dhcp"; }

// Whether an error says that the plugin is not installed (any more).
bool IsPluginMissing(const absl::Status& status);

}  // namespace xpu
