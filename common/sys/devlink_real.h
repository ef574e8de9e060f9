#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/sys/devlink.h"

struct nlmsghdr;

namespace xpu {

class NetlinkSocket;

// The kernel's devlink over generic netlink, of the process's network namespace. It is asked for when the
// first call comes, so that one can be made on a kernel without.
class DevlinkReal final : public Devlink {
 public:
  DevlinkReal();
  ~DevlinkReal() override;
  absl::StatusOr<std::vector<DevlinkSf>> ListSfs(const PciAddress& parent) override;
  absl::Status AddSf(const PciAddress& parent, uint32_t number) override;
  absl::Status ConfigureSf(const PciAddress& parent, uint32_t number, const MacAddress& mac) override;
  absl::Status ActivateSf(const PciAddress& parent, uint32_t number) override;
  absl::Status RemoveSf(const PciAddress& parent, uint32_t number) override;
  absl::StatusOr<std::vector<DevlinkPort>> ListPorts() override;
  absl::Status SetFunctionMac(const DevlinkPort& port, const MacAddress& mac) override;

 private:
  // The number that the kernel gave to devlink.
  absl::StatusOr<int> Connect() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Calls `found` with each port, of every device: only newer kernels select. It may begin anew, which
  // `restart` tells.
  absl::Status DumpPorts(int family, const std::function<void()>& restart,
                         const std::function<void(const nlmsghdr*)>& found)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<std::vector<DevlinkSf>> Dump(const PciAddress& parent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // NotFound if there is no such subfunction.
  absl::StatusOr<DevlinkSf> Find(const PciAddress& parent, uint32_t number)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  absl::Mutex mu_;
  std::unique_ptr<NetlinkSocket> socket_ ABSL_GUARDED_BY(mu_);
  int family_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace xpu
