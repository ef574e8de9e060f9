#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "xpu-agent/datapath/ovs/socket_watch.h"
#include "xpu-agent/datapath/switch.h"

struct ofpbuf;
struct vconn;
struct xpu_ovs_message;

namespace xpu {

// The OpenFlow connection to one bridge: keeps it up, keeps an exact copy of our flows (a flow monitor tells
// what others change), and commits bundles. Belongs to the thread that runs the poll loop; never blocks.
class OpenFlowClient {
 public:
  // The bridge's socket is <folder>/<bridge>.mgmt. A peer that says nothing for `patience` milliseconds
  // before the connection is ready is given up.
  OpenFlowClient(std::string folder, const std::string& bridge, long long patience);
  ~OpenFlowClient();
  OpenFlowClient(const OpenFlowClient&) = delete;
  OpenFlowClient& operator=(const OpenFlowClient&) = delete;

  // Makes what progress there is to make; Wait() arranges that the poll loop wakes when there is more.
  void Run();
  void Wait();

  // Connected, and flows() is what the switch has.
  bool ready() const { return state_ == State::kReady; }
  // Why it is not ready.
  const std::string& reason() const { return reason_; }
  const FlowTable& flows() const { return flows_; }
  // Whether flows() has changed otherwise than by a bundle since the last call.
  bool TakeForeignChange();
  // Drops the connection and starts anew: what the switch has is read again.
  void Reconnect(const std::string& reason);

  // Starts to commit the flow changes of `plan` as one atomic bundle. FailedPrecondition while another one is
  // under way. `plan` must stay until the result is there or the connection was dropped: flows are encoded
  // while the switch takes in those before.
  absl::Status StartBundle(const SwitchPlan& plan);
  // What became of it, once, when that is known.
  std::optional<absl::Status> TakeBundleResult();

  // Flow mods that were sent since the start.
  uint64_t flow_mods_sent() const { return flow_mods_sent_; }

 private:
  enum class State { kDown, kConnecting, kReadingFlows, kReady };
  enum class Step { kNone, kAdding, kCommitting };
  struct Bundle {
    const SwitchPlan* plan = nullptr;
    // What was not queued yet.
    size_t next_delete = 0;
    FlowTable::const_iterator next_put;
    uint32_t id = 0;
    uint32_t first_xid = 0;
    // 0 as long as there are flows to queue.
    uint32_t barrier_xid = 0;
    uint32_t commit_xid = 0;
    // How many flows were queued, and what they are in the words of the switch.
    uint32_t count = 0;
    std::vector<FlowKey> deletes;
    FlowTable puts;
    // The first refusal.
    absl::Status refused;
  };

  void Connect();
  void Drop(const std::string& reason, int error);
  void SendQueued();
  void ReceiveAll();
  void Handle(ofpbuf* message);
  void HandleFlows(ofpbuf* message, const xpu_ovs_message& header);
  void HandleBundleReply(const xpu_ovs_message& header);
  void HandleRefusal(const xpu_ovs_message& header);
  // Queues a part of the bundle; false if there is nothing to queue now.
  bool QueueMore();
  absl::Status QueueFlow(const FlowKey& key, const std::string* actions, ofpbuf** batch);
  std::string FlowOf(uint32_t index) const;
  void AbandonBundle();
  void TakeOver();
  void FinishBundle(absl::Status status);

  SocketWatch socket_;
  const long long patience_;
  State state_ = State::kDown;
  std::string reason_ = "not connected yet";
  vconn* vconn_ = nullptr;
  // When to try again, in milliseconds of the library's clock; -1: only when the socket appears.
  long long retry_at_ = 0;
  int failures_ = 0;
  // When to give up on a peer that is silent.
  long long silent_until_ = 0;

  std::deque<ofpbuf*> queue_;
  uint32_t next_xid_ = 1;
  // Of the request for the flows that is being answered: from the flow monitor, or else from a dump.
  uint32_t monitor_xid_ = 0;
  uint32_t dump_xid_ = 0;
  FlowTable flows_;
  bool foreign_change_ = false;

  Step step_ = Step::kNone;
  Bundle bundle_;
  std::optional<absl::Status> bundle_result_;
  uint64_t flow_mods_sent_ = 0;
};

}  // namespace xpu
