#include "host-agent/ipam/fake_ipam.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "host-agent/cni/cni_error.h"

namespace xpu {
namespace {

// As Debian's host-local numbers its own errors.
constexpr CniCode kPluginsOwn = static_cast<CniCode>(999);

}  // namespace

absl::StatusOr<IpamResult> FakeIpamRunner::Add(const IpamCall&, const Attachment& attachment) {
  absl::MutexLock lock(&mu_);
  XPU_RETURN_IF_ERROR(Begin("ADD", attachment));
  if (Has(attachment)) return CniErrorStatus(kPluginsOwn, "duplicate allocation is not allowed");
  const IpAddress gateway(prefix_.family(), prefix_.First().value() + 1);
  for (absl::uint128 value = gateway.value() + 1; value < prefix_.Last().value(); ++value) {
    const IpAddress address(prefix_.family(), value);
    if (!given_.emplace(address, std::make_pair(attachment.container_id, attachment.ifname)).second) continue;
    return IpamResult{.addresses = {{{address, prefix_.length()}, gateway}},
                      .routes = {{.destination = IpPrefix::Of(IpAddress(prefix_.family(), 0), 0)}},
                      .dns = {}};
  }
  return CniErrorStatus(kPluginsOwn, absl::StrCat("no IP addresses available in ", prefix_.ToString()));
}

absl::Status FakeIpamRunner::Del(const IpamCall&, const Attachment& attachment) {
  absl::MutexLock lock(&mu_);
  XPU_RETURN_IF_ERROR(Begin("DEL", attachment));
  const auto holder = std::make_pair(attachment.container_id, attachment.ifname);
  for (auto it = given_.begin(); it != given_.end();) it = it->second == holder ? given_.erase(it) : ++it;
  return absl::OkStatus();
}

absl::Status FakeIpamRunner::Check(const IpamCall&, const Attachment& attachment) {
  absl::MutexLock lock(&mu_);
  XPU_RETURN_IF_ERROR(Begin("CHECK", attachment));
  if (Has(attachment)) return absl::OkStatus();
  return CniErrorStatus(kPluginsOwn, absl::StrCat("failed to find an address of ", attachment.container_id));
}

absl::Status FakeIpamRunner::Gc(const IpamCall&) {
  absl::MutexLock lock(&mu_);
  return Begin("GC", Attachment());
}

absl::Status FakeIpamRunner::Status(const IpamCall&) {
  absl::MutexLock lock(&mu_);
  return Begin("STATUS", Attachment());
}

std::map<IpAddress, std::pair<std::string, std::string>> FakeIpamRunner::Given() const {
  absl::MutexLock lock(&mu_);
  return given_;
}

std::vector<std::string> FakeIpamRunner::Commands() const {
  absl::MutexLock lock(&mu_);
  return commands_;
}

void FakeIpamRunner::SetError(const absl::Status& error) {
  absl::MutexLock lock(&mu_);
  error_ = error;
}

absl::Status FakeIpamRunner::Begin(const char* command, const Attachment& attachment) {
  commands_.push_back(absl::StrCat(command, " ", attachment.container_id, " ", attachment.ifname));
  return error_;
}

bool FakeIpamRunner::Has(const Attachment& attachment) const {
  return std::any_of(given_.begin(), given_.end(), [&attachment](const auto& entry) {
    return entry.second == std::make_pair(attachment.container_id, attachment.ifname);
  });
}

}  // namespace xpu
