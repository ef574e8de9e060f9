#include "host-agent/attach/attacher.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/base/status_macros.h"
#include "host-agent/cni/cni_error.h"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

constexpr int kMaxCardThreads = 256;

absl::Status Busy(const ClaimRow& row) {
  return CniErrorStatus(CniCode::kFunctionBusy,
                        absl::StrCat("function ", row.function.ToString(), " is ", ClaimStateName(row.state),
                                     " for ", DescribeHolder(row)),
                        "use another function, or DEL that interface first");
}

// What an error of BindPort means to CNI.
absl::Status ToCniStatus(const absl::Status& status, const Attachment& attachment) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return CniErrorStatus(
          CniCode::kNetworkUnknown, status.message(),
          absl::StrCat("create the Network ", attachment.network_namespace, "/", attachment.network,
                       ", or correct \"network\" in the CNI configuration"));
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kInvalidArgument:
      return CniErrorStatus(CniCode::kAddressRefused, status.message(),
                            "ask for another address or MAC, or give the Network another prefix");
    case absl::StatusCode::kFailedPrecondition:
      return CniErrorStatus(CniCode::kTryAgainLater, status.message(),
                            absl::StrCat("the Network ", attachment.network_namespace, "/",
                                         attachment.network, " is still being made on the card"));
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
      return status;
    default:
      return WithCniCode(status, CniCode::kCardRefused);
  }
}

std::vector<InterfaceAddress> AsSingleAddresses(const std::vector<IpAddress>& addresses) {
  std::vector<InterfaceAddress> single;
  single.reserve(addresses.size());
  for (const IpAddress& address : addresses) single.push_back({address, address.bits()});
  return single;
}

}  // namespace

Attacher::Attacher(Parts parts) : parts_(std::move(parts)), card_workers_(kMaxCardThreads) {}

absl::StatusOr<ClaimRow> Attacher::Draft(const FunctionId& address, Link* home) {
  const absl::StatusOr<HostFunction> function = parts_.inventory.Find(address);
  if (!function.ok()) return WithCniCode(function.status(), CniCode::kFunctionUnknown);
  const absl::StatusOr<Link> link = parts_.host.FindAtHome(address);
  if (!link.ok()) {
    if (!absl::IsNotFound(link.status())) return link.status();
    return WithCniCode(absl::FailedPreconditionError(link.status().message()), CniCode::kFunctionBusy);
  }
  *home = *link;
  ClaimRow row;
  row.function = address;
  row.card = function->card;
  row.port = function->port;
  row.host_ifname = link->name;
  row.host_mac = row.mac = link->mac;
  row.host_mtu = link->mtu;
  row.known_by_alias = link->parent_device.empty();
  return row;
}

absl::StatusOr<ClaimRow> Attacher::Claim(const FunctionId& function, bool* begun) {
  if (begun != nullptr) *begun = false;
  std::optional<ClaimRow> row = parts_.allocator.Find(function);
  if (row && row->state == ClaimState::kUndoing) {
    if (const absl::Status status = Free(*row); !status.ok()) {
      return absl::FailedPreconditionError(absl::StrCat(status.message(), ": ", StuckReason(function)));
    }
    row.reset();
  }
  if (row && row->state == ClaimState::kAttached) return Busy(*row);
  if (!row) {
    Link home;
    XPU_ASSIGN_OR_RETURN(const ClaimRow draft, Draft(function, &home));
    XPU_RETURN_IF_ERROR(NeedSession(draft).status());
    XPU_ASSIGN_OR_RETURN(row, parts_.allocator.Begin(draft));
    if (begun != nullptr) *begun = true;
  }
  XPU_ASSIGN_OR_RETURN(CardSession* const session, NeedSession(*row));
  if (const absl::Status status = session->Prepare(*row); !status.ok()) {
    Undo(*row);
    return status;
  }
  return *row;
}

absl::Status Attacher::Unclaim(const FunctionId& function, int64_t claim) {
  const std::optional<ClaimRow> row = parts_.allocator.Find(function);
  if (!row || row->claim != claim || row->attachment) return absl::OkStatus();
  return Undo(*row).journal;
}

absl::StatusOr<ClaimRow> Attacher::Add(const AttachRequest& request) {
  // An attachment has one function. What is left of it on another one is either wanted or to be undone by a
  // DEL.
  const auto other =
      parts_.allocator.FindAttachment(request.attachment.container_id, request.attachment.ifname);
  if (other && other->function != request.function) return Busy(*other);

  if (const std::optional<ClaimRow> row = parts_.allocator.Find(request.function)) {
    const bool ours = row->attachment && row->attachment->container_id == request.attachment.container_id &&
                      row->attachment->ifname == request.attachment.ifname;
    if (row->state == ClaimState::kAttached) {
      if (!ours) return Busy(*row);
      if (IsAsAsked(*row, request)) return *row;
    }
    if (row->state != ClaimState::kClaimed) XPU_RETURN_IF_ERROR(Free(*row));
  }
  return AttachNow(request);
}

absl::StatusOr<ClaimRow> Attacher::AttachNow(const AttachRequest& request) {
  XPU_ASSIGN_OR_RETURN(const std::shared_ptr<NetNamespace> pod,
                       parts_.host.OpenPod(request.attachment.netns));
  Link home;
  XPU_ASSIGN_OR_RETURN(ClaimRow row, Draft(request.function, &home));
  XPU_RETURN_IF_ERROR(NeedSession(row).status());
  if (request.mac) row.mac = *request.mac;
  row.addresses = AsSingleAddresses(request.addresses);
  row.attachment = request.attachment;
  if (const std::optional<ClaimRow> claimed = parts_.allocator.Find(request.function)) {
    row.claim = claimed->claim;
    XPU_ASSIGN_OR_RETURN(row, parts_.allocator.Attach(row));
  } else {
    XPU_ASSIGN_OR_RETURN(row, parts_.allocator.Begin(row));
  }

  const absl::StatusOr<Confirmation> confirmation = Act(row, home, pod);
  absl::Status status = confirmation.status();
  if (status.ok()) {
    absl::StatusOr<ClaimRow> confirmed = parts_.allocator.Confirm(row.function, row.claim, *confirmation);
    if (confirmed.ok()) return confirmed;
    status = confirmed.status();
  }
  Undo(row);
  return status;
}

absl::StatusOr<Confirmation> Attacher::Act(const ClaimRow& row, const Link& home,
                                           const std::shared_ptr<NetNamespace>& pod) {
  XPU_ASSIGN_OR_RETURN(CardSession* const session, NeedSession(row));
  absl::StatusOr<Confirmation> confirmation = absl::UnknownError("");
  absl::Notification bound;
  card_workers_.Run([&] {
    confirmation = session->Bind(row);
    bound.Notify();
  });
  const absl::Status moved = parts_.host.MoveIn(row, home, pod);
  bound.WaitForNotification();
  XPU_RETURN_IF_ERROR(moved);
  if (!confirmation.ok()) return ToCniStatus(confirmation.status(), *row.attachment);
  XPU_RETURN_IF_ERROR(parts_.host.Configure(row, *confirmation, pod));
  return confirmation;
}

bool Attacher::IsAsAsked(const ClaimRow& row, const AttachRequest& request) {
  if (!row.confirmed || row.attachment != request.attachment) return false;
  if (request.mac && *request.mac != row.mac) return false;
  for (const IpAddress& asked : request.addresses) {
    const auto is_it = [&asked](const InterfaceAddress& address) { return address.address == asked; };
    if (std::none_of(row.addresses.begin(), row.addresses.end(), is_it)) return false;
  }
  const absl::StatusOr<std::optional<Link>> link = parts_.host.FindInPod(row);
  if (!link.ok() || !*link || (*link)->name != row.attachment->ifname || (*link)->mac != row.mac)
    return false;
  CardSession* const session = SessionOf(row);
  if (session == nullptr) return false;
  const absl::StatusOr<Confirmation> bound = session->Bind(row);
  return bound.ok() && bound->addresses == row.addresses;
}

absl::Status Attacher::Del(const FunctionId& function, const std::string& container_id,
                           const std::string& ifname) {
  const std::optional<ClaimRow> row = parts_.allocator.Find(function);
  if (!row || !row->attachment || row->attachment->container_id != container_id ||
      row->attachment->ifname != ifname) {
    return absl::OkStatus();
  }
  const Undone undone = Undo(*row);
  XPU_RETURN_IF_ERROR(undone.journal);
  return undone.host;
}

absl::Status Attacher::Release(const FunctionId& function, const Attachment& key) {
  return Del(function, key.container_id, key.ifname);
}

absl::Status Attacher::Check(const AttachRequest& request, const std::string& prev_result) {
  const std::optional<ClaimRow> row = parts_.allocator.Find(request.function);
  if (!row || !IsAsAsked(*row, request)) {
    return CniErrorStatus(
        CniCode::kContainerUnknown,
        absl::StrCat("function ", request.function.ToString(), " is not attached as asked to container ",
                     request.attachment.container_id, ", interface ", request.attachment.ifname),
        prev_result.empty() ? "there is no prevResult" : "DEL and ADD it");
  }
  return absl::OkStatus();
}

absl::Status Attacher::ReleaseUnused(const FunctionId& function) {
  const std::optional<ClaimRow> row = parts_.allocator.Find(function);
  if (!row || row->attachment) return absl::OkStatus();
  return Undo(*row).journal;
}

absl::Status Attacher::Free(const ClaimRow& row) {
  const Undone undone = Undo(row);
  XPU_RETURN_IF_ERROR(undone.journal);
  if (undone.host.ok() && undone.host_restored && undone.card.ok()) return absl::OkStatus();
  return CniErrorStatus(CniCode::kTryAgainLater,
                        absl::StrCat("function ", row.function.ToString(), " is still being taken back from ",
                                     DescribeHolder(row)),
                        StuckReason(row.function));
}

Attacher::Undone Attacher::Undo(const ClaimRow& claimed) {
  Undone undone;
  absl::StatusOr<ClaimRow> row = parts_.allocator.Undo(claimed.function, claimed.claim);
  if (!row.ok()) {
    undone.journal = row.status();
    return undone;
  }
  CardSession* const session = SessionOf(*row);
  absl::Notification released;
  if (row->dpu_pending && session != nullptr) {
    card_workers_.Run([&] {
      undone.card = session->Release(*row);
      released.Notify();
    });
  } else {
    // A card that is configured no more has nobody who could be told.
    released.Notify();
  }
  undone.host_restored = true;
  if (row->host_pending) {
    const absl::StatusOr<bool> restored = parts_.host.Restore(*row);
    undone.host = restored.status();
    undone.host_restored = restored.ok() && *restored;
  }
  released.WaitForNotification();

  std::string stuck;
  if (!undone.host.ok()) {
    stuck = absl::StrCat("its interface could not be taken back from ", DescribeHolder(*row), ": ",
                         undone.host.message());
  } else if (!undone.host_restored) {
    stuck = absl::StrCat("its interface is still somewhere with ", DescribeHolder(*row));
  } else if (!undone.card.ok()) {
    stuck = absl::StrCat("its port could not be taken back at the card: ", undone.card.message());
  }
  if (!stuck.empty()) spdlog::warn("function {} is not free yet: {}", row->function.ToString(), stuck);
  undone.journal = parts_.allocator.Undone(row->function, row->claim,
                                           {.host = undone.host_restored, .dpu = undone.card.ok()});
  // After the row: who hears that nothing is in the way any more must find the function free.
  SetStuck(row->function, stuck);
  // What only the journal or the card stands in the way of is tried again; for the interface there is an
  // event.
  if (session != nullptr && (!undone.card.ok() || !undone.journal.ok())) session->TryAgainLater();
  return undone;
}

void Attacher::Settle(const FunctionId& function) {
  const std::optional<ClaimRow> row = parts_.allocator.Find(function);
  if (!row) return;
  // Calls about a function come one after the other, so nobody is completing this attachment any more.
  if (row->state == ClaimState::kUndoing || (row->state == ClaimState::kAttached && !row->confirmed)) {
    Undo(*row);
    return;
  }
  CardSession* const session = SessionOf(*row);
  if (session == nullptr) return;
  absl::Status status;
  if (row->state == ClaimState::kClaimed) {
    status = session->Prepare(*row);
  } else {
    const absl::StatusOr<Confirmation> bound = session->Bind(*row);
    status = bound.status();
    if (bound.ok() && bound->addresses != row->addresses) {
      status = absl::InternalError("the card gave other addresses than those in use");
    }
  }
  if (status.ok()) return;
  spdlog::error("function {} of {} is not at the card as it should be, trying again: {}", function.ToString(),
                DescribeHolder(*row), status.ToString());
  session->TryAgainLater();
}

void Attacher::Recover(const FunctionId& function) {
  const std::optional<ClaimRow> row = parts_.allocator.Find(function);
  if (!row) return;
  if (row->state == ClaimState::kAttached && row->confirmed) {
    const absl::StatusOr<std::optional<Link>> link = parts_.host.FindInPod(*row);
    // A namespace that cannot be looked into is left alone: its pod may be well.
    if (!link.ok()) {
      spdlog::warn("cannot tell whether {} still has function {}: {}", DescribeHolder(*row),
                   function.ToString(), link.status().ToString());
      return;
    }
    if (*link) return;
    spdlog::info("function {} is no longer with {}, taking it back", function.ToString(),
                 DescribeHolder(*row));
    Undo(*row);
    return;
  }
  // What a claimed function needs of the card comes with the connection.
  if (row->state != ClaimState::kClaimed) Settle(function);
}

std::string Attacher::StuckReason(const FunctionId& function) const {
  absl::MutexLock lock(&mu_);
  const auto it = stuck_.find(function);
  return it == stuck_.end() ? "" : it->second;
}

void Attacher::SetStuck(const FunctionId& function, const std::string& reason) {
  {
    absl::MutexLock lock(&mu_);
    if (reason.empty()) {
      stuck_.erase(function);
    } else {
      stuck_[function] = reason;
    }
  }
  if (parts_.stuck_changed) parts_.stuck_changed(function);
}

CardSession* Attacher::SessionOf(const ClaimRow& row) const {
  const auto it = parts_.sessions.find(row.card);
  return it == parts_.sessions.end() ? nullptr : it->second;
}

absl::StatusOr<CardSession*> Attacher::NeedSession(const ClaimRow& row) const {
  CardSession* const session = SessionOf(row);
  if (session != nullptr) return session;
  return absl::InternalError(absl::StrCat("card ", row.card, " of function ", row.function.ToString(),
                                          " is not configured; give it with --card"));
}

}  // namespace xpu
