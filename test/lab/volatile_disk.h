#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/base/unique_fd.h"

namespace xpu::testing {

// A disk with a volatile write cache, as most have, for a virtual machine: what was written is in the image
// only after the machine has asked for a flush, and of what was not, a loss of power leaves some sectors and
// takes others, in no order. Speaks NBD (the protocol's document: fixed newstyle handshake, simple replies)
// to one client at a time, on a thread of its own.
class VolatileDisk {
 public:
  static constexpr size_t kSector = 512;

  // `image` is a raw one and stays the caller's. The socket is made at `socket`.
  static absl::StatusOr<std::unique_ptr<VolatileDisk>> Serve(const std::string& image,
                                                             const std::string& socket);
  // Leaves in the image what was flushed.
  ~VolatileDisk();

  // From now on nothing reaches the disk. Some of the sectors that wait in its cache are in the image
  // afterwards.
  void CutPower(std::mt19937& random);
  // Sectors that waited when the power was cut, and flushes until then.
  size_t lost_or_torn() const { return waited_; }
  int flushes() const { return flushes_; }

 private:
  VolatileDisk(UniqueFd image, UniqueFd listener, uint64_t size, std::string socket)
      : image_(std::move(image)), listener_(std::move(listener)), size_(size), socket_(std::move(socket)) {}
  void Run();
  // Until the client goes.
  void Talk(int fd);
  bool Handshake(int fd);
  // False at its end.
  bool Answer(int fd);

  const UniqueFd image_;
  const UniqueFd listener_;
  const uint64_t size_;
  const std::string socket_;
  std::thread thread_;
  absl::Mutex mu_;
  // What was written and not flushed, by sector.
  std::map<uint64_t, std::vector<char>> cache_ ABSL_GUARDED_BY(mu_);
  bool power_ ABSL_GUARDED_BY(mu_) = true;
  int client_ ABSL_GUARDED_BY(mu_) = -1;
  std::atomic<size_t> waited_ = 0;
  std::atomic<int> flushes_ = 0;
};

}  // namespace xpu::testing
