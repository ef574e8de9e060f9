#include "host-agent/alloc/allocator.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

// What is wrong with a row that was read, empty if nothing.
std::string FindFault(const ClaimRow& row) {
  if (row.claim <= 0) return "its claim number is not positive";
  switch (row.state) {
    case ClaimState::kClaimed:
      if (row.attachment || row.confirmed) return "it is only claimed but has an attachment";
      return "";
    case ClaimState::kAttached:
      if (!row.attachment) return "it is attached to nothing";
      return "";
    case ClaimState::kUndoing:
      if (!row.host_pending && !row.dpu_pending && !row.ipam_pending) {
        return "it is being undone with nothing to do";
      }
      if (row.ipam_pending && !row.ipam) return "it is to tell an IPAM plugin but names none";
      return "";
  }
  return "";
}

}  // namespace

absl::Status CheckRows(const std::vector<ClaimRow>& rows) {
  std::set<FunctionId> functions;
  std::set<std::pair<std::string, std::string>> attachments;
  for (const ClaimRow& row : rows) {
    std::string fault = FindFault(row);
    if (!functions.insert(row.function).second) fault = "it has another row too";
    if (row.attachment && !attachments.emplace(row.attachment->container_id, row.attachment->ifname).second) {
      fault = "its attachment has another function too";
    }
    if (!fault.empty()) {
      return absl::DataLossError(absl::StrCat("the journal's row of function ", row.function.ToString(),
                                              " makes no sense: ", fault,
                                              "; move the journal away and start again"));
    }
  }
  return absl::OkStatus();
}

std::string DescribeHolder(const ClaimRow& row) {
  if (!row.attachment) return "a container that has not started yet";
  std::string pod;
  if (!row.attachment->pod_name.empty()) {
    pod = absl::StrCat("pod ", row.attachment->pod_namespace, "/", row.attachment->pod_name, ", ");
  }
  return absl::StrCat(pod, "container ", row.attachment->container_id, ", interface ",
                      row.attachment->ifname);
}

absl::StatusOr<std::unique_ptr<Allocator>> Allocator::Open(Journal& journal) {
  auto allocator = std::unique_ptr<Allocator>(new Allocator(journal));
  XPU_ASSIGN_OR_RETURN(const std::vector<ClaimRow> rows, journal.Load());
  XPU_RETURN_IF_ERROR(CheckRows(rows));
  absl::MutexLock lock(&allocator->mu_);
  for (const ClaimRow& row : rows) allocator->Keep(row);
  return allocator;
}

absl::StatusOr<ClaimRow> Allocator::Begin(const ClaimRow& wanted) {
  ClaimRow row = wanted;
  {
    absl::MutexLock lock(&mu_);
    if (const auto it = rows_.find(row.function); it != rows_.end()) {
      return absl::FailedPreconditionError(absl::StrCat("function ", row.function.ToString(), " is ",
                                                        ClaimStateName(it->second.state), " for ",
                                                        DescribeHolder(it->second)));
    }
    if (row.attachment) XPU_RETURN_IF_ERROR(CheckAttachmentFree(row.function, *row.attachment));
    row.state = row.attachment ? ClaimState::kAttached : ClaimState::kClaimed;
    row.confirmed = row.host_pending = row.dpu_pending = row.ipam_pending = false;
    row.result.clear();
    absl::StatusOr<ClaimRow> begun = journal_.Begin(row);
    if (!begun.ok()) return ReadAgain(row.function, begun.status());
    row = *std::move(begun);
    Keep(row);
  }
  TellObservers(row.function);
  return row;
}

absl::StatusOr<ClaimRow> Allocator::Attach(const ClaimRow& wanted) {
  ClaimRow row = wanted;
  const FunctionId& function = wanted.function;
  if (!row.attachment) {
    return absl::InternalError(
        absl::StrCat("function ", function.ToString(), " is to be attached to nothing in particular"));
  }
  {
    absl::MutexLock lock(&mu_);
    XPU_ASSIGN_OR_RETURN(const ClaimRow claimed, RowOfClaim(function, row.claim));
    if (claimed.state != ClaimState::kClaimed) {
      return absl::FailedPreconditionError(absl::StrCat("function ", function.ToString(), " is ",
                                                        ClaimStateName(claimed.state), " for ",
                                                        DescribeHolder(claimed)));
    }
    XPU_RETURN_IF_ERROR(CheckAttachmentFree(function, *row.attachment));
    row.state = ClaimState::kAttached;
    row.card = claimed.card;
    row.port = claimed.port;
    row.confirmed = row.host_pending = row.dpu_pending = row.ipam_pending = false;
    row.result.clear();
    XPU_RETURN_IF_ERROR(Write(row));
  }
  TellObservers(function);
  return row;
}

absl::StatusOr<ClaimRow> Allocator::Confirm(const FunctionId& function, int64_t claim,
                                            const Confirmation& confirmation) {
  ClaimRow row;
  {
    absl::MutexLock lock(&mu_);
    XPU_ASSIGN_OR_RETURN(row, RowOfClaim(function, claim));
    if (row.state != ClaimState::kAttached) {
      return absl::FailedPreconditionError(absl::StrCat("function ", function.ToString(), " is ",
                                                        ClaimStateName(row.state), ", not attached"));
    }
    row.confirmed = true;
    row.addresses = confirmation.addresses;
    row.gateways = confirmation.gateways;
    row.mtu = confirmation.mtu;
    row.result = confirmation.result;
    XPU_RETURN_IF_ERROR(Write(row));
  }
  TellObservers(function);
  return row;
}

absl::StatusOr<ClaimRow> Allocator::Undo(const FunctionId& function, int64_t claim) {
  ClaimRow row;
  {
    absl::MutexLock lock(&mu_);
    XPU_ASSIGN_OR_RETURN(row, RowOfClaim(function, claim));
    if (row.state == ClaimState::kUndoing) return row;
    row.state = ClaimState::kUndoing;
    row.host_pending = row.dpu_pending = true;
    row.ipam_pending = row.ipam.has_value();
    XPU_RETURN_IF_ERROR(Write(row));
  }
  TellObservers(function);
  return row;
}

absl::Status Allocator::Undone(const FunctionId& function, int64_t claim, const UndoneParts& done) {
  {
    absl::MutexLock lock(&mu_);
    XPU_ASSIGN_OR_RETURN(ClaimRow row, RowOfClaim(function, claim));
    if (row.state != ClaimState::kUndoing) {
      return absl::FailedPreconditionError(absl::StrCat("function ", function.ToString(), " is ",
                                                        ClaimStateName(row.state), ", not being undone"));
    }
    const ClaimRow before = row;
    if (done.host) row.host_pending = false;
    if (done.dpu) row.dpu_pending = false;
    if (done.ipam) row.ipam_pending = false;
    if (row == before) return absl::OkStatus();
    if (row.host_pending || row.dpu_pending || row.ipam_pending) {
      XPU_RETURN_IF_ERROR(Write(row));
    } else {
      if (const absl::Status status = journal_.End(function, claim); !status.ok()) {
        return ReadAgain(function, status);
      }
      Forget(function);
    }
  }
  TellObservers(function);
  return absl::OkStatus();
}

std::optional<ClaimRow> Allocator::Find(const FunctionId& function) const {
  absl::MutexLock lock(&mu_);
  const auto it = rows_.find(function);
  return it == rows_.end() ? std::nullopt : std::optional<ClaimRow>(it->second);
}

std::optional<ClaimRow> Allocator::FindAttachment(const std::string& container_id,
                                                  const std::string& ifname) const {
  absl::MutexLock lock(&mu_);
  const auto it = attachments_.find({container_id, ifname});
  return it == attachments_.end() ? std::nullopt : std::optional<ClaimRow>(rows_.at(it->second));
}

std::vector<ClaimRow> Allocator::Rows() const {
  absl::MutexLock lock(&mu_);
  std::vector<ClaimRow> rows;
  for (const auto& [function, row] : rows_) rows.push_back(row);
  return rows;
}

int Allocator::Count() const {
  absl::MutexLock lock(&mu_);
  return static_cast<int>(rows_.size());
}

void Allocator::Observe(std::function<void(const FunctionId&)> changed) {
  observers_.push_back(std::move(changed));
}

absl::Status Allocator::CheckAttachmentFree(const FunctionId& function, const Attachment& attachment) const {
  const auto it = attachments_.find(KeyOf(attachment));
  if (it == attachments_.end() || it->second == function) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat("interface ", attachment.ifname, " of container ",
                                               attachment.container_id, " is function ",
                                               it->second.ToString(), " already; DEL it first"));
}

absl::StatusOr<ClaimRow> Allocator::RowOfClaim(const FunctionId& function, int64_t claim) const {
  const auto it = rows_.find(function);
  if (it == rows_.end() || it->second.claim != claim) {
    return absl::NotFoundError(
        absl::StrCat("claim ", claim, " of function ", function.ToString(), " is over"));
  }
  return it->second;
}

absl::Status Allocator::Write(const ClaimRow& row) {
  if (const absl::Status status = journal_.Write(row); !status.ok()) return ReadAgain(row.function, status);
  Keep(row);
  return absl::OkStatus();
}

void Allocator::Keep(const ClaimRow& row) {
  Forget(row.function);
  rows_[row.function] = row;
  if (row.attachment) attachments_[KeyOf(*row.attachment)] = row.function;
}

void Allocator::Forget(const FunctionId& function) {
  const auto it = rows_.find(function);
  if (it == rows_.end()) return;
  if (it->second.attachment) attachments_.erase(KeyOf(*it->second.attachment));
  rows_.erase(it);
}

absl::Status Allocator::ReadAgain(const FunctionId& function, const absl::Status& error) {
  const absl::StatusOr<std::vector<ClaimRow>> rows = journal_.Load();
  if (!rows.ok()) return error;
  Forget(function);
  for (const ClaimRow& row : *rows) {
    if (row.function == function) Keep(row);
  }
  return error;
}

void Allocator::TellObservers(const FunctionId& function) const {
  for (const auto& changed : observers_) changed(function);
}

}  // namespace xpu
