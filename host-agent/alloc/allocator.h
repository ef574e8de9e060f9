#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "host-agent/alloc/journal.h"

namespace xpu {

// What an attachment has become.
struct Confirmation {
  // What the card gave.
  std::vector<InterfaceAddress> addresses;
  std::vector<IpAddress> gateways;
  uint32_t mtu = 0;
  // ClaimRow::result; whoever confirms adds it.
  std::string result;
};

// Parts of an undoing.
struct UndoneParts {
  // The interface, and what the physical function keeps for it, are as they were.
  bool host = false;
  // The card has let go of the port.
  bool dpu = false;
  // The IPAM plugin has its addresses back.
  bool ipam = false;
};

// DataLoss, naming the function, if rows of a journal break a rule of the allocator.
absl::Status CheckRows(const std::vector<ClaimRow>& rows);

// Which function is whose: the journal's rows in memory, and the only one that writes them. It keeps these:
//   - a function is claimed at most once, and belongs to at most one attachment;
//   - an attachment (container and interface name) has at most one function;
//   - states follow one another as free → claimed → attached → undoing → free, where free may become attached
//     at once and anything may become undoing;
//   - memory says what the journal says: after a change that could not be written, it is read again.
//
// Safe from any thread. It knows nothing of interfaces and cards: who calls it acts after it has answered.
class Allocator {
 public:
  // Reads the journal, which is not owned and must outlive the object. Errors of Journal::Load; DataLoss if
  // the rows break a rule from above.
  static absl::StatusOr<std::unique_ptr<Allocator>> Open(Journal& journal);

  // Starts a claim; with row.attachment set, as attached to it. Returns the row with its claim number.
  //   FailedPrecondition  the function is somebody's: the message says whose
  //   AlreadyExists       the attachment has another function
  absl::StatusOr<ClaimRow> Begin(const ClaimRow& row);
  // Gives the function that `row.claim` claimed to `row.attachment`, which must be there. All else is as the
  // row has it, but for card and port, which stay as they were prepared.
  //   NotFound            there is no such claim
  //   FailedPrecondition  the function is not (or no longer) just claimed
  //   AlreadyExists       as above
  absl::StatusOr<ClaimRow> Attach(const ClaimRow& row);
  // The attachment is complete. FailedPrecondition unless it is attached under that claim.
  absl::StatusOr<ClaimRow> Confirm(const FunctionId& function, int64_t claim,
                                   const Confirmation& confirmation);
  // Host, card and IPAM plugin, if there is one, are to be brought back to what they were; all are pending
  // from now on. A claim that is being undone already stays as it is. NotFound if there is no such claim.
  absl::StatusOr<ClaimRow> Undo(const FunctionId& function, int64_t claim);
  // These parts of the undoing are done; with all done the function is free. NotFound if there is no such
  // claim; FailedPrecondition if it is not being undone.
  absl::Status Undone(const FunctionId& function, int64_t claim, const UndoneParts& done);

  std::optional<ClaimRow> Find(const FunctionId& function) const;
  // Also while it is being undone.
  std::optional<ClaimRow> FindAttachment(const std::string& container_id, const std::string& ifname) const;
  // In the order of the functions.
  std::vector<ClaimRow> Rows() const;
  // How many there are.
  int Count() const;

  // Calls `changed` after each change of a function's row, on the thread that made it. Must be called before
  // other threads use the object; `changed` may call Find and Rows.
  void Observe(std::function<void(const FunctionId& function)> changed);

 private:
  explicit Allocator(Journal& journal) : journal_(journal) {}

  // Both parts of FindAttachment's key.
  using AttachmentKey = std::pair<std::string, std::string>;
  static AttachmentKey KeyOf(const Attachment& attachment) {
    return {attachment.container_id, attachment.ifname};
  }
  absl::Status CheckAttachmentFree(const FunctionId& function, const Attachment& attachment) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // The row of that claim, or why it is not there.
  absl::StatusOr<ClaimRow> RowOfClaim(const FunctionId& function, int64_t claim) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Writes the journal and then memory.
  absl::Status Write(const ClaimRow& row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Keep(const ClaimRow& row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Forget(const FunctionId& function) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // After an error of the journal, which may have changed something all the same: reads what it has of the
  // function. Returns `error`.
  absl::Status ReadAgain(const FunctionId& function, const absl::Status& error)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TellObservers(const FunctionId& function) const ABSL_LOCKS_EXCLUDED(mu_);

  Journal& journal_;
  std::vector<std::function<void(const FunctionId&)>> observers_;
  // Held while the journal is written, so that the two cannot differ.
  mutable absl::Mutex mu_;
  std::map<FunctionId, ClaimRow> rows_ ABSL_GUARDED_BY(mu_);
  std::map<AttachmentKey, FunctionId> attachments_ ABSL_GUARDED_BY(mu_);
};

// "pod default/web-1 (container 3f2a…, interface net1)", for messages.
std::string DescribeHolder(const ClaimRow& row);

}  // namespace xpu
