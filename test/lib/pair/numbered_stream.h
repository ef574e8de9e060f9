#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/ip_address.h"
#include "common/base/unique_fd.h"

namespace xpu::testing {

// A stream of numbered UDP datagrams from one pod to another, so that each that is lost or comes twice is
// found.
class NumberedStream {
 public:
  struct Options {
    // Paths of the pods' namespaces, and the receiver's address (IPv4).
    std::string from_netns;
    std::string to_netns;
    IpAddress to;
    // Datagrams a second; a multiple of 1000.
    int rate = 10000;
  };
  struct Result {
    uint64_t sent = 0;
    uint64_t lost = 0;
    uint64_t doubled = 0;
    absl::Duration took;
    // Between two that arrived.
    absl::Duration longest_silence;
    double Rate() const { return static_cast<double>(sent) / absl::ToDoubleSeconds(took); }
  };

  // Sends from now on.
  static absl::StatusOr<std::unique_ptr<NumberedStream>> Start(const Options& options);
  ~NumberedStream();

  // So far; for a caller that wants to go on once the stream flows.
  uint64_t received() const { return received_; }
  // Stops sending, waits for what is under way and counts.
  Result Finish();

 private:
  NumberedStream() = default;
  void Send(int rate);
  void Receive();

  UniqueFd from_, to_, timer_, done_;
  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> sent_ = 0;
  std::atomic<uint64_t> received_ = 0;
  // The receiver's, until it has ended: how often each number came.
  std::vector<uint8_t> seen_;
  absl::Duration longest_silence_;
  absl::Time started_;
  absl::Duration took_;
  std::thread sender_, receiver_;
};

}  // namespace xpu::testing
