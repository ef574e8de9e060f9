#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "xpu-agent/datapath/ovs/openflow_socket.h"
#include "xpu-agent/datapath/switch.h"

struct ofpbuf;
struct xpu_ovs_message;

namespace xpu {

// What one bridge has of ours: an exact copy of the flows (a flow monitor tells what others change) and of
// the meters (the switch says when others change some), and bundles that change them. Belongs to the thread
// that runs the poll loop; never blocks.
class OpenFlowClient {
 public:
  // The bridge's socket is <folder>/<bridge>.mgmt. A peer that says nothing for `patience` milliseconds
  // before the connection is ready is given up.
  OpenFlowClient(std::string folder, std::string bridge, long long patience);
  OpenFlowClient(const OpenFlowClient&) = delete;
  OpenFlowClient& operator=(const OpenFlowClient&) = delete;

  // Makes what progress there is to make; Wait() arranges that the poll loop wakes when there is more.
  void Run();
  void Wait() { socket_.Wait(); }

  // Connected, and flows() and meters() are what the switch has.
  bool ready() const { return ready_; }
  // Why it is not ready.
  std::string reason() const;
  const FlowTable& flows() const { return flows_; }
  const MeterTable& meters() const { return meters_; }
  // Whether the switch has meters at all.
  bool can_meter() const { return can_meter_; }
  // Whether flows() or meters() has changed otherwise than by a bundle since the last call.
  bool TakeForeignChange();
  // Drops the connection and starts anew: what the switch has is read again.
  void Reconnect(const std::string& reason) { socket_.Reconnect(reason); }

  // Starts to change the meters of `plan` and to commit its flow changes as one atomic bundle.
  // FailedPrecondition while another one is under way. `plan` must stay until the result is there or the
  // connection was dropped: flows are encoded while the switch takes in those before.
  absl::Status StartBundle(const SwitchPlan& plan);
  // What became of it, once, when that is known. Who waits for a small one is told first; flows() is what the
  // switch has after Settle().
  std::optional<absl::Status> TakeBundleResult();
  // Takes over what was committed, which with many flows takes as long as a small bundle itself.
  void Settle();

  // Flow mods that were sent since the start.
  uint64_t flow_mods_sent() const { return flow_mods_sent_; }
  // Bundles that went out together with their commit.
  uint64_t sent_at_once() const { return sent_at_once_; }
  // How long the switch had all of a bundle's flows until it said that they are committed, all bundles
  // together.
  absl::Duration at_switch() const { return at_switch_; }

 private:
  enum class Step { kNone, kMeters, kAdding, kCommitting };
  struct Bundle {
    const SwitchPlan* plan = nullptr;
    // The meter mods, in the order of their ids; 0: none.
    uint32_t first_meter_xid = 0;
    std::vector<uint32_t> refused_meters;
    // What was not queued yet.
    size_t next_delete = 0;
    FlowTable::const_iterator next_put;
    uint32_t id = 0;
    uint32_t first_xid = 0;
    // 0 as long as there are meters or flows to queue.
    uint32_t barrier_xid = 0;
    uint32_t commit_xid = 0;
    // How many flows were queued, and what they are in the words of the switch.
    uint32_t count = 0;
    std::vector<FlowKey> deletes;
    FlowTable puts;
    // Shapes that the switch has not taken before, and whether there are none of these.
    std::vector<std::string> new_shapes;
    bool is_familiar = true;
    // Too large to care.
    bool is_large = false;
    // The first refusal.
    absl::Status refused;
  };

  void Read();
  void Lost();
  void Handle(ofpbuf* message);
  void HandleFlows(ofpbuf* message, const xpu_ovs_message& header);
  void HandleMeters(ofpbuf* message, const xpu_ovs_message& header);
  void HandleReply(const xpu_ovs_message& header);
  void HandleRefusal(const xpu_ovs_message& header);
  void AskForMeters();
  void NoteRead();
  void BeginFlows();
  // The switch has all of the bundle and is to decide.
  void Commit(ofpbuf** batch);
  // Notes what the flow's text says of whether the switch will take it.
  void NoteShape(absl::string_view text, bool is_put);
  // Whether all meters that the flow sends to are there.
  bool HasItsMeters(absl::string_view text) const;
  // Queues a part of the bundle; false if there is nothing to queue now.
  bool QueueMore();
  absl::Status QueueFlow(const FlowKey& key, const std::string* actions, ofpbuf** batch);
  std::string FlowOf(uint32_t index) const;
  void AbandonBundle();
  void TakeOverMeters();
  void TakeOver();
  void DeleteMeters();
  void FinishBundle(absl::Status status);

  OpenFlowSocket socket_;
  bool ready_ = false;
  uint32_t next_xid_ = 1;
  // Of the request for the flows that is being answered: from the flow monitor, or else from a dump.
  uint32_t monitor_xid_ = 0;
  uint32_t dump_xid_ = 0;
  bool flows_read_ = false;
  FlowTable flows_;
  uint32_t features_xid_ = 0;
  uint32_t meters_xid_ = 0;
  bool meters_read_ = false;
  bool can_meter_ = false;
  MeterTable meters_;
  // What has come of the answer.
  MeterTable incoming_meters_;
  bool foreign_change_ = false;

  // Of flows that the switch has taken over this connection (FlowShape()). A bundle of these alone is
  // committed in one go with its flows: waiting for its flows to be taken first costs a turn of ovs-vswitchd,
  // which with many ports is long.
  std::unordered_set<std::string> taken_shapes_;

  Step step_ = Step::kNone;
  Bundle bundle_;
  // The bundle is on the switch, and flows_ is to follow.
  bool is_committed_ = false;
  std::optional<absl::Status> bundle_result_;
  uint64_t flow_mods_sent_ = 0;
  uint64_t sent_at_once_ = 0;
  // When the last flow of the bundle was sent.
  absl::Time all_sent_;
  absl::Duration at_switch_;
};

}  // namespace xpu
