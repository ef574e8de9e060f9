#include "host-agent/inventory/bus_reader.h"

#include <utility>

#include "common/base/status_macros.h"
#include "spdlog/spdlog.h"

namespace xpu {

absl::StatusOr<BusReading> ReadBus(PciBus& bus, const std::set<PciAddress>& pfs) {
  BusReading reading{.whole = true};
  XPU_ASSIGN_OR_RETURN(reading.functions, bus.List());
  for (const PciFunction& function : reading.functions) {
    if (!pfs.contains(function.address)) continue;
    absl::StatusOr<std::vector<Subfunction>> found = bus.Subfunctions(function.address);
    // Gone since it was listed, or none can be.
    if (absl::IsNotFound(found.status()) || absl::IsUnimplemented(found.status())) continue;
    XPU_RETURN_IF_ERROR(found.status());
    reading.subfunctions[function.address] = *std::move(found);
  }
  return reading;
}

BusReader::Reading Share(absl::StatusOr<BusReading> reading) {
  if (!reading.ok()) return reading.status();
  return std::make_shared<const BusReading>(*std::move(reading));
}

BusReader::BusReader(PciBus& bus, std::set<PciAddress> pfs, Done done)
    : bus_(bus), pfs_(std::move(pfs)), done_(std::move(done)), thread_([this] { ThreadMain(); }) {}

BusReader::~BusReader() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  thread_.join();
}

uint64_t BusReader::ReadAll() {
  absl::MutexLock lock(&mu_);
  all_ = true;
  return ++requests_;
}

uint64_t BusReader::Read(const FunctionId& function) {
  absl::MutexLock lock(&mu_);
  some_.insert(function);
  return ++requests_;
}

BusReader::Reading BusReader::ReadAllAndWait() {
  absl::MutexLock lock(&mu_);
  all_ = true;
  const uint64_t mine = ++requests_;
  ++waiters_;
  const auto answered = [this, mine] {
    mu_.AssertReaderHeld();
    return stop_ || (whole_ && whole_request_ >= mine);
  };
  mu_.Await(absl::Condition(&answered));
  Reading reading = whole_ && whole_request_ >= mine
                        ? *whole_
                        : Reading(absl::UnavailableError("the host agent is stopping"));
  if (--waiters_ == 0) whole_.reset();
  return reading;
}

void BusReader::ThreadMain() {
  const auto has_work = [this] {
    mu_.AssertReaderHeld();
    return stop_ || all_ || !some_.empty();
  };
  for (;;) {
    bool all;
    std::set<FunctionId> some;
    uint64_t request;
    {
      absl::MutexLock lock(&mu_, absl::Condition(&has_work));
      if (stop_) return;
      all = std::exchange(all_, false);
      some = std::exchange(some_, {});
      request = requests_;
    }
    // All of it is some of it, too.
    absl::StatusOr<BusReading> read = all ? ReadBus(bus_, pfs_) : ReadSome(some);
    if (read.ok()) read->request = request;
    Reading reading = Share(std::move(read));
    done_(reading);
    if (!all) continue;
    absl::MutexLock lock(&mu_);
    if (waiters_ == 0) continue;
    whole_ = std::move(reading);
    whole_request_ = request;
  }
}

BusReading BusReader::ReadSome(const std::set<FunctionId>& functions) {
  BusReading reading;
  const auto left_out = [](const FunctionId& function, const absl::Status& status) {
    spdlog::warn("function {} could not be read again, what was known stays: {}", function.ToString(),
                 status.ToString());
  };
  for (const FunctionId& function : functions) {
    if (function.sf) {
      const auto found = bus_.Subfunctions(function.pci);
      if (!found.ok() && !absl::IsNotFound(found.status())) {
        left_out(function, found.status());
        continue;
      }
      if (found.ok()) {
        for (const Subfunction& subfunction : *found) {
          if (subfunction.number == *function.sf) reading.subfunctions[function.pci].push_back(subfunction);
        }
      }
    } else {
      absl::StatusOr<PciFunction> found = bus_.Get(function.pci);
      if (!found.ok() && !absl::IsNotFound(found.status())) {
        left_out(function, found.status());
        continue;
      }
      if (found.ok()) reading.functions.push_back(*std::move(found));
    }
    reading.of.insert(function);
  }
  return reading;
}

}  // namespace xpu
