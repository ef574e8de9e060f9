#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/sys/netlink.h"
#include "common/sys/pci_bus.h"
#include "common/sys/vf_settings.h"
#include "host-agent/alloc/journal.h"

namespace xpu {

// Where a physical function keeps what is set for one of its virtual functions.
struct VfAtPf {
  int pf_ifindex = 0;
  int vf = 0;
};

// What is to be set for an attachment, and what was there before.
struct PfChange {
  // None: there is nobody to set it, so nothing is in `wanted`.
  std::optional<VfAtPf> at;
  // Only what is different.
  VfSettings wanted;
  // The same fields as they were: ClaimRow::settings_before.
  VfSettings before;
};

// What physical functions keep for their virtual functions (IFLA_VF_*). A subfunction, an emulated function
// and one whose physical function is another host's have nobody who keeps anything; nor does the physical
// function of a card whose switch is the card's own (EOPNOTSUPP): there the MAC is the card's business, and
// all else cannot be had. Keeps nothing; safe from any thread, for different functions at a time. Errors
// are CNI errors (host-agent/cni/cni_error.h) where the asker can do something about it.
class PfSide {
 public:
  // Not owned.
  PfSide(PciBus& bus, NetlinkFactory& netlinks) : bus_(bus), netlinks_(netlinks) {}

  // What has to be set for `wanted` to be so; changes nothing. An unsupported field, named, if that cannot
  // be.
  absl::StatusOr<PfChange> Plan(const FunctionId& function, const VfSettings& wanted);
  // All but the MAC, to be called before the function is moved.
  absl::Status SetAllButMac(const PfChange& change);
  // The MAC. To be called after the function's own interface has been given it: once the physical function
  // has set one, some refuse what the other side asks.
  absl::Status SetMac(const PfChange& change);
  // What is kept at the moment; nothing is set if nobody keeps anything.
  absl::StatusOr<VfSettings> Read(const FunctionId& function);
  // Whether it is kept as an attachment wants it. A MAC that was refused is as the card has it.
  absl::StatusOr<bool> IsSet(const ClaimRow& row, const VfSettings& wanted);
  // Back to row.settings_before, as often as it is called. OK if physical or virtual function is gone, and
  // the settings with it; this is believed when it is seen twice, as an interface may be renamed while it is
  // looked for.
  absl::Status PutBack(const ClaimRow& row);

 private:
  // What is kept, and where; nothing and nowhere if nobody keeps anything.
  absl::StatusOr<VfSettings> Look(const FunctionId& function, std::optional<VfAtPf>* at);
  // NotFound if there is no physical function with an interface here.
  absl::StatusOr<VfAtPf> Find(const FunctionId& function);
  // NotFound if there is nothing to be put back.
  absl::Status TryToPutBack(const ClaimRow& row);
  absl::Status Set(const VfAtPf& at, const VfSettings& settings);

  PciBus& bus_;
  NetlinkFactory& netlinks_;
};

}  // namespace xpu
