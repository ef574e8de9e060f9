#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/base/function_id.h"
#include "host-agent/alloc/journal.h"
#include "host-agent/podresources/pod_resources.h"

namespace xpu {

// Functions by the ids under which device plugins announce them: their own, and the names of auxiliary
// devices.
using DeviceIds = std::map<std::string, FunctionId>;

// Which function is held by whom, by the kubelet's books. Devices that are none of ours are left out.
using Holders = std::map<FunctionId, HeldDevice>;
Holders HoldersIn(const PodList& list, const DeviceIds& ids);

// Which claims no pod holds any more, as far as the kubelet's books can tell. Without I/O, locks and a clock:
// it is told what happened, in the order in which it did, and when.
//
// The kubelet books a device a moment after its plugin's Allocate has been answered, and then writes its
// checkpoint; but it writes that for other reasons too (another plugin's devices have changed), between the
// answer and the booking as well. So a list that lacks a device says that nobody holds it
//   - if an earlier list had it; or
//   - if it was asked for `booking` after a list had come that lacked it too, which was asked for after a
//     checkpoint that was written after the answer. A kubelet that wrote and answered lives, and one that
//     lives has booked by then.
class ClaimAuditor {
 public:
  // The rows that a process before this one left; when it answered is not known, so what was said of answers
  // begins now. `booking` is how long a kubelet that lives may take from an answer to its books.
  ClaimAuditor(const std::vector<ClaimRow>& left, absl::Duration booking);

  // An Allocate of the function has begun: nothing that was found out about its claim counts any more.
  void Allocating(const FunctionId& function);
  // It is about to be answered.
  void Allocated(const FunctionId& function, int64_t claim);
  void CheckpointWritten();

  // A list is about to be asked for; what to give to Listed when it has come.
  struct Asked {
    uint64_t checkpoints = 0;
    absl::Time at;
    // Counts up from 1.
    uint64_t number = 0;
  };
  Asked ListBegins(absl::Time now) { return {.checkpoints = checkpoints_, .at = now, .number = ++lists_}; }

  struct Claim {
    FunctionId function;
    int64_t claim = 0;
    friend bool operator==(const Claim&, const Claim&) = default;
  };
  struct Findings {
    // Only claimed, and no container holds it: to be released, if StillUnused when it is about to be.
    std::vector<Claim> unused;
    // In a pod that is no more: to be released unless its interface is still in some pod.
    std::vector<Claim> pod_gone;
    // The same of functions without an interface, whose pod the kubelet had before: to be released.
    std::vector<Claim> device_gone;
  };
  // `rows` are as they were after the list had come, `holders` as HoldersIn makes them of it.
  Findings Listed(const Asked& asked, absl::Time now, const PodList& list, const std::vector<ClaimRow>& rows,
                  const Holders& holders);
  // None came: whether the kubelet lives is not known.
  void ListFailed();
  // When a list has to be asked for although nothing has happened; InfiniteFuture: never.
  absl::Time NextList() const;

  // Nothing has begun to use the claim since it was found.
  bool StillUnused(const FunctionId& function, int64_t claim) const;

 private:
  struct Known {
    int64_t claim = 0;
    // Checkpoints that had been written when it was answered; nothing before that.
    std::optional<uint64_t> answered;
    // The last list that had been asked for by then: it may show who had the device before.
    uint64_t lists = 0;
    // A list had its device, or its pod.
    bool shown = false;
    bool unused = false;
    // When a list had come that lacked its device although it might have been booked; nothing before that.
    std::optional<absl::Time> missed;
  };

  const absl::Duration booking_;
  uint64_t checkpoints_ = 0;
  uint64_t lists_ = 0;
  std::map<FunctionId, Known> known_;
};

}  // namespace xpu
