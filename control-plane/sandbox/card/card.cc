#include "control-plane/sandbox/card/card.h"

#include <cerrno>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/sys/checksum_offload.h"
#include "common/sys/netlink_real.h"
#include "spdlog/spdlog.h"

namespace xpu {

absl::StatusOr<std::unique_ptr<Card>> Card::Start(const Options& options, EventLoop& loop) {
  if (options.index < 0 || options.index >= kMaxCards || options.total_vfs < 0 ||
      options.total_vfs > kMaxVfs) {
    return absl::InvalidArgumentError(absl::StrCat("card ", options.index, " with ", options.total_vfs,
                                                   " virtual functions: there can be cards 0 to ",
                                                   kMaxCards - 1, " with 0 to ", kMaxVfs));
  }
  NetlinkFactoryReal factory;
  XPU_ASSIGN_OR_RETURN(LinkTable host_links, LinkTable::Open(options.host));
  XPU_ASSIGN_OR_RETURN(LinkTable dpu_links, LinkTable::Open(options.dpu));
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<Netlink> host, factory.Open(options.host));
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<Netlink> dpu, factory.Open(options.dpu));
  std::unique_ptr<Card> card(
      new Card(options, std::move(host_links), std::move(dpu_links), std::move(host), std::move(dpu)));
  int last_vf = -1;
  for (int i = 0; i < options.total_vfs; ++i) {
    if (card->dpu_links_.ByName(MakeCardPort(options.index, i).representor) != nullptr) last_vf = i;
  }
  for (int i = -1; i <= last_vf; ++i) XPU_RETURN_IF_ERROR(card->AddPort(i));
  Card* self = card.get();
  card->news_ = loop.OnReadable(card->dpu_links_.fd(), [self] {
    const absl::Status status = self->Refresh().status();
    if (!status.ok()) spdlog::error("card {}: {}", self->options_.index, status.ToString());
  });
  return card;
}

Card::Card(const Options& options, LinkTable host_links, LinkTable dpu_links, std::unique_ptr<Netlink> host,
           std::unique_ptr<Netlink> dpu)
    : options_(options),
      host_links_(std::move(host_links)),
      dpu_links_(std::move(dpu_links)),
      host_(std::move(host)),
      dpu_(std::move(dpu)) {}

absl::Status Card::AddPort(int vf_index) {
  Port port;
  port.model = MakeCardPort(options_.index, vf_index);
  if (const Link* there = dpu_links_.ByName(port.model.representor); there != nullptr) {
    port.representor_ifindex = there->ifindex;
  } else {
    XPU_RETURN_IF_ERROR(MakePair(port));
  }
  ports_.push_back(std::move(port));
  return absl::OkStatus();
}

absl::Status Card::MakePair(Port& port) {
  const CardPort& model = port.model;
  XPU_RETURN_IF_ERROR(
      host_->CreateVeth(model.name, model.mac, model.representor, model.representor_mac, options_.dpu));
  XPU_ASSIGN_OR_RETURN(const Link representor, dpu_->GetLink(model.representor));
  port.representor_ifindex = representor.ifindex;
  // Hardware fills checksums in; a veth would hand them on empty.
  XPU_RETURN_IF_ERROR(DisableTransmitChecksumOffload(options_.host, model.name));
  if (model.vf_index >= 0) return absl::OkStatus();
  // The cable of a physical function is plugged in.
  LinkChange up;
  up.up = true;
  XPU_RETURN_IF_ERROR(dpu_->ChangeLink(representor.ifindex, up));
  XPU_ASSIGN_OR_RETURN(const Link netdev, host_->GetLink(model.name));
  return host_->ChangeLink(netdev.ifindex, up);
}

absl::Status Card::RemoveLastVf() {
  const absl::Status status = dpu_->DeleteLink(ports_.back().representor_ifindex);
  // Not there: its pod's namespace has just died.
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  ports_.pop_back();
  return absl::OkStatus();
}

int Card::WriteNumVfs(absl::string_view text) {
  // sriov_numvfs_store() in the kernel's drivers/pci/iov.c.
  int wanted = 0;
  text = absl::StripAsciiWhitespace(text);
  if (!absl::SimpleAtoi(text, &wanted) || wanted < 0 || wanted > 0xffff) return EINVAL;
  if (wanted > options_.total_vfs) return ERANGE;
  if (wanted == num_vfs()) return 0;
  if (wanted != 0 && num_vfs() != 0) return EBUSY;
  absl::Status status;
  while (status.ok() && num_vfs() < wanted) status = AddPort(num_vfs());
  // All or none: functions are taken away when asked, and when not all could be made.
  while (num_vfs() > 0 && (wanted == 0 || !status.ok())) {
    const absl::Status removed = RemoveLastVf();
    status.Update(removed);
    if (!removed.ok()) break;
  }
  if (!status.ok())
    spdlog::error("card {}: {} virtual functions: {}", options_.index, wanted, status.ToString());
  return status.ok() ? 0 : EIO;
}

absl::StatusOr<uint64_t> Card::Refresh() {
  XPU_RETURN_IF_ERROR(ReadNews());
  XPU_RETURN_IF_ERROR(Heal());
  return generation_;
}

absl::Status Card::ReadNews() {
  XPU_ASSIGN_OR_RETURN(const bool host_changed, host_links_.Refresh());
  XPU_ASSIGN_OR_RETURN(const bool dpu_changed, dpu_links_.Refresh());
  if (host_changed || dpu_changed) ++generation_;
  return absl::OkStatus();
}

absl::StatusOr<CardView> Card::View() {
  XPU_ASSIGN_OR_RETURN(const int nsid, host_links_.NsidOf(*options_.dpu));
  std::map<int, const Link*> by_representor;
  for (const auto& [ifindex, link] : host_links_.links()) {
    if (link.kind == "veth" && link.lower_nsid == nsid) by_representor[link.lower_ifindex] = &link;
  }
  CardView view;
  view.index = options_.index;
  view.total_vfs = options_.total_vfs;
  for (const Port& port : ports_) {
    CardView::Port shown;
    shown.port = port.model;
    const auto netdev = by_representor.find(port.representor_ifindex);
    if (netdev != by_representor.end()) shown.netdev = *netdev->second;
    const auto representor = dpu_links_.links().find(port.representor_ifindex);
    if (representor != dpu_links_.links().end()) shown.representor = representor->second;
    view.ports.push_back(std::move(shown));
  }
  return view;
}

bool Card::FindAgain(Port& port) {
  // In the other namespace it may have got another ifindex, and kept that one.
  const Link* link = dpu_links_.VethByMac(port.model.representor_mac);
  if (link == nullptr) return false;
  port.representor_ifindex = link->ifindex;
  spdlog::info("{}: its representor is back as {}", port.model.pci.ToString(), link->name);
  return true;
}

absl::Status Card::Heal() {
  bool healed = false;
  for (Port& port : ports_) {
    if (dpu_links_.links().contains(port.representor_ifindex)) continue;
    // The table may be behind: a pair that was made a moment ago is news that has not been read yet.
    if (port.representor_ifindex != 0 && dpu_->GetLinkByIndex(port.representor_ifindex).ok()) continue;
    if (dpu_links_.HasMovedAway(port.representor_ifindex)) {
      if (!FindAgain(port)) continue;
      XPU_RETURN_IF_ERROR(host_links_.ReadAll());
      healed = true;
      continue;
    }
    const bool first_try = port.representor_ifindex != 0;
    port.representor_ifindex = 0;
    const absl::Status made = MakePair(port);
    if (made.ok()) {
      healed = true;
      spdlog::info("{}: the namespace it was in is gone; it is back as {}", port.model.pci.ToString(),
                   port.model.name);
    } else if (first_try) {
      // The rest of the card stays in use; this one is tried again at every look.
      spdlog::error("{} cannot come back: {}", port.model.pci.ToString(), made.ToString());
    }
  }
  if (!healed) return absl::OkStatus();
  ++generation_;
  return ReadNews();
}

}  // namespace xpu
