#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "host-agent/ipam/ipam.h"

namespace xpu {

// A plugin in memory, whatever a call's type is: it gives the addresses of a prefix in their order from the
// third on, with the second as gateway and a default route. It refuses an attachment that has one already.
class FakeIpamRunner final : public IpamRunner {
 public:
  explicit FakeIpamRunner(const IpPrefix& prefix = *IpPrefix::Parse("10.0.0.0/24")) : prefix_(prefix) {}

  absl::StatusOr<IpamResult> Add(const IpamCall& call, const Attachment& attachment) override;
  absl::Status Del(const IpamCall& call, const Attachment& attachment) override;
  absl::Status Check(const IpamCall& call, const Attachment& attachment) override;
  absl::Status Gc(const IpamCall& call) override;
  absl::Status Status(const IpamCall& call) override;

  // Addresses that are given, with container id and interface name of who has them.
  std::map<IpAddress, std::pair<std::string, std::string>> Given() const;
  // The commands that came, e.g. "ADD c-web net1".
  std::vector<std::string> Commands() const;
  // Every command is answered this until it is OK again; nothing is done.
  void SetError(const absl::Status& error);

 private:
  absl::Status Begin(const char* command, const Attachment& attachment) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Has(const Attachment& attachment) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const IpPrefix prefix_;
  mutable absl::Mutex mu_;
  std::map<IpAddress, std::pair<std::string, std::string>> given_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> commands_ ABSL_GUARDED_BY(mu_);
  absl::Status error_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
