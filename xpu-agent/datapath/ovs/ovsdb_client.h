#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "xpu-agent/datapath/switch.h"

struct xpu_ovs_db;
struct xpu_ovs_txn;

namespace xpu {

// The connection to Open vSwitch's database: makes sure that the bridge is there, keeps a copy of our ports,
// and changes them in one transaction at a time. Belongs to the thread that runs the poll loop; never blocks.
class OvsdbClient {
 public:
  struct Options {
    // "unix:/path" or another form of ovsdb(7).
    std::string remote;
    std::string bridge;
    // external_ids:xpu-owner of what is ours.
    std::string owner;
    // "netdev" or "system"; used when we make the bridge.
    std::string datapath_type;
    // Settings of the whole switch that must be so (ovs-vswitchd.conf.db(5), other_config).
    std::map<std::string, std::string> settings = {};
  };
  explicit OvsdbClient(Options options);
  ~OvsdbClient();
  OvsdbClient(const OvsdbClient&) = delete;
  OvsdbClient& operator=(const OvsdbClient&) = delete;

  // Makes what progress there is to make; Wait() arranges that the poll loop wakes when there is more.
  void Run();
  void Wait();

  // Connected, the copy is complete, and the bridge is there and fit for use.
  bool ready() const { return reason_.ok(); }
  // Why not: Unavailable, or FailedPrecondition if a person must act.
  const absl::Status& reason() const { return reason_; }
  const std::map<std::string, SwitchPort>& ports() const { return ports_; }
  // Of the datapath that the bridge has. The kernel's knows no OVS_KEY_ATTR_ND_EXTENSIONS, and Open vSwitch
  // refuses the flows that need it.
  SwitchAbilities abilities() const { return {.advertise_neighbours = datapath_type_ == "netdev"}; }
  // Names of the ports that came, went or changed since the last call.
  std::set<std::string> TakeChangedPorts();

  // Whether Open vSwitch may have removed the bridge's flows without telling since the last call.
  bool TakeFlush() { return std::exchange(flush_, false); }

  // Starts the port changes of `plan`; one at a time. What became of it comes from TakePortsResult(), once
  // ovs-vswitchd has acted on the transaction.
  void StartPorts(const SwitchPlan& plan);
  std::optional<absl::Status> TakePortsResult();
  // Ends the one under way with DeadlineExceeded.
  void GiveUpPorts();

 private:
  enum class Task { kNone, kBridge, kPorts };

  void NoteConnection(unsigned int seqno_before);
  void AdvanceTransaction();
  void CheckBridge();
  void NoteFlush(bool has_controller);
  void BeginBridge();
  bool HasSettings() const;
  void BeginPorts();
  void EndTransaction();
  absl::Status Refusals() const;
  void FinishPorts(absl::Status status);
  void RefreshPorts();

  const Options options_;
  xpu_ovs_db* db_;
  bool connected_ = false;
  // The copy is that of this connection.
  bool synced_ = false;
  unsigned int seqno_at_connect_ = 0;
  unsigned int seqno_seen_ = 0;
  absl::Status reason_;
  absl::Status bridge_error_;
  // As the database has it: "" is the kernel's.
  std::string datapath_type_;
  std::map<std::string, SwitchPort> ports_;
  std::set<std::string> changed_ports_;

  std::optional<bool> had_controller_;
  int64_t applied_ = 0;
  bool flush_expected_ = false;
  bool flush_ = false;

  Task task_ = Task::kNone;
  xpu_ovs_txn* txn_ = nullptr;
  // The state of the copy that the last try was made on: another try needs a newer one.
  std::optional<unsigned int> tried_at_;

  std::vector<std::string> deletes_;
  std::vector<PortAdd> adds_;
  // Why ports were left out: for what they are, and for what the database holds now.
  std::vector<std::string> refusals_;
  std::vector<std::string> taken_;
  // The configuration that ovs-vswitchd must reach; 0 while the transaction is under way.
  int64_t awaited_ = 0;
  std::optional<absl::Status> ports_result_;
};

}  // namespace xpu
