#include "host-agent/attach/attacher.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "common/base/status_macros.h"
#include "host-agent/attach/check_setup.h"
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
    case absl::StatusCode::kOk:
      return status;
    case absl::StatusCode::kPermissionDenied:
      return CniErrorStatus(CniCode::kCardRefused, status.message(),
                            absl::StrCat("the card's configuration says which VLANs this host may use; ",
                                         DescribeNetwork(attachment), " is not among them"));
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

// Of a function that vfio-pci or another driver without an interface holds.
bool IsWithoutInterface(const HostFunction& function) {
  return !function.vfio_node.empty() || function.driver == "vfio-pci";
}

// Locally administered. By chance, as the card may be another host's too.
MacAddress RandomMac() {
  absl::BitGen random;
  std::array<uint8_t, 6> octets;
  for (uint8_t& octet : octets) octet = absl::Uniform<uint8_t>(random);
  octets[0] = static_cast<uint8_t>((octets[0] & 0xfc) | 0x02);
  return MacAddress(octets);
}

Route ToRoute(const CniRoute& route, const std::vector<IpAddress>& gateways) {
  Route made{.destination = route.destination,
             .gateway = route.gateway,
             .metric = route.priority,
             .table = route.table,
             .mtu = route.mtu,
             .advmss = route.advmss};
  if (route.scope) made.scope = static_cast<uint8_t>(*route.scope);
  // RT_SCOPE_LINK and nearer: reached without a gateway.
  if (made.gateway || made.scope.value_or(0) >= RT_SCOPE_LINK) return made;
  for (const IpAddress& gateway : gateways) {
    if (gateway.family() == made.destination.family()) made.gateway = gateway;
  }
  return made;
}

CniRoute ToCniRoute(const Route& route) {
  CniRoute told{.destination = route.destination,
                .gateway = route.gateway,
                .mtu = route.mtu,
                .advmss = route.advmss,
                .priority = route.metric,
                .table = route.table};
  if (route.scope) told.scope = *route.scope;
  return told;
}

bool HasAll(const std::vector<InterfaceAddress>& given, const std::vector<IpAddress>& asked) {
  return std::all_of(asked.begin(), asked.end(), [&given](const IpAddress& address) {
    return std::any_of(given.begin(), given.end(),
                       [&address](const InterfaceAddress& one) { return one.address == address; });
  });
}

std::vector<InterfaceAddress> AsSingleAddresses(const std::vector<IpAddress>& addresses) {
  std::vector<InterfaceAddress> single;
  single.reserve(addresses.size());
  for (const IpAddress& address : addresses) single.push_back({address, address.bits()});
  return single;
}

}  // namespace

Attacher::Attacher(Parts parts)
    : parts_(std::move(parts)), card_workers_(kMaxCardThreads, Workers::Urgency::kGivesWay) {}

absl::StatusOr<ClaimRow> Attacher::Draft(const FunctionId& address, const std::optional<ClaimRow>& claimed,
                                         Link* home) {
  const absl::StatusOr<HostFunction> function = parts_.inventory.Find(address);
  if (!function.ok()) return WithCniCode(function.status(), CniCode::kFunctionUnknown);
  ClaimRow row;
  row.function = address;
  row.card = function->card;
  row.port = function->port;
  if (IsWithoutInterface(*function)) {
    row.vfio = true;
    *home = Link();
    XPU_ASSIGN_OR_RETURN(const VfSettings kept, parts_.host.pf().Read(address));
    row.mac = kept.mac && kept.mac->IsUnicast() ? *kept.mac : RandomMac();
    return row;
  }
  const absl::StatusOr<Link> link =
      claimed ? parts_.host.FindClaimed(*claimed) : parts_.host.FindAtHome(address);
  if (!link.ok()) {
    if (!absl::IsNotFound(link.status())) return link.status();
    return WithCniCode(absl::FailedPreconditionError(link.status().message()), CniCode::kFunctionBusy);
  }
  *home = *link;
  row.host_ifname = link->name;
  row.host_mac = row.mac = link->mac;
  row.host_mtu = link->mtu;
  const bool as_claimed = claimed && claimed->host_ifname == link->name;
  row.known_by_alias = as_claimed ? claimed->known_by_alias : link->parent_device.empty();
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
    XPU_ASSIGN_OR_RETURN(const ClaimRow draft, Draft(function, std::nullopt, &home));
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
  const Tagger tagger = TaggerOf(request.function);
  XPU_RETURN_IF_ERROR(CheckRequest(request, parts_.ipam, tagger));
  Job job{.request = request};
  XPU_ASSIGN_OR_RETURN(job.pod, parts_.host.OpenPod(request.attachment.netns));
  const std::optional<ClaimRow> claimed = parts_.allocator.Find(request.function);
  XPU_ASSIGN_OR_RETURN(job.row, Draft(request.function, claimed, &job.home));
  XPU_RETURN_IF_ERROR(CheckPluginHasInterface(request, job.row));
  XPU_RETURN_IF_ERROR(NeedSession(job.row).status());
  // The one under which its port was prepared, if by chance.
  if (job.row.vfio && claimed && claimed->vfio) job.row.mac = claimed->mac;
  if (request.mac) job.row.mac = *request.mac;
  if (const VfSettings wanted = WantedOfPf(request, job.row, tagger); !wanted.empty()) {
    XPU_ASSIGN_OR_RETURN(job.pf, parts_.host.pf().Plan(request.function, wanted));
    job.row.settings_before = job.pf.before;
  }
  if (!request.ipam) job.row.addresses = AsSingleAddresses(request.addresses);
  job.row.ipam = request.ipam;
  job.row.attachment = request.attachment;
  if (claimed) {
    job.row.claim = claimed->claim;
    XPU_ASSIGN_OR_RETURN(job.row, parts_.allocator.Attach(job.row));
  } else {
    XPU_ASSIGN_OR_RETURN(job.row, parts_.allocator.Begin(job.row));
  }

  absl::Status status = Act(job);
  if (status.ok()) {
    absl::StatusOr<ClaimRow> confirmed =
        parts_.allocator.Confirm(job.row.function, job.row.claim, job.confirmation);
    if (confirmed.ok()) return confirmed;
    status = confirmed.status();
  }
  Undo(job.row);
  return status;
}

absl::Status Attacher::Act(Job& job) {
  XPU_ASSIGN_OR_RETURN(CardSession* const session, NeedSession(job.row));
  if (job.row.ipam && NeedsInterface(*job.row.ipam)) return ActInTurn(job, *session);
  absl::Status bound;
  absl::Notification done;
  card_workers_.Run([&] {
    bound = AskIpam(job);
    if (bound.ok()) {
      absl::StatusOr<Confirmation> confirmation = session->Bind(job.row);
      bound = confirmation.ok() ? absl::OkStatus() : ToCniStatus(confirmation.status(), *job.row.attachment);
      if (bound.ok()) job.confirmation = *std::move(confirmation);
    }
    done.Notify();
  });
  const absl::Status moved = MoveIn(job);
  done.WaitForNotification();
  XPU_RETURN_IF_ERROR(moved);
  XPU_RETURN_IF_ERROR(bound);
  return Finish(job);
}

absl::Status Attacher::ActInTurn(Job& job, CardSession& session) {
  XPU_RETURN_IF_ERROR(MoveIn(job));
  // Into the network, for the plugin to be heard there.
  XPU_RETURN_IF_ERROR(ToCniStatus(session.Bind(job.row).status(), *job.row.attachment));
  XPU_RETURN_IF_ERROR(AskIpam(job));
  absl::StatusOr<Confirmation> confirmation = session.Bind(job.row);
  if (!confirmation.ok()) return ToCniStatus(confirmation.status(), *job.row.attachment);
  job.confirmation = *std::move(confirmation);
  return Finish(job);
}

absl::Status Attacher::AskIpam(Job& job) {
  if (!job.row.ipam) return absl::OkStatus();
  XPU_ASSIGN_OR_RETURN(job.ipam, parts_.ipam->Add(*job.row.ipam, *job.row.attachment));
  job.row.addresses.clear();
  for (const IpamAddress& given : job.ipam.addresses) job.row.addresses.push_back(given.address);
  return absl::OkStatus();
}

absl::Status Attacher::MoveIn(const Job& job) {
  XPU_RETURN_IF_ERROR(parts_.host.pf().SetAllButMac(job.pf));
  if (job.row.vfio) return parts_.host.pf().SetMac(job.pf);
  const absl::Status moved = parts_.host.MoveIn(job.row, job.home, job.pod);
  if (moved.ok()) return parts_.host.pf().SetMac(job.pf);
  if (!job.pf.wanted.mac || ToCniFailure(moved).code != CniCode::kInternal) return moved;
  // Perhaps it may not change its MAC because the physical function has set another one. Then that has to
  // change it first.
  XPU_RETURN_IF_ERROR(parts_.host.pf().SetMac(job.pf));
  return parts_.host.MoveIn(job.row, job.home, job.pod);
}

absl::Status Attacher::Finish(Job& job) {
  const AttachRequest& request = job.request;
  Confirmation& confirmation = job.confirmation;
  // The plugin's word on gateways counts before the Network's.
  std::vector<IpAddress> gateways;
  const auto add_gateway = [&gateways](const IpAddress& gateway) {
    const auto same_family = [&gateway](const IpAddress& other) {
      return other.family() == gateway.family();
    };
    if (std::none_of(gateways.begin(), gateways.end(), same_family)) gateways.push_back(gateway);
  };
  for (const IpamAddress& given : job.ipam.addresses) {
    if (given.gateway) add_gateway(*given.gateway);
  }
  for (const IpAddress& gateway : confirmation.gateways) add_gateway(gateway);

  std::vector<CniRoute> wanted = job.row.ipam ? job.ipam.routes : DefaultRoutes(gateways);
  wanted.insert(wanted.end(), request.routes.begin(), request.routes.end());
  InterfaceSetup setup{.addresses = confirmation.addresses, .mtu = request.mtu.value_or(confirmation.mtu)};
  for (const CniRoute& route : wanted) setup.routes.push_back(ToRoute(route, gateways));
  if (request.mtu && confirmation.mtu != 0 && *request.mtu > confirmation.mtu) {
    return CniErrorStatus(
        CniCode::kInvalidConfig,
        absl::StrCat("mtu ", *request.mtu, " is more than the network's ", confirmation.mtu),
        "ask for less, or leave it out");
  }
  if (!job.row.vfio) {
    XPU_ASSIGN_OR_RETURN(setup.routes, parts_.host.Configure(job.row, setup, job.pod));
  }

  confirmation.gateways = gateways;
  confirmation.mtu = setup.mtu != 0 ? setup.mtu : job.home.mtu;
  CniResult result{.ifname = job.row.attachment->ifname,
                   .mac = job.row.mac,
                   .sandbox = job.row.attachment->netns,
                   .mtu = confirmation.mtu,
                   .pci_id = job.row.function.sf ? "" : job.row.function.ToString(),
                   .addresses = confirmation.addresses,
                   .gateways = gateways,
                   .dns = request.dns == CniDns() ? job.ipam.dns : request.dns};
  for (const Route& route : setup.routes) result.routes.push_back(ToCniRoute(route));
  confirmation.result = FormatCniResult(result);
  return absl::OkStatus();
}

bool Attacher::IsAsAsked(const ClaimRow& row, const AttachRequest& request) {
  if (!row.confirmed || row.attachment != request.attachment || row.ipam != request.ipam) return false;
  if (request.mac && *request.mac != row.mac) return false;
  if (request.mtu && *request.mtu != row.mtu) return false;
  if (!request.ipam && !HasAll(row.addresses, request.addresses)) return false;
  if (!parts_.host.CheckInPod(row, {.mtu = request.mtu.value_or(0)}).ok()) return false;
  if (const VfSettings wanted = WantedOfPf(request, row, TaggerOf(row.function)); !wanted.empty()) {
    const absl::StatusOr<bool> set = parts_.host.pf().IsSet(row, wanted);
    if (!set.ok() || !*set) return false;
  }
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
  const std::string key = absl::StrCat("interface ", request.attachment.ifname, " of container ",
                                       request.attachment.container_id);
  const std::optional<ClaimRow> row = parts_.allocator.Find(request.function);
  if (!row || row->state != ClaimState::kAttached || !row->confirmed ||
      row->attachment->container_id != request.attachment.container_id ||
      row->attachment->ifname != request.attachment.ifname) {
    return CniErrorStatus(CniCode::kContainerUnknown,
                          absl::StrCat(key, ": function ", request.function.ToString(), " is ",
                                       row ? DescribeHolder(*row) + "'s" : "free"),
                          "ADD it");
  }
  const auto wrong = [&key](const absl::Status& status) {
    return WithCniCode(Annotate(status, key), ToCniFailure(status).code);
  };
  if (row->attachment != request.attachment) {
    return wrong(absl::FailedPreconditionError(absl::StrCat(
        "it was attached to ", DescribeNetwork(*row->attachment), " in ", row->attachment->netns,
        ", and is asked for in ", DescribeNetwork(request.attachment), " in ", request.attachment.netns)));
  }
  const absl::StatusOr<InterfaceSetup> setup = WhatToCheck(*row, prev_result);
  if (!setup.ok()) return wrong(setup.status());
  if (const absl::Status status = parts_.host.CheckInPod(*row, *setup); !status.ok()) return wrong(status);
  if (const VfSettings wanted = WantedOfPf(request, *row, TaggerOf(row->function)); !wanted.empty()) {
    const absl::StatusOr<bool> set = parts_.host.pf().IsSet(*row, wanted);
    if (!set.ok()) return wrong(set.status());
    if (!*set) {
      return wrong(absl::FailedPreconditionError("its physical function keeps other settings for it"));
    }
  }
  XPU_ASSIGN_OR_RETURN(CardSession* const session, NeedSession(*row));
  if (const absl::Status status = session->CheckBinding(*row); !status.ok()) return wrong(status);
  if (!request.ipam || parts_.ipam == nullptr) return absl::OkStatus();
  return parts_.ipam->Check(*request.ipam, request.attachment);
}

absl::Status Attacher::ReleaseUnused(const FunctionId& function) {
  const std::optional<ClaimRow> row = parts_.allocator.Find(function);
  if (!row || row->attachment) return absl::OkStatus();
  return Undo(*row).journal;
}

absl::Status Attacher::Free(const ClaimRow& row) {
  const Undone undone = Undo(row);
  XPU_RETURN_IF_ERROR(undone.journal);
  if (undone.host.ok() && undone.host_restored && undone.card.ok()) {
    if (undone.ipam.ok()) return absl::OkStatus();
    if (IsPluginMissing(undone.ipam)) {
      // It took its books with it. A function that is wanted does not wait for it for ever.
      spdlog::error("function {}: the addresses of {} are never given back: {}", row.function.ToString(),
                    DescribeHolder(row), undone.ipam.ToString());
      XPU_RETURN_IF_ERROR(parts_.allocator.Undone(row.function, row.claim, {.ipam = true}));
      SetStuck(row.function, "");
      return absl::OkStatus();
    }
  }
  return CniErrorStatus(CniCode::kTryAgainLater,
                        absl::StrCat("function ", row.function.ToString(), " is still being taken back from ",
                                     DescribeHolder(row)),
                        StuckReason(row.function));
}

absl::Status Attacher::GiveBackAddresses(const ClaimRow& row) {
  if (!row.ipam_pending) return absl::OkStatus();
  if (parts_.ipam == nullptr) return absl::UnimplementedError("this agent runs no IPAM plugins");
  const absl::Status status = parts_.ipam->Del(*row.ipam, *row.attachment);
  if (!status.ok()) {
    spdlog::warn("the addresses of {} could not be given back, trying again later: {}", DescribeHolder(row),
                 status.ToString());
  }
  return status;
}

Attacher::Undone Attacher::Undo(const ClaimRow& claimed) {
  Undone undone;
  absl::StatusOr<ClaimRow> row = parts_.allocator.Undo(claimed.function, claimed.claim);
  if (!row.ok()) {
    undone.journal = row.status();
    return undone;
  }
  CardSession* const session = SessionOf(*row);
  // One that speaks through the interface says its farewell while that is there.
  const bool ipam_first = row->ipam_pending && NeedsInterface(*row->ipam);
  if (ipam_first) undone.ipam = GiveBackAddresses(*row);
  absl::BlockingCounter others(2);
  const auto beside = [&](bool needed, std::function<void()> work) {
    if (!needed) {
      others.DecrementCount();
      return;
    }
    card_workers_.Run([&others, work = std::move(work)] {
      work();
      others.DecrementCount();
    });
  };
  // A card that is configured no more has nobody who could be told.
  beside(row->dpu_pending && session != nullptr, [&] { undone.card = session->Release(*row); });
  beside(row->ipam_pending && !ipam_first, [&] { undone.ipam = GiveBackAddresses(*row); });
  undone.host_restored = true;
  if (row->host_pending) {
    const absl::StatusOr<bool> restored = parts_.host.Restore(*row);
    undone.host = restored.status();
    undone.host_restored = restored.ok() && *restored;
  }
  others.Wait();

  std::string stuck;
  if (!undone.host.ok()) {
    stuck =
        absl::StrCat("it could not be taken back from ", DescribeHolder(*row), ": ", undone.host.message());
  } else if (!undone.host_restored) {
    stuck = absl::StrCat("its interface is still somewhere with ", DescribeHolder(*row));
  } else if (!undone.card.ok()) {
    stuck = absl::StrCat("its port could not be taken back at the card: ", undone.card.message());
  } else if (!undone.ipam.ok()) {
    stuck = absl::StrCat("its addresses could not be given back: ", undone.ipam.message());
  }
  if (!stuck.empty()) spdlog::warn("function {} is not free yet: {}", row->function.ToString(), stuck);
  undone.journal = parts_.allocator.Undone(
      row->function, row->claim,
      {.host = undone.host_restored, .dpu = undone.card.ok(), .ipam = undone.ipam.ok()});
  // After the row: who hears that nothing is in the way any more must find the function free.
  SetStuck(row->function, stuck);
  // What only the journal, the card, a plugin or the physical function stands in the way of is tried again;
  // for the interface there is an event.
  const bool again = !undone.card.ok() || !undone.ipam.ok() || !undone.host.ok() || !undone.journal.ok();
  if (session != nullptr && again) session->TryAgainLater();
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
  // Nobody here knows what the card should hold of it.
  if (IsOfUnknownContainer(*row)) return;
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
    const absl::StatusOr<bool> with_pod = parts_.host.IsWithPod(*row);
    // A namespace that cannot be looked into is left alone: its pod may be well.
    if (!with_pod.ok()) {
      spdlog::warn("cannot tell whether {} still has function {}: {}", DescribeHolder(*row),
                   function.ToString(), with_pod.status().ToString());
      return;
    }
    if (*with_pod) return;
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

Tagger Attacher::TaggerOf(const FunctionId& function) const {
  const absl::StatusOr<HostFunction> found = parts_.inventory.Find(function);
  return found.ok() && !found->has_agent ? Tagger::kPhysicalFunction : Tagger::kCard;
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
