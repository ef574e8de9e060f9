#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/sys/devlink.h"
#include "common/sys/netlink_socket.h"

namespace xpu {

// The kernel's devlink over generic netlink, of the process's network namespace. It is asked for when the
// first call comes, so that one can be made on a kernel without.
class DevlinkReal final : public Devlink {
 public:
  absl::StatusOr<std::vector<DevlinkSf>> ListSfs(const PciAddress& parent) override;
  absl::Status AddSf(const PciAddress& parent, uint32_t number) override;
  absl::Status ConfigureSf(const PciAddress& parent, uint32_t number, const MacAddress& mac) override;
  absl::Status ActivateSf(const PciAddress& parent, uint32_t number) override;
  absl::Status RemoveSf(const PciAddress& parent, uint32_t number) override;

 private:
  // The number that the kernel gave to devlink.
  absl::StatusOr<int> Connect() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<std::vector<DevlinkSf>> Dump(const PciAddress& parent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // NotFound if there is no such subfunction.
  absl::StatusOr<DevlinkSf> Find(const PciAddress& parent, uint32_t number)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  absl::Mutex mu_;
  std::optional<NetlinkSocket> socket_ ABSL_GUARDED_BY(mu_);
  int family_ ABSL_GUARDED_BY(mu_) = 0;
};

// The messages, for this and for tests. `family` is the number that the kernel gave to devlink.
NetlinkMessage AddSfMessage(int family, const PciAddress& parent, uint32_t number);
// What is set in `mac` and `active` changes.
NetlinkMessage SetSfMessage(int family, const PciAddress& parent, uint32_t port_index,
                            const std::optional<MacAddress>& mac, std::optional<bool> active);
NetlinkMessage RemoveSfMessage(int family, const PciAddress& parent, uint32_t port_index);
// Of an answer to DEVLINK_CMD_PORT_GET; nothing for another parent's port, one that is no subfunction's, or
// whose subfunction is that of another host.
std::optional<DevlinkSf> ParseSf(const nlmsghdr* message, const PciAddress& parent);

}  // namespace xpu
