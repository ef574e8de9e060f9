#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/unique_fd.h"
#include "test/lib/ovs/child_process.h"

namespace xpu::testing {

// A network namespace of its own, without a name, with its loopback interface up. Gone when this is and no
// process runs in it.
class TestNetns {
 public:
  static absl::StatusOr<std::unique_ptr<TestNetns>> Create();

  int fd() const { return fd_.get(); }
  // A path that opens the namespace, for as long as this lives.
  std::string path() const;

  // Runs a command in the namespace and returns what it said; an error if it did not end with 0.
  absl::StatusOr<std::string> Run(std::vector<std::string> argv,
                                  absl::Duration timeout = absl::Seconds(30)) const;
  // The same, but the exit code is part of the answer.
  absl::StatusOr<CommandOutput> Try(std::vector<std::string> argv,
                                    absl::Duration timeout = absl::Seconds(30)) const;
  // Calls `work` on a thread that is in the namespace, and waits for it.
  void Call(const std::function<void()>& work) const;

  // Waits until `interface` passes packets: its carrier is there, and the kernel has said so. It does that
  // some time after both ends of a link are up, and drops what is sent before.
  absl::Status AwaitUp(const std::string& interface) const;
  // Whether `address` answers a ping: true once it does, false if none of those is answered that go out every
  // second for half a minute. For whom should answer, as the first packets are lost where something comes up.
  absl::StatusOr<bool> Reaches(const std::string& address,
                               const std::vector<std::string>& options = {}) const;

  // A veth pair: `name` here, `peer_name` in `peer`; both up, and packets pass.
  absl::Status AddVeth(const std::string& name, const TestNetns& peer, const std::string& peer_name) const;

 private:
  explicit TestNetns(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace xpu::testing
