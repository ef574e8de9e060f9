#include "xpu-agent/datapath/ovs/ovsdb_client.h"

#include <net/if.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "xpu-agent/datapath/ovs/ovs_c.h"
#include "xpu-agent/datapath/ovs/ovs_db.h"

namespace xpu {
namespace {

constexpr uint32_t kMaxOfport = 0xfeff;

// Empty if the database takes such a port; one bad name would fail the whole transaction.
std::string WhyNot(const PortAdd& port) {
  const bool printable = std::all_of(port.name.begin(), port.name.end(),
                                     [](unsigned char c) { return absl::ascii_isgraph(c) && c != '/'; });
  if (port.name.empty() || port.name.size() >= IFNAMSIZ || !printable) {
    return absl::StrCat("port '", port.name, "': not the name of a network interface (1 to ", IFNAMSIZ - 1,
                        " printable characters without '/')");
  }
  if (port.ofport > kMaxOfport) {
    return absl::StrCat("port '", port.name, "': OpenFlow port ", port.ofport, " is above ", kMaxOfport);
  }
  return "";
}

}  // namespace

OvsdbClient::OvsdbClient(Options options) : options_(std::move(options)) {
  xpu_ovs_init();
  db_ = xpu_ovs_db_open(options_.remote.c_str());
  reason_ = absl::UnavailableError(absl::StrCat("no connection to ovsdb-server at ", options_.remote));
}

OvsdbClient::~OvsdbClient() {
  EndTransaction();
  xpu_ovs_db_close(db_);
}

void OvsdbClient::Run() {
  const unsigned int before = xpu_ovs_db_seqno(db_);
  xpu_ovs_db_run(db_);
  NoteConnection(before);
  if (!synced_) return;
  const unsigned int now = xpu_ovs_db_seqno(db_);
  if (now != seqno_seen_) {
    seqno_seen_ = now;
    RefreshPorts();
  }
  AdvanceTransaction();
  CheckBridge();
}

void OvsdbClient::Wait() {
  xpu_ovs_db_wait(db_);
  if (txn_ != nullptr) xpu_ovs_txn_wait(txn_);
}

void OvsdbClient::NoteConnection(unsigned int seqno_before) {
  const bool connected = xpu_ovs_db_connected(db_);
  if (connected && !connected_) seqno_at_connect_ = seqno_before;
  connected_ = connected;
  if (!connected) {
    synced_ = false;
    reason_ = absl::UnavailableError(absl::StrCat("no connection to ovsdb-server at ", options_.remote));
    if (task_ == Task::kPorts) FinishPorts(reason_);
    EndTransaction();
    task_ = Task::kNone;
    return;
  }
  if (!synced_) {
    // The first change after connecting is the whole of the database.
    synced_ = xpu_ovs_db_seqno(db_) != seqno_at_connect_;
    reason_ = absl::UnavailableError(absl::StrCat("reading the database at ", options_.remote));
    tried_at_.reset();
  }
}

void OvsdbClient::RefreshPorts() {
  std::map<std::string, SwitchPort> ports;
  xpu_ovs_db_ports(
      db_, options_.bridge.c_str(), options_.owner.c_str(),
      [](void* context, const xpu_ovs_port* port) {
        SwitchPort entry{
            .name = port->name, .error = port->error, .requested = static_cast<uint32_t>(port->requested)};
        if (port->ofport > 0) entry.ofport = static_cast<uint32_t>(port->ofport);
        entry.type = port->type;
        for (size_t i = 0; i < port->n_options; ++i)
          entry.options.emplace(port->options[i].key, port->options[i].value);
        if (port->ofport < 0 && entry.error.empty()) entry.error = "Open vSwitch could not open it";
        static_cast<std::map<std::string, SwitchPort>*>(context)->emplace(port->name, std::move(entry));
      },
      &ports);
  for (const auto& [name, port] : ports) {
    const auto old = ports_.find(name);
    if (old == ports_.end() || old->second != port) changed_ports_.insert(name);
  }
  for (const auto& [name, port] : ports_) {
    if (!ports.contains(name)) changed_ports_.insert(name);
  }
  ports_ = std::move(ports);
}

std::set<std::string> OvsdbClient::TakeChangedPorts() { return std::exchange(changed_ports_, {}); }

void OvsdbClient::CheckBridge() {
  xpu_ovs_bridge bridge;
  const bool found = xpu_ovs_db_bridge(db_, options_.bridge.c_str(), &bridge);
  if (found) NoteFlush(bridge.has_controller);
  datapath_type_ = found ? bridge.datapath_type : "";
  const bool fit = found && bridge.secure && bridge.openflow14;
  const bool ours = !found || bridge.owner == options_.owner;
  const std::string name = absl::StrCat("bridge ", options_.bridge);
  if (!HasSettings()) {
    BeginBridge();
    reason_ =
        bridge_error_.ok() ? absl::UnavailableError("the switch's settings are being made") : bridge_error_;
  } else if (fit && ours && bridge.datapath_type == options_.datapath_type) {
    reason_ = absl::OkStatus();
  } else if (ours) {
    BeginBridge();
    reason_ =
        bridge_error_.ok() ? absl::UnavailableError(absl::StrCat(name, " is being made")) : bridge_error_;
  } else if (bridge.owner[0] != '\0') {
    reason_ = absl::FailedPreconditionError(
        absl::StrCat(name, " belongs to '", bridge.owner, "' (external_ids:xpu-owner), not to '",
                     options_.owner, "': choose another bridge, or run this agent under that name"));
  } else if (!fit) {
    reason_ = absl::FailedPreconditionError(
        absl::StrCat(name,
                     " was made by someone else and must have fail_mode=secure (or it forwards everything "
                     "while no agent runs) and OpenFlow14 among its protocols: set both, or let the agent "
                     "make a bridge of its own"));
  } else {
    reason_ = absl::OkStatus();
  }
}

// The flows go when ovs-vswitchd acts on the change: it may have done so already, or does with the next
// configuration that it reports as applied.
void OvsdbClient::NoteFlush(bool has_controller) {
  const int64_t applied = xpu_ovs_db_applied(db_);
  if (had_controller_.has_value() && *had_controller_ != has_controller) {
    flush_ = flush_expected_ = true;
  } else if (flush_expected_ && applied != applied_) {
    flush_ = true;
    flush_expected_ = false;
  }
  had_controller_ = has_controller;
  applied_ = applied;
}

bool OvsdbClient::HasSettings() const {
  return std::all_of(options_.settings.begin(), options_.settings.end(), [this](const auto& setting) {
    const char* const now = xpu_ovs_db_setting(db_, setting.first.c_str());
    return now != nullptr && setting.second == now;
  });
}

void OvsdbClient::BeginBridge() {
  if (task_ != Task::kNone || tried_at_ == seqno_seen_) return;
  tried_at_ = seqno_seen_;
  bridge_error_ = absl::OkStatus();
  task_ = Task::kBridge;
  txn_ = xpu_ovs_txn_begin(db_);
  if (!HasSettings()) {
    for (const auto& [key, value] : options_.settings)
      xpu_ovs_txn_put_setting(txn_, key.c_str(), value.c_str());
  } else {
    xpu_ovs_txn_put_bridge(txn_, options_.bridge.c_str(), options_.owner.c_str(),
                           options_.datapath_type.c_str());
  }
  AdvanceTransaction();
}

void OvsdbClient::StartPorts(const SwitchPlan& plan) {
  refusals_.clear();
  adds_.clear();
  deletes_.clear();
  awaited_ = 0;
  ports_result_.reset();
  std::set<std::string> added;
  for (const PortAdd& port : plan.port_adds) {
    std::string why_not = WhyNot(port);
    if (!why_not.empty()) {
      refusals_.push_back(std::move(why_not));
    } else if (added.insert(port.name).second) {
      adds_.push_back(port);
    }
  }
  // Removing and adding a port in one plan is asking for another number, which ovs-vswitchd can do in place.
  for (const std::string& name : plan.port_deletes) {
    if (!added.contains(name)) deletes_.push_back(name);
  }
  task_ = Task::kPorts;
  BeginPorts();
}

void OvsdbClient::BeginPorts() {
  tried_at_ = seqno_seen_;
  const char* bridge = options_.bridge.c_str();
  const char* owner = options_.owner.c_str();
  taken_.clear();
  txn_ = xpu_ovs_txn_begin(db_);
  for (const std::string& name : deletes_) xpu_ovs_txn_delete_port(txn_, bridge, owner, name.c_str());
  for (const PortAdd& port : adds_) {
    std::vector<xpu_ovs_option> options;
    for (const auto& [key, value] : port.options) options.push_back({key.c_str(), value.c_str()});
    const xpu_ovs_port row{.name = port.name.c_str(),
                           .ofport = 0,
                           .requested = port.ofport,
                           .error = "",
                           .type = port.type.c_str(),
                           .options = options.data(),
                           .n_options = options.size()};
    if (xpu_ovs_txn_put_port(txn_, bridge, owner, &row) == XPU_OVS_PORT_TAKEN) {
      taken_.push_back(absl::StrCat("port '", port.name,
                                    "': the name is in use by a port that is not ours; remove "
                                    "that one first"));
    }
  }
  if (!xpu_ovs_txn_dirty(txn_)) {
    EndTransaction();
    FinishPorts(Refusals());
    return;
  }
  AdvanceTransaction();
}

void OvsdbClient::AdvanceTransaction() {
  if (task_ == Task::kPorts && awaited_ > 0) {
    if (xpu_ovs_db_applied(db_) < awaited_) return;
    FinishPorts(Refusals());
    return;
  }
  if (task_ != Task::kNone && txn_ == nullptr) {
    if (tried_at_ != seqno_seen_) BeginPorts();
    return;
  }
  if (txn_ == nullptr) return;
  switch (xpu_ovs_txn_commit(txn_)) {
    case XPU_OVS_TXN_PENDING:
      return;
    case XPU_OVS_TXN_DONE:
      awaited_ = xpu_ovs_txn_number(txn_);
      EndTransaction();
      if (task_ == Task::kBridge) task_ = Task::kNone;
      if (task_ == Task::kPorts && awaited_ == 0) FinishPorts(Refusals());
      if (task_ == Task::kPorts) AdvanceTransaction();
      return;
    case XPU_OVS_TXN_AGAIN:
      EndTransaction();
      if (task_ == Task::kBridge) task_ = Task::kNone;
      return;
    case XPU_OVS_TXN_FAILED:
      const absl::Status failed = absl::InternalError(absl::StrCat(
          "the database at ", options_.remote, " refused the change: ", xpu_ovs_txn_error(txn_)));
      EndTransaction();
      if (task_ == Task::kPorts) {
        FinishPorts(failed);
      } else {
        bridge_error_ = failed;
        task_ = Task::kNone;
      }
      return;
  }
}

// Of the ports that were left out; the others were changed.
absl::Status OvsdbClient::Refusals() const {
  std::vector<std::string> all = refusals_;
  all.insert(all.end(), taken_.begin(), taken_.end());
  return all.empty() ? absl::OkStatus() : absl::FailedPreconditionError(absl::StrJoin(all, "; "));
}

void OvsdbClient::EndTransaction() {
  if (txn_ != nullptr) xpu_ovs_txn_end(txn_);
  txn_ = nullptr;
}

void OvsdbClient::FinishPorts(absl::Status status) {
  task_ = Task::kNone;
  awaited_ = 0;
  ports_result_ = std::move(status);
}

std::optional<absl::Status> OvsdbClient::TakePortsResult() {
  return std::exchange(ports_result_, std::nullopt);
}

void OvsdbClient::GiveUpPorts() {
  if (task_ != Task::kPorts) return;
  const bool committed = awaited_ > 0;
  EndTransaction();
  FinishPorts(absl::DeadlineExceededError(
      committed ? "ovs-vswitchd has not acted on the change of its ports in time: does it run?"
                : absl::StrCat("ovsdb-server at ", options_.remote, " has not answered in time")));
}

}  // namespace xpu
