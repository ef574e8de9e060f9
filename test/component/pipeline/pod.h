#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/unique_fd.h"
#include "test/lib/ovs/test_netns.h"

namespace xpu::testing {

// One frame from a packet socket that has PACKET_AUXDATA, with its 802.1Q tag where it was; nothing for one
// that was sent from here, unless those are wanted.
std::optional<std::string> ReadFrame(int fd, bool sent_too);

// A pod in a network namespace of its own, with the interface eth0 whose other end is in the DPU's namespace.
// Its kernel is silent (no addresses, no IPv6) until UseKernel(); the test speaks for it with raw frames.
class Pod {
 public:
  // `representor` is made in `dpu`.
  static absl::StatusOr<std::unique_ptr<Pod>> Create(const std::string& representor, const std::string& mac,
                                                     const TestNetns& dpu);

  const std::string& representor() const { return representor_; }
  const std::string& mac() const { return mac_; }
  TestNetns& netns() { return *netns_; }

  // Gives the kernel the addresses ("10.0.0.1/24"), without duplicate address detection.
  absl::Status UseKernel(const std::vector<std::string>& addresses);
  absl::Status SetMac(const std::string& mac);

  void Send(const std::string& frame);
  // Frames that arrived, with the 802.1Q tag where it was, until one is `last` (left out of the result).
  // DeadlineExceeded after 30 s without it. What arrived before the call is in it.
  absl::StatusOr<std::vector<std::string>> ReceiveUntil(const std::string& last);
  // The first frame that `wanted` takes.
  absl::StatusOr<std::string> ReceiveFirst(const std::function<bool(const std::string&)>& wanted);

 private:
  Pod() = default;
  absl::Status OpenSocket();

  std::string representor_;
  std::string mac_;
  std::unique_ptr<TestNetns> netns_;
  UniqueFd socket_;
};

}  // namespace xpu::testing
