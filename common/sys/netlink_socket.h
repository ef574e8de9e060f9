#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/unique_fd.h"
#include "common/sys/net_namespaces.h"
#include "common/sys/netlink_message.h"

namespace xpu {

// A netlink socket of one network namespace (netlink(7)). Not thread-safe.
class NetlinkSocket {
 public:
  using Receiver = absl::FunctionRef<void(const nlmsghdr* message)>;

  // Null: the calling thread's namespace. `protocol` is NETLINK_*; by itself NETLINK_ROUTE.
  static absl::StatusOr<NetlinkSocket> Open(const std::shared_ptr<NetNamespace>& ns, int protocol = 0);

  // Sends a request and waits until the kernel has done it. An error has the code of the kernel's errno and
  // the kernel's own words where it gives any.
  absl::Status Execute(NetlinkMessage& request);
  // The same, and hands out the messages that come as the answer.
  absl::Status Ask(NetlinkMessage& request, Receiver receive);
  // Asks for a whole table; NLM_F_DUMP is added. Aborted if the table changed so much meanwhile that the
  // answer is not consistent; ask again.
  absl::Status Dump(NetlinkMessage& request, Receiver receive);

  // Makes it a listener to `group` (RTNLGRP_*), with room for many messages and without blocking.
  absl::Status Subscribe(unsigned group);
  // Hands out what has arrived. DataLoss if the kernel had to drop messages.
  absl::Status ReceivePending(Receiver receive);

  int fd() const { return fd_.get(); }

 private:
  explicit NetlinkSocket(UniqueFd fd) : fd_(std::move(fd)) {}

  absl::Status Send(NetlinkMessage& request, int flags);
  absl::Status ReceiveAnswer(Receiver receive);

  UniqueFd fd_;
  uint32_t sequence_ = 0;
};

}  // namespace xpu
