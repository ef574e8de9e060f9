#include "xpu-agent/datapath/ovs/openflow_client.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "xpu-agent/datapath/ovs/canonical_flow.h"
#include "xpu-agent/datapath/ovs/flow_shape.h"
#include "xpu-agent/datapath/ovs/ovs_c.h"

namespace xpu {
namespace {

// So much of a bundle is encoded before it goes out, in octets.
constexpr size_t kBatch = 60'000;
// Of a bundle with more flows one turn of the switch more does not matter, but to look at each of them would.
constexpr size_t kSmallBundle = 1000;

bool IsOurs(uint64_t cookie) { return (cookie & kFlowCookieMask) == (kFlowCookie & kFlowCookieMask); }

bool IsOurMeter(uint32_t id) { return id >= kFirstMeter && id <= kLastMeter; }

xpu_ovs_meter ToOvs(uint32_t id, const Meter& meter) {
  return {.id = id, .packets = meter.unit == Meter::Unit::kPackets, .rate = meter.rate, .burst = meter.burst};
}

}  // namespace

OpenFlowClient::OpenFlowClient(std::string folder, std::string bridge, long long patience)
    : socket_({.folder = std::move(folder),
               .bridge = std::move(bridge),
               .patience = patience,
               .connected = [this] { Read(); },
               .lost = [this](size_t) { Lost(); },
               .received = [this](ofpbuf* message) { Handle(message); }}) {}

void OpenFlowClient::Run() {
  socket_.Run();
  while (socket_.is_connected() && socket_.queued() == 0 && QueueMore()) socket_.Flush();
}

std::string OpenFlowClient::reason() const {
  // Why it failed before is worth more than that it is being tried again.
  return socket_.is_connected() && socket_.is_first_try() ? "reading the flows of the switch"
                                                          : socket_.reason();
}

void OpenFlowClient::Read() {
  flows_read_ = meters_read_ = can_meter_ = false;
  // Before anything else: what is cut in pieces must not slip past what looks at ports.
  socket_.Send(xpu_ovs_show_fragments(next_xid_++));
  socket_.Send(xpu_ovs_hear_meters(next_xid_++));
  features_xid_ = next_xid_++;
  socket_.Send(xpu_ovs_meter_features(features_xid_));
  AskForMeters();
  monitor_xid_ = next_xid_++;
  dump_xid_ = 0;
  socket_.Send(xpu_ovs_flow_monitor(monitor_xid_));
}

void OpenFlowClient::AskForMeters() {
  incoming_meters_.clear();
  meters_xid_ = next_xid_++;
  socket_.Send(xpu_ovs_meter_dump(meters_xid_));
}

void OpenFlowClient::Lost() {
  ready_ = false;
  is_committed_ = false;
  taken_shapes_.clear();
  flows_.clear();
  meters_.clear();
  if (step_ == Step::kNone) return;
  FinishBundle(absl::UnavailableError(
      absl::StrCat(socket_.reason(), "; whether the flows were changed is not known")));
}

// All that was asked for may be there now.
void OpenFlowClient::NoteRead() {
  if (ready_ || !flows_read_ || !meters_read_) return;
  ready_ = true;
  foreign_change_ = true;
  socket_.Settled();
}

void OpenFlowClient::Handle(ofpbuf* message) {
  xpu_ovs_message header;
  xpu_ovs_message_decode(message, &header);
  switch (header.type) {
    case XPU_OVS_FLOW_UPDATE:
    case XPU_OVS_FLOW_DUMP:
      HandleFlows(message, header);
      break;
    case XPU_OVS_METER_FEATURES:
      can_meter_ = xpu_ovs_max_meters(message) > 0;
      break;
    case XPU_OVS_METERS:
      HandleMeters(message, header);
      break;
    case XPU_OVS_FORWARDED:
      AskForMeters();
      break;
    case XPU_OVS_ERROR:
      HandleRefusal(header);
      break;
    case XPU_OVS_BARRIER_REPLY:
    case XPU_OVS_BUNDLE_REPLY:
      HandleReply(header);
      break;
    case XPU_OVS_ECHO_REQUEST:
      socket_.Send(xpu_ovs_echo_reply(message));
      break;
    case XPU_OVS_OTHER:
      break;
  }
}

void OpenFlowClient::HandleMeters(ofpbuf* message, const xpu_ovs_message& header) {
  // Another answer is on its way.
  if (header.xid != meters_xid_) return;
  xpu_ovs_meter meter;
  xpu_ovs_meter_next next;
  while ((next = xpu_ovs_next_meter(message, &meter)) == XPU_OVS_METER_SOME) {
    if (!IsOurMeter(meter.id)) continue;
    incoming_meters_[meter.id] = {.unit = meter.packets ? Meter::Unit::kPackets : Meter::Unit::kKilobits,
                                  .rate = meter.rate,
                                  .burst = meter.burst};
  }
  if (next == XPU_OVS_METER_BAD) {
    socket_.Drop("the switch sent a meter that cannot be decoded", EPROTO);
    return;
  }
  if (header.more) return;
  foreign_change_ |= meters_ != incoming_meters_;
  meters_ = std::move(incoming_meters_);
  meters_read_ = true;
  NoteRead();
}

void OpenFlowClient::HandleFlows(ofpbuf* message, const xpu_ovs_message& header) {
  // What others change comes after what was committed.
  Settle();
  const bool dump = header.type == XPU_OVS_FLOW_DUMP;
  for (;;) {
    xpu_ovs_flow flow = {};
    const xpu_ovs_flow_event event = xpu_ovs_next_flow(message, dump, &flow);
    if (event == XPU_OVS_FLOW_END) break;
    if (event == XPU_OVS_FLOW_OTHER) continue;
    if (event == XPU_OVS_FLOW_BAD) {
      socket_.Drop("the switch sent a flow that cannot be decoded", EPROTO);
      return;
    }
    const FlowKey key{flow.table, flow.priority, flow.match};
    if (event == XPU_OVS_FLOW_SET && IsOurs(flow.cookie)) {
      std::string& actions = flows_[key];
      foreign_change_ |= actions != flow.actions;
      actions = flow.actions;
    } else {
      // Removed, or replaced by a flow of someone else.
      foreign_change_ |= flows_.erase(key) > 0;
    }
    xpu_ovs_flow_clear(&flow);
  }
  if (!flows_read_ && header.xid == (dump ? dump_xid_ : monitor_xid_) && !header.more) {
    flows_read_ = true;
    NoteRead();
  }
}

bool OpenFlowClient::TakeForeignChange() { return std::exchange(foreign_change_, false); }

// Appends the flow to `batch`.
absl::Status OpenFlowClient::QueueFlow(const FlowKey& key, const std::string* actions, ofpbuf** batch) {
  const std::string text = actions == nullptr ? FlowToText(key) : FlowToText(key, *actions);
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return absl::ascii_iscntrl(c); })) {
    return absl::InvalidArgumentError("a flow is one line of printable text");
  }
  ofpbuf* message = nullptr;
  xpu_ovs_flow flow = {};
  const bool as_printed = bundle_.plan->as_printed;
  char* error = xpu_ovs_flow_mod(text.c_str(), actions != nullptr, kFlowCookie, kFlowCookieMask, &message,
                                 as_printed ? nullptr : &flow);
  if (error != nullptr) {
    const absl::Status status = absl::InvalidArgumentError(absl::StrCat("flow '", text, "': ", error));
    xpu_ovs_free(error);
    return status;
  }
  FlowKey shown = key;
  if (!as_printed) {
    shown = {flow.table, flow.priority, flow.match};
    if (shown.table != key.table || shown.priority != key.priority) {
      xpu_ovs_flow_clear(&flow);
      xpu_ovs_message_free(message);
      return absl::InvalidArgumentError(
          absl::StrCat("flow '", text, "': table and priority belong into their own fields"));
    }
  }
  if (actions != nullptr) {
    bundle_.puts.insert_or_assign(bundle_.puts.end(), std::move(shown), as_printed ? *actions : flow.actions);
  } else {
    bundle_.deletes.push_back(std::move(shown));
  }
  xpu_ovs_flow_clear(&flow);
  if (!bundle_.is_large) NoteShape(text, actions != nullptr);
  xpu_ovs_bundle_add(message, bundle_.id, next_xid_++, batch);
  ++bundle_.count;
  return absl::OkStatus();
}

absl::Status OpenFlowClient::StartBundle(const SwitchPlan& plan) {
  if (!ready_) return absl::UnavailableError(reason());
  if (step_ != Step::kNone) return absl::FailedPreconditionError("a bundle is under way");
  Settle();
  bundle_result_.reset();
  bundle_ = Bundle{.plan = &plan, .next_put = plan.flow_puts.begin()};
  for (const auto& [id, meter] : plan.meter_puts) {
    if (IsOurMeter(id)) continue;
    FinishBundle(absl::InvalidArgumentError(
        absl::StrCat("meter ", id, ": ours have ids from ", kFirstMeter, " to ", kLastMeter)));
    return absl::OkStatus();
  }
  if (plan.meter_puts.empty()) {
    BeginFlows();
    return absl::OkStatus();
  }
  // A flow whose meter is not there would be refused, and a bundle cannot carry meters.
  step_ = Step::kMeters;
  bundle_.first_meter_xid = next_xid_;
  for (const auto& [id, meter] : plan.meter_puts) {
    const xpu_ovs_meter raw = ToOvs(id, meter);
    socket_.Send(xpu_ovs_meter_mod(meters_.contains(id) ? XPU_OVS_METER_MODIFY : XPU_OVS_METER_ADD, &raw,
                                   next_xid_++));
  }
  bundle_.barrier_xid = next_xid_++;
  socket_.Send(xpu_ovs_barrier(bundle_.barrier_xid));
  return absl::OkStatus();
}

// The meters are there.
void OpenFlowClient::BeginFlows() {
  const SwitchPlan& plan = *bundle_.plan;
  if (plan.flow_deletes.empty() && plan.flow_puts.empty()) {
    DeleteMeters();
    FinishBundle(absl::OkStatus());
    return;
  }
  step_ = Step::kAdding;
  bundle_.barrier_xid = 0;
  bundle_.is_large = plan.flow_deletes.size() + plan.flow_puts.size() > kSmallBundle;
  bundle_.is_familiar = !bundle_.is_large;
  bundle_.id = next_xid_++;
  bundle_.first_xid = next_xid_;
  (void)QueueMore();
}

void OpenFlowClient::NoteShape(absl::string_view text, bool is_put) {
  std::string shape = absl::StrCat(is_put ? "+" : "-", FlowShape(text));
  // Groups are not ours, so nothing is known of them.
  const bool is_taken =
      taken_shapes_.contains(shape) && HasItsMeters(text) && !absl::StrContains(text, "group:");
  if (is_taken) return;
  bundle_.is_familiar = false;
  bundle_.new_shapes.push_back(std::move(shape));
}

bool OpenFlowClient::HasItsMeters(absl::string_view text) const {
  static constexpr absl::string_view kAction = "meter:";
  for (size_t at = text.find(kAction); at != text.npos; at = text.find(kAction, at)) {
    at += kAction.size();
    uint32_t id = 0;
    if (!absl::SimpleAtoi(text.substr(at, text.find_first_not_of("0123456789", at) - at), &id) ||
        !meters_.contains(id))
      return false;
  }
  return true;
}

void OpenFlowClient::Commit(ofpbuf** batch) {
  step_ = Step::kCommitting;
  bundle_.commit_xid = next_xid_++;
  xpu_ovs_append(xpu_ovs_bundle_control(XPU_OVS_BUNDLE_COMMIT, bundle_.id, bundle_.commit_xid), batch);
}

bool OpenFlowClient::QueueMore() {
  if (step_ != Step::kAdding || bundle_.barrier_xid != 0) return false;
  const SwitchPlan& plan = *bundle_.plan;
  ofpbuf* batch = nullptr;
  // The first flow opens the bundle (OpenFlow 1.4, 7.3.9.7), whose opening would be answered by itself. One
  // message more in the way of the switch's attention is one turn of it more, so all that is ready goes out
  // together.
  absl::Status status;
  while (status.ok() && xpu_ovs_message_size(batch) < kBatch) {
    if (bundle_.next_delete < plan.flow_deletes.size()) {
      status = QueueFlow(plan.flow_deletes[bundle_.next_delete++], nullptr, &batch);
    } else if (bundle_.next_put != plan.flow_puts.end()) {
      status = QueueFlow(bundle_.next_put->first, &bundle_.next_put->second, &batch);
      ++bundle_.next_put;
    } else if (bundle_.is_familiar) {
      // Nothing of it can be refused by itself, and a commit is all or nothing.
      Commit(&batch);
      ++sent_at_once_;
      break;
    } else {
      // Everything up to the barrier goes out without waiting; a flow that the switch refuses is an error
      // with the message's transaction id that comes before the barrier's reply. A commit would not wait for
      // that, and the rest would come to be.
      bundle_.barrier_xid = next_xid_++;
      xpu_ovs_append(xpu_ovs_barrier(bundle_.barrier_xid), &batch);
      break;
    }
  }
  if (step_ == Step::kCommitting || bundle_.barrier_xid != 0) all_sent_ = absl::Now();
  if (batch != nullptr) socket_.Send(batch);
  if (!status.ok()) {
    bundle_.refused = status;
    AbandonBundle();
  }
  return true;
}

// Nothing of it comes to be.
void OpenFlowClient::AbandonBundle() {
  // Without a flow there is none at the switch.
  if (bundle_.count > 0)
    socket_.Send(xpu_ovs_bundle_control(XPU_OVS_BUNDLE_DISCARD, bundle_.id, next_xid_++));
  FinishBundle(bundle_.refused);
}

std::string OpenFlowClient::FlowOf(uint32_t index) const {
  const SwitchPlan& plan = *bundle_.plan;
  if (index < plan.flow_deletes.size()) return FlowToText(plan.flow_deletes[index]);
  const auto put = std::next(plan.flow_puts.begin(), index - plan.flow_deletes.size());
  return FlowToText(put->first, put->second);
}

void OpenFlowClient::HandleRefusal(const xpu_ovs_message& header) {
  if (!meters_read_ && header.xid == meters_xid_) {
    // A switch without meters.
    meters_read_ = true;
    NoteRead();
    return;
  }
  if (!flows_read_ && header.xid == monitor_xid_ && dump_xid_ == 0) {
    dump_xid_ = next_xid_++;
    socket_.Send(xpu_ovs_flow_dump(kFlowCookie, kFlowCookieMask, dump_xid_));
    return;
  }
  if (!flows_read_ && header.xid == dump_xid_) {
    socket_.Drop(absl::StrCat("the switch refuses to report its flows: ", header.error_text));
    return;
  }
  if (step_ == Step::kNone) return;
  const auto refuse = [&](const std::string& what) {
    if (!bundle_.refused.ok()) return;
    bundle_.refused = absl::InvalidArgumentError(
        absl::StrCat("the switch refused ", what, ": ", header.error_name, " (", header.error_text, ")"));
  };
  if (step_ == Step::kMeters) {
    const uint32_t index = header.xid - bundle_.first_meter_xid;
    if (index >= bundle_.plan->meter_puts.size()) return;
    const uint32_t id = std::next(bundle_.plan->meter_puts.begin(), index)->first;
    bundle_.refused_meters.push_back(id);
    refuse(absl::StrCat("meter ", id));
    return;
  }
  const uint32_t index = header.xid - bundle_.first_xid;
  const bool of_commit = step_ == Step::kCommitting && header.xid == bundle_.commit_xid;
  if (index >= bundle_.count && !of_commit) return;
  refuse(index < bundle_.count ? absl::StrCat("flow '", FlowOf(index), "'")
                               : absl::StrCat("a bundle of ", bundle_.count, " flows"));
  if (of_commit) FinishBundle(bundle_.refused);
}

void OpenFlowClient::HandleReply(const xpu_ovs_message& header) {
  if (step_ == Step::kMeters && header.xid == bundle_.barrier_xid) {
    TakeOverMeters();
    if (bundle_.refused.ok()) {
      BeginFlows();
    } else {
      FinishBundle(bundle_.refused);
    }
  } else if (step_ == Step::kAdding && header.xid == bundle_.barrier_xid) {
    if (!bundle_.refused.ok()) {
      AbandonBundle();
      return;
    }
    ofpbuf* commit = nullptr;
    Commit(&commit);
    socket_.Send(commit);
  } else if (step_ == Step::kCommitting && header.xid == bundle_.commit_xid) {
    if (!bundle_.refused.ok()) {
      // It was taken for granted that the switch takes such flows. What it has now is read again, and the
      // next bundle takes nothing for granted.
      socket_.Reconnect(
          absl::StrCat("a part of a bundle was committed only, as ", bundle_.refused.message()));
      return;
    }
    at_switch_ += absl::Now() - all_sent_;
    DeleteMeters();
    FinishBundle(absl::OkStatus());
    // Of a large one it takes long enough to hold up the next.
    if (bundle_.is_large) Settle();
  }
}

void OpenFlowClient::TakeOverMeters() {
  const auto& refused = bundle_.refused_meters;
  for (const auto& [id, meter] : bundle_.plan->meter_puts) {
    if (std::find(refused.begin(), refused.end(), id) == refused.end()) meters_[id] = meter;
  }
}

// No flow uses them any more. A switch never refuses this.
void OpenFlowClient::DeleteMeters() {
  for (const uint32_t id : bundle_.plan->meter_deletes) {
    if (meters_.erase(id) == 0) continue;
    const xpu_ovs_meter raw = {.id = id, .packets = false, .rate = 0, .burst = 0};
    socket_.Send(xpu_ovs_meter_mod(XPU_OVS_METER_DELETE, &raw, next_xid_++));
  }
}

// What was committed is what the switch has.
void OpenFlowClient::TakeOver() {
  for (const FlowKey& key : bundle_.deletes) flows_.erase(key);
  if (flows_.empty()) {
    flows_ = std::move(bundle_.puts);
    return;
  }
  while (!bundle_.puts.empty()) {
    auto result = flows_.insert(bundle_.puts.extract(bundle_.puts.begin()));
    if (!result.inserted) result.position->second = std::move(result.node.mapped());
  }
}

void OpenFlowClient::FinishBundle(absl::Status status) {
  step_ = Step::kNone;
  flow_mods_sent_ += bundle_.count;
  bundle_.plan = nullptr;
  is_committed_ = status.ok();
  bundle_result_ = std::move(status);
}

std::optional<absl::Status> OpenFlowClient::TakeBundleResult() {
  return std::exchange(bundle_result_, std::nullopt);
}

void OpenFlowClient::Settle() {
  if (step_ != Step::kNone) return;
  if (std::exchange(is_committed_, false)) {
    taken_shapes_.insert(bundle_.new_shapes.begin(), bundle_.new_shapes.end());
    TakeOver();
  }
  bundle_ = Bundle();
}

}  // namespace xpu
