#include "host-agent/inventory/inventory.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "host-agent/inventory/function_alias.h"
#include "spdlog/spdlog.h"

namespace xpu {

Inventory::Inventory(std::vector<CardConfig> cards, PciBus& bus,
                     std::function<ClaimHealth(const FunctionId&)> claim_health)
    : cards_(std::move(cards)), bus_(bus), claim_health_(std::move(claim_health)) {}

absl::Status Inventory::Refresh() {
  XPU_ASSIGN_OR_RETURN(const std::vector<PciFunction> read, bus_.List());
  std::vector<FunctionId> with_interface;
  {
    absl::MutexLock lock(&mu_);
    std::set<PciAddress> present;
    for (const PciFunction& function : read) {
      present.insert(function.address);
      for (const CardConfig& card : cards_) {
        if (function.address == card.pf) {
          for (const std::string& name : function.netdevs) interfaces_.insert_or_assign(name, card.pf);
        } else if (function.physical_function == card.pf) {
          Note(function, card);
          if (!function.netdevs.empty()) with_interface.push_back(function.address);
        }
      }
    }
    for (auto& [address, known] : functions_) {
      known.present = present.contains(address.pci);
      known.pf_present = present.contains(known.function.pf);
      UpdateHealth(known);
    }
  }
  TellIfChanged();
  if (interface_seen_) {
    for (const FunctionId& function : with_interface) interface_seen_(function);
  }
  return absl::OkStatus();
}

absl::Status Inventory::Follow(EventLoop& loop, Netlink& netlink,
                               std::function<void(const FunctionId&)> interface_seen) {
  loop_ = &loop;
  interface_seen_ = std::move(interface_seen);
  XPU_ASSIGN_OR_RETURN(
      monitor_, netlink.MonitorLinks(loop, [this](const Link& link, bool gone) { LinkChanged(link, gone); }));
  return absl::OkStatus();
}

void Inventory::ClaimChanged(const FunctionId& function) { RefreshFunction(function); }

void Inventory::LinkChanged(const Link& link, bool gone) {
  const auto it = links_.find(link.ifindex);
  if (gone) {
    if (it == links_.end()) return;
    const std::optional<FunctionId> function = it->second.function;
    links_.erase(it);
    if (function) RefreshFunction(*function);
    return;
  }
  // Most news is of flags and addresses, which matter to nobody here.
  if (it != links_.end() && it->second.name == link.name) return;
  const std::optional<FunctionId> function = Identify(link);
  links_[link.ifindex] = SeenLink{link.name, function};
  if (!function) return;
  RefreshFunction(*function);
  if (interface_seen_) interface_seen_(*function);
}

std::optional<FunctionId> Inventory::Identify(const Link& link) {
  const std::optional<FunctionId> function = FunctionOf(link);
  absl::MutexLock lock(&mu_);
  if (!function) {
    const auto it = interfaces_.find(link.name);
    if (it != interfaces_.end()) return it->second;
    if (!hardware_) PostRefresh();
    return std::nullopt;
  }
  const bool known = functions_.contains(*function);
  for (const CardConfig& card : cards_) {
    if (!link.parent_device.empty() && (known || FunctionId(card.pf) == *function)) hardware_ = true;
  }
  if (!known) PostRefresh();
  return function;
}

void Inventory::PostRefresh() {
  if (refresh_posted_) return;
  refresh_posted_ = true;
  loop_->Post([this] {
    refresh_posted_ = false;
    if (const absl::Status status = Refresh(); !status.ok()) {
      spdlog::warn("functions could not be read again, what was known stays: {}", status.ToString());
    }
  });
}

void Inventory::RefreshFunction(const FunctionId& function) {
  {
    absl::MutexLock lock(&mu_);
    const auto it = functions_.find(function);
    if (it == functions_.end()) return;
    if (!claim_health_(function).claimed) {
      const absl::StatusOr<PciFunction> read = bus_.Get(function.pci);
      it->second.present = read.ok();
      it->second.has_interface = read.ok() && !read->netdevs.empty();
      if (it->second.has_interface) interfaces_.insert_or_assign(read->netdevs.front(), function);
    }
    UpdateHealth(it->second);
  }
  TellIfChanged();
}

void Inventory::Note(const PciFunction& read, const CardConfig& card) {
  Known& known = functions_[read.address];
  known.function.id = read.address;
  known.function.pf = card.pf;
  known.function.card = card.name;
  known.function.port = absl::StrCat("host", card.pf.function, "-", read.vf_index);
  known.function.index = read.vf_index;
  known.function.numa_node = read.numa_node;
  known.has_interface = !read.netdevs.empty();
  for (const std::string& name : read.netdevs) interfaces_.insert_or_assign(name, read.address);
}

void Inventory::UpdateHealth(Known& known) {
  const ClaimHealth claim = claim_health_(known.function.id);
  std::string& reason = known.function.reason;
  if (!known.pf_present) {
    reason = absl::StrCat("its physical function ", known.function.pf.ToString(), " is gone");
  } else if (!known.present) {
    reason = "it is gone from the PCI bus; set sriov_numvfs of its physical function to have it again";
  } else if (!claim.stuck.empty()) {
    reason = claim.stuck;
  } else if (!claim.claimed && !known.has_interface) {
    reason =
        "it has no network interface here and no pod has it; bind its network driver, or give the interface "
        "back to the host's namespace";
  } else {
    reason.clear();
  }
  known.function.healthy = reason.empty();
}

std::vector<HostFunction> Inventory::List() const {
  absl::MutexLock lock(&mu_);
  std::vector<HostFunction> list;
  for (const auto& [address, known] : functions_) list.push_back(known.function);
  return list;
}

absl::StatusOr<HostFunction> Inventory::Find(const FunctionId& function) const {
  absl::MutexLock lock(&mu_);
  if (const auto it = functions_.find(function); it != functions_.end()) return it->second.function;
  const std::string pfs = absl::StrJoin(cards_, ", ", [](std::string* out, const CardConfig& card) {
    absl::StrAppend(out, card.name, " (", card.pf.ToString(), ")");
  });
  return absl::NotFoundError(absl::StrCat(
      "function ", function.ToString(),
      " is no virtual function of this host's cards: ", pfs.empty() ? "none is configured" : pfs));
}

std::unique_ptr<Inventory::Subscription> Inventory::Subscribe(Listener listener) {
  absl::MutexLock lock(&listeners_mu_);
  const uint64_t id = next_listener_++;
  listener(List());
  listeners_.emplace(id, std::move(listener));
  return std::unique_ptr<Subscription>(new Subscription(*this, id));
}

Inventory::Subscription::~Subscription() {
  absl::MutexLock lock(&inventory_.listeners_mu_);
  inventory_.listeners_.erase(id_);
}

void Inventory::TellIfChanged() {
  absl::MutexLock lock(&listeners_mu_);
  std::vector<HostFunction> list = List();
  if (list == told_) return;
  told_ = std::move(list);
  for (const auto& [id, listener] : listeners_) listener(told_);
}

}  // namespace xpu
