#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/base/function_id.h"
#include "common/sys/pci_bus.h"

namespace xpu {

// What the bus said at one moment. A value.
struct BusReading {
  // The last request that it answers, and all before it.
  uint64_t request = 0;
  // All functions were read. Otherwise those in `of` only, and what is not below is not there.
  bool whole = false;
  std::set<FunctionId> of;
  std::vector<PciFunction> functions;
  // By the physical function that they are of. Of a whole reading: of those that it was to look at.
  std::map<PciAddress, std::vector<Subfunction>> subfunctions;
};

// Reads all functions, and the subfunctions of `pfs`.
absl::StatusOr<BusReading> ReadBus(PciBus& bus, const std::set<PciAddress>& pfs);

// Reads the bus on a thread of its own, for an event loop, which must not wait for what the kernel has to ask
// a card: a function is a score of files. What is asked for while it reads is read once after that, however
// often and by however many it was asked for. Safe from any thread.
class BusReader {
 public:
  using Reading = absl::StatusOr<std::shared_ptr<const BusReading>>;
  // Called on the reader's thread. A whole reading that failed is an error; a single function that could not
  // be read is left out.
  using Done = std::function<void(const Reading& reading)>;

  // `bus` is not owned.
  BusReader(PciBus& bus, std::set<PciAddress> pfs, Done done);
  // Finishes what it is at. Nobody waits any more.
  ~BusReader();
  BusReader(const BusReader&) = delete;
  BusReader& operator=(const BusReader&) = delete;

  // The number of the request; later ones have higher numbers.
  uint64_t ReadAll();
  uint64_t Read(const FunctionId& function);
  // ReadAll, and waits for what comes of it, of which `done` is told as well. Not on the reader's thread, nor
  // on a loop.
  Reading ReadAllAndWait();

 private:
  void ThreadMain();
  BusReading ReadSome(const std::set<FunctionId>& functions);

  PciBus& bus_;
  const std::set<PciAddress> pfs_;
  const Done done_;
  absl::Mutex mu_;
  uint64_t requests_ ABSL_GUARDED_BY(mu_) = 0;
  bool all_ ABSL_GUARDED_BY(mu_) = false;
  std::set<FunctionId> some_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  // For those who wait: the last whole reading, and which requests it answers. Empty while nobody does.
  int waiters_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<Reading> whole_ ABSL_GUARDED_BY(mu_);
  uint64_t whole_request_ ABSL_GUARDED_BY(mu_) = 0;
  std::thread thread_;
};

// The reading as those who share it have it.
BusReader::Reading Share(absl::StatusOr<BusReading> reading);

}  // namespace xpu
