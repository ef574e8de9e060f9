#include "host-agent/inventory/inventory.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "host-agent/inventory/function_alias.h"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

// Drivers that leave a function to user space.
bool IsVfio(const HostFunction& function) {
  return function.driver == "vfio-pci" || !function.vfio_node.empty();
}

}  // namespace

Inventory::Inventory(std::vector<CardConfig> cards, PciBus& bus,
                     std::function<ClaimHealth(const FunctionId&)> claim_health, std::function<int()> claims)
    : bus_(bus), claim_health_(std::move(claim_health)), claims_(std::move(claims)) {
  absl::MutexLock lock(&mu_);
  for (CardConfig& card : cards) {
    Pf pf;
    pf.config = std::move(card);
    pfs_.emplace(pf.config.pf, std::move(pf));
  }
}

absl::Status Inventory::Refresh() {
  XPU_ASSIGN_OR_RETURN(const BusReading reading, ReadBus(bus_, PfAddresses()));
  Take(reading);
  return absl::OkStatus();
}

BusReader::Reading Inventory::ReadNow() { return reader_->ReadAllAndWait(); }

std::set<PciAddress> Inventory::PfAddresses() const {
  absl::MutexLock lock(&mu_);
  std::set<PciAddress> addresses;
  for (const auto& [address, pf] : pfs_) addresses.insert(address);
  return addresses;
}

void Inventory::Take(const BusReading& reading) {
  std::vector<FunctionId> with_interface;
  std::vector<PciAddress> changed;
  {
    absl::MutexLock lock(&mu_);
    if (reading.whole) {
      TakePfs(reading);
      auxiliary_.clear();
    }
    for (auto& [id, known] : functions_) {
      if (reading.whole || reading.of.contains(id)) known.present = known.has_interface = false;
      if (known.asked && *known.asked <= reading.request) known.asked.reset();
    }
    for (const PciFunction& function : reading.functions) {
      if (!function.physical_function) continue;
      const auto pf = pfs_.find(*function.physical_function);
      if (pf == pfs_.end()) continue;
      Note(function, pf->second);
      if (!function.netdevs.empty()) with_interface.push_back(function.address);
    }
    for (const auto& [address, list] : reading.subfunctions) {
      const auto pf = pfs_.find(address);
      if (pf == pfs_.end()) continue;
      for (const Subfunction& subfunction : list) {
        Note(subfunction, pf->second);
        if (!subfunction.netdevs.empty()) with_interface.emplace_back(address, subfunction.number);
      }
    }
    // Interfaces that were seen before it was known whose they are.
    for (auto& [index, seen] : links_) {
      if (!seen.function) seen.function = Identify(seen.link);
    }
    // What the kernel has told of meanwhile is newer.
    for (const auto& [index, seen] : links_) {
      if (!seen.function) continue;
      if (const auto it = functions_.find(*seen.function); it != functions_.end()) {
        it->second.has_interface = true;
      }
    }
    if (reading.whole) Prune();
    for (auto& [id, known] : functions_) {
      if (reading.whole || reading.of.contains(id)) UpdateHealth(known);
    }
    for (const auto& [address, pf] : pfs_) {
      if (TraitsChanged(address) || (reading.whole && replugged_.contains(address))) {
        changed.push_back(address);
      }
    }
    if (reading.whole) replugged_.clear();
  }
  if (reading.whole) {
    for (const PciAddress& address : PfAddresses()) RefreshCarrier(address);
  }
  TellIfChanged();
  if (observers_.interface_seen) {
    for (const FunctionId& function : with_interface) observers_.interface_seen(function);
  }
  if (observers_.pf_changed) {
    for (const PciAddress& pf : changed) observers_.pf_changed(pf);
  }
}

void Inventory::TakePfs(const BusReading& reading) {
  for (auto& [address, pf] : pfs_) pf.present = false;
  for (const PciFunction& function : reading.functions) {
    const auto it = pfs_.find(function.address);
    if (it == pfs_.end()) continue;
    Pf& pf = it->second;
    pf.present = true;
    pf.vendor = function.vendor;
    pf.device = function.device;
    pf.numa_node = function.numa_node;
    pf.name = function.netdevs.empty() ? "" : function.netdevs.front();
    pf.link_type = function.link_type;
    for (const std::string& name : function.netdevs) interfaces_.insert_or_assign(name, function.address);
  }
}

absl::Status Inventory::Follow(EventLoop& loop, Netlink& netlink, Observers observers) {
  observers_ = std::move(observers);
  reader_ = std::make_unique<BusReader>(
      bus_, PfAddresses(),
      [this, &loop, alive = std::weak_ptr<bool>(alive_)](const BusReader::Reading& reading) {
        loop.Post([this, alive, reading] {
          if (alive.expired()) return;
          if (reading.ok()) {
            Take(**reading);
          } else {
            spdlog::warn("functions could not be read again, what was known stays: {}",
                         reading.status().ToString());
          }
        });
      });
  XPU_ASSIGN_OR_RETURN(links_monitor_, netlink.MonitorLinks(loop, [this](const Link& link, bool gone) {
    LinkChanged(link, gone);
  }));
  XPU_ASSIGN_OR_RETURN(functions_monitor_,
                       bus_.MonitorFunctions(loop, [this](const PciAddress& address, bool) {
                         // One that went and came back between two looks is as it was, but not set up.
                         if (IsPf(address)) replugged_.insert(address);
                         ReadAgain();
                       }));
  return absl::OkStatus();
}

void Inventory::ClaimChanged(const FunctionId& function) { UpdateFunction(function); }

void Inventory::CardPortsChanged(const std::string& card, const absl::StatusOr<CardPorts>& ports) {
  {
    absl::MutexLock lock(&mu_);
    if (absl::IsUnimplemented(ports.status())) {
      ports_.erase(card);
    } else {
      ports_.insert_or_assign(card, ports);
    }
    for (auto& [id, known] : functions_) {
      if (known.function.card == card) UpdateHealth(known);
    }
  }
  TellIfChanged();
}

void Inventory::PfSetUp(const PciAddress& pf, const std::string& reason,
                        std::map<FunctionId, std::string> refusals) {
  {
    absl::MutexLock lock(&mu_);
    const auto it = pfs_.find(pf);
    if (it == pfs_.end()) return;
    it->second.reason = reason;
    it->second.refusals = std::move(refusals);
    UpdateHealthOf(pf);
  }
  TellIfChanged();
  ReadAgain();
}

void Inventory::LinkChanged(const Link& link, bool gone) {
  const auto it = links_.find(link.ifindex);
  if (gone) {
    if (it == links_.end()) return;
    const std::optional<FunctionId> function = it->second.function;
    links_.erase(it);
    if (!function) return;
    UpdateFunction(*function);
    if (!function->sf) RefreshCarrier(function->pci);
    return;
  }
  if (it != links_.end() && it->second.link.name == link.name) {
    // Most news is of flags and addresses, of which carrier alone matters here, and that of physical
    // functions.
    const bool same = it->second.link.up == link.up && it->second.link.carrier == link.carrier;
    it->second.link = link;
    if (!same && it->second.function && !it->second.function->sf) RefreshCarrier(it->second.function->pci);
    return;
  }
  const std::optional<FunctionId> function = IdentifyNew(link);
  links_[link.ifindex] = SeenLink{link, function};
  if (!function) return;
  UpdateFunction(*function);
  if (!function->sf) RefreshCarrier(function->pci);
  // Its name is what others are told.
  if (IsPf(*function)) ReadAgain();
  if (observers_.interface_seen) observers_.interface_seen(*function);
}

std::optional<FunctionId> Inventory::Identify(const Link& link) {
  if (const auto it = auxiliary_.find(link.parent_device); it != auxiliary_.end()) return it->second;
  if (const std::optional<FunctionId> function = FunctionOf(link)) return function;
  if (!link.parent_device.empty() || !MayBeOurs(link)) return std::nullopt;
  const auto it = interfaces_.find(link.name);
  return it == interfaces_.end() ? std::nullopt : std::optional<FunctionId>(it->second);
}

std::optional<FunctionId> Inventory::IdentifyNew(const Link& link) {
  absl::MutexLock lock(&mu_);
  const std::optional<FunctionId> function = Identify(link);
  const bool known =
      function && (functions_.contains(*function) || (!function->sf && pfs_.contains(function->pci)));
  if (known) {
    looks_.insert(LookOf(link));
  } else if (MayBeOurs(link)) {
    // Another device's interface, or one that the bus has not told yet.
    ReadAgain();
  }
  return function;
}

Inventory::Look Inventory::LookOf(const Link& link) { return {link.kind, link.parent_device.empty()}; }

bool Inventory::MayBeOurs(const Link& link) const { return looks_.empty() || looks_.contains(LookOf(link)); }

bool Inventory::HasLink(const FunctionId& function) const {
  return std::any_of(links_.begin(), links_.end(),
                     [&function](const auto& entry) { return entry.second.function == function; });
}

bool Inventory::IsPf(const FunctionId& function) const {
  absl::MutexLock lock(&mu_);
  return !function.sf && pfs_.contains(function.pci);
}

void Inventory::ReadAgain() {
  if (reader_ != nullptr) reader_->ReadAll();
}

void Inventory::UpdateFunction(const FunctionId& function) {
  bool changed = false;
  PciAddress pf;
  {
    absl::MutexLock lock(&mu_);
    const auto it = functions_.find(function);
    if (it != functions_.end()) {
      Known& known = it->second;
      const bool claimed = claim_health_(function).claimed;
      if (reader_ != nullptr) known.has_interface = HasLink(function);
      known.asked.reset();
      if (reader_ != nullptr && !claimed && (!known.present || !known.has_interface)) {
        known.asked = reader_->Read(function);
      } else {
        pf = known.function.pf;
        UpdateHealth(known);
        changed = TraitsChanged(pf);
      }
    }
  }
  TellIfChanged();
  if (changed && observers_.pf_changed) observers_.pf_changed(pf);
}

void Inventory::RefreshCarrier(const PciAddress& address) {
  // A card's switch may have further interfaces on the physical function: it is cut off only if none of those
  // that are up has carrier.
  std::string without;
  bool with = false;
  for (const auto& [index, seen] : links_) {
    if (seen.function != FunctionId(address) || !seen.link.up) continue;
    if (seen.link.carrier) with = true;
    if (!seen.link.carrier && without.empty()) without = seen.link.name;
  }
  if (with) without.clear();
  {
    absl::MutexLock lock(&mu_);
    const auto pf = pfs_.find(address);
    if (pf == pfs_.end() || pf->second.no_carrier == without) return;
    pf->second.no_carrier = without;
    UpdateHealthOf(address);
  }
  TellIfChanged();
}

Inventory::Known& Inventory::NoteCommon(const FunctionId& id, const Pf& pf,
                                        const std::vector<std::string>& netdevs,
                                        const std::vector<std::string>& rdma_devices,
                                        const std::vector<std::string>& rdma_nodes) {
  Known& known = functions_[id];
  HostFunction& function = known.function;
  function.id = id;
  function.pf = pf.config.pf;
  function.card = pf.config.name;
  function.has_agent = !pf.config.endpoint.empty();
  function.pf_name = pf.name;
  known.present = true;
  known.has_interface = !netdevs.empty();
  // What is in a pod's namespace is not seen here, but is what it was.
  if (!rdma_devices.empty() || !claim_health_(id).claimed) {
    function.rdma_devices = rdma_devices;
    function.rdma_nodes = rdma_nodes;
  }
  for (const std::string& name : netdevs) interfaces_.insert_or_assign(name, id);
  return known;
}

void Inventory::Note(const PciFunction& read, const Pf& pf) {
  HostFunction& function =
      NoteCommon(read.address, pf, read.netdevs, read.rdma_devices, read.rdma_nodes).function;
  function.kind = HostFunction::Kind::kVf;
  function.port = absl::StrCat("host", pf.config.pf.function, "-", read.vf_index);
  function.index = read.vf_index;
  function.numa_node = read.numa_node;
  function.vendor = read.vendor;
  function.device = read.device;
  function.driver = read.driver;
  function.vfio_node = read.vfio_node;
  if (!read.link_type.empty()) {
    function.link_type = read.link_type;
  } else if (!pf.link_type.empty()) {
    function.link_type = pf.link_type;
  }
}

void Inventory::Note(const Subfunction& read, const Pf& pf) {
  const FunctionId id(pf.config.pf, read.number);
  HostFunction& function = NoteCommon(id, pf, read.netdevs, read.rdma_devices, read.rdma_nodes).function;
  function.kind = HostFunction::Kind::kSf;
  function.port = absl::StrCat("host", pf.config.pf.function, "-sf", read.number);
  function.index = static_cast<int>(read.number);
  function.numa_node = pf.numa_node;
  function.vendor = pf.vendor;
  function.device = pf.device;
  function.driver = read.driver;
  function.auxiliary_device = read.auxiliary_device;
  if (!pf.link_type.empty()) function.link_type = pf.link_type;
  auxiliary_.insert_or_assign(read.auxiliary_device, id);
}

void Inventory::Prune() {
  std::erase_if(functions_, [this](const auto& entry) {
    const auto& [id, known] = entry;
    if (known.present || claim_health_(id).claimed) return false;
    const PfSetup& setup = pfs_.at(known.function.pf).config.setup;
    if (!id.sf) return setup.vfs && known.function.index >= *setup.vfs;
    const auto is_it = [&id = id](const SubfunctionSetup& sf) { return sf.number == *id.sf; };
    return setup.sfs && std::none_of(setup.sfs->begin(), setup.sfs->end(), is_it);
  });
}

bool Inventory::TraitsChanged(const PciAddress& address) {
  std::vector<Trait> traits;
  if (pfs_.at(address).present) traits.emplace_back(address, "", false);
  for (const auto& [id, known] : functions_) {
    if (known.function.pf == address && known.present) {
      // One with a claim is not touched wherever its interface is: pods that come and go are no change.
      traits.emplace_back(id, known.function.driver, known.has_interface || known.claimed);
    }
  }
  std::vector<Trait>& before = traits_[address];
  if (before == traits) return false;
  before = std::move(traits);
  return true;
}

std::string Inventory::FaultOf(const Known& known, const Pf& pf, const ClaimHealth& claim) const {
  const HostFunction& function = known.function;
  if (!pf.present) return absl::StrCat("its physical function ", function.pf.ToString(), " is gone");
  if (!known.present) {
    if (function.id.sf) return "the subfunction is gone; add and activate it to have it again";
    return "it is gone from the PCI bus; set sriov_numvfs of its physical function to have it again";
  }
  if (!claim.stuck.empty()) return claim.stuck;
  if (!pf.no_carrier.empty()) {
    return absl::StrCat("interface ", pf.no_carrier, " of its physical function ", function.pf.ToString(),
                        " has no carrier; look at the cable and the port at its other end");
  }
  const auto refusal = pf.refusals.find(function.id);
  if (!function.id.sf) {
    const auto wanted = pf.config.setup.drivers.find(function.index);
    if (wanted != pf.config.setup.drivers.end() && wanted->second != function.driver) {
      if (refusal != pf.refusals.end()) return refusal->second;
      return absl::StrCat("it is to have driver ", wanted->second, " and has ",
                          function.driver.empty() ? "none" : function.driver);
    }
  }
  if (!claim.claimed && !known.has_interface && !IsVfio(function)) {
    return "it has no network interface here and no pod has it; bind its network driver, or give the "
           "interface "
           "back to the host's namespace";
  }
  const auto ports = ports_.find(function.card);
  if (ports == ports_.end() || !ports->second.ok() || ports->second->healthy.contains(function.port))
    return "";
  const auto unhealthy = ports->second->unhealthy.find(function.port);
  if (unhealthy != ports->second->unhealthy.end()) {
    return absl::StrCat("card ", function.card, " says of its representor: ", unhealthy->second);
  }
  return absl::StrCat("card ", function.card, " has no representor of it (port ", function.port, ")");
}

void Inventory::UpdateHealth(Known& known) {
  if (known.asked) return;
  HostFunction& function = known.function;
  const Pf& pf = pfs_.at(function.pf);
  const ClaimHealth claim = claim_health_(function.id);
  known.claimed = claim.claimed;
  function.reason = FaultOf(known, pf, claim);
  known.unfit = !function.reason.empty();
  const auto ports = ports_.find(function.card);
  if (!known.unfit && ports != ports_.end() && !ports->second.ok()) {
    function.reason =
        absl::StrCat("nothing is heard of card ", function.card, ": ", ports->second.status().message());
  }
  function.healthy = function.reason.empty();
  if (!function.healthy) return;
  if (const auto refusal = pf.refusals.find(function.id); refusal != pf.refusals.end()) {
    function.reason = refusal->second;
  } else if (!pf.reason.empty()) {
    function.reason =
        absl::StrCat("its physical function ", function.pf.ToString(), " is not as configured: ", pf.reason);
  }
}

void Inventory::UpdateHealthOf(const PciAddress& pf) {
  for (auto& [id, known] : functions_) {
    if (known.function.pf == pf) UpdateHealth(known);
  }
}

std::vector<HostFunction> Inventory::List() const {
  absl::MutexLock lock(&mu_);
  std::vector<HostFunction> list;
  for (const auto& [id, known] : functions_) list.push_back(known.function);
  return list;
}

absl::StatusOr<HostFunction> Inventory::Find(const FunctionId& function) const {
  absl::MutexLock lock(&mu_);
  if (const auto it = functions_.find(function); it != functions_.end()) return it->second.function;
  const std::string pfs = absl::StrJoin(pfs_, ", ", [](std::string* out, const auto& pf) {
    absl::StrAppend(out, pf.second.config.name, " (", pf.first.ToString(), ")");
  });
  return absl::NotFoundError(
      absl::StrCat("function ", function.ToString(), " is no virtual function or ",
                   "subfunction of this host's cards: ", pfs.empty() ? "none is configured" : pfs));
}

absl::Status Inventory::CheckGivable(const FunctionId& function) const {
  XPU_RETURN_IF_ERROR(Find(function).status());
  absl::MutexLock lock(&mu_);
  const auto it = functions_.find(function);
  if (it == functions_.end() || it->second.claimed || !it->second.unfit) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("function ", function.ToString(), " is not healthy: ", it->second.function.reason));
}

absl::StatusOr<FunctionId> Inventory::Resolve(absl::string_view text) const {
  if (absl::StatusOr<FunctionId> id = FunctionId::Parse(text); id.ok()) return id;
  absl::MutexLock lock(&mu_);
  if (const auto it = auxiliary_.find(std::string(text)); it != auxiliary_.end()) return it->second;
  // "driver.name.number", as the auxiliary bus names its devices.
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  const auto is_name = [](absl::string_view part) {
    return !part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
      return absl::ascii_isalnum(c) || c == '_' || c == '-';
    });
  };
  if (parts.size() == 3 && std::all_of(parts.begin(), parts.end(), is_name)) {
    const std::string names = absl::StrJoin(
        auxiliary_, ", ", [](std::string* out, const auto& entry) { out->append(entry.first); });
    return absl::NotFoundError(absl::StrCat("there is no subfunction \"", text,
                                            "\" of this host's cards; there ",
                                            names.empty() ? "is none" : "are " + names));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" names no function; write \"0000:03:00.2\" for a virtual function, and ",
                   "\"0000:03:00.0-sf88\" or \"mlx5_core.sf.4\" for a subfunction"));
}

InventoryList Inventory::Current() const { return {List(), claims_ ? claims_() : 0}; }

std::unique_ptr<Inventory::Subscription> Inventory::Subscribe(Listener listener) {
  absl::MutexLock lock(&listeners_mu_);
  const uint64_t id = next_listener_++;
  listener(Current());
  listeners_.emplace(id, std::move(listener));
  return std::unique_ptr<Subscription>(new Subscription(*this, id));
}

Inventory::Subscription::~Subscription() {
  absl::MutexLock lock(&inventory_.listeners_mu_);
  inventory_.listeners_.erase(id_);
}

void Inventory::TellIfChanged() {
  absl::MutexLock lock(&listeners_mu_);
  InventoryList list = Current();
  if (list == told_) return;
  told_ = std::move(list);
  for (const auto& [id, listener] : listeners_) listener(told_);
}

}  // namespace xpu
