#include "xpu-agent/datapath/ovs/openflow_client.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "xpu-agent/datapath/ovs/canonical_flow.h"
#include "xpu-agent/datapath/ovs/ovs_c.h"

namespace xpu {
namespace {

// Between tries to connect: 20 ms, doubled up to 5 s.
constexpr int kFirstRetry = 20;
constexpr int kMaxRetry = 5000;

// So much of a bundle is encoded before it goes out, in octets.
constexpr size_t kBatch = 60'000;

bool IsOurs(uint64_t cookie) { return (cookie & kFlowCookieMask) == (kFlowCookie & kFlowCookieMask); }

}  // namespace

OpenFlowClient::OpenFlowClient(std::string folder, const std::string& bridge, long long patience)
    : socket_(std::move(folder), bridge + ".mgmt"), patience_(patience) {
  xpu_ovs_init();
}

OpenFlowClient::~OpenFlowClient() { Drop("closed", 0); }

void OpenFlowClient::Run() {
  if (socket_.Appeared()) {
    failures_ = 0;
    retry_at_ = 0;
  }
  if (state_ == State::kDown && retry_at_ >= 0 && xpu_ovs_now() >= retry_at_) Connect();
  if (vconn_ != nullptr) xpu_ovs_run(vconn_);
  if (state_ == State::kConnecting) {
    const int error = xpu_ovs_connect(vconn_);
    if (error == 0) {
      state_ = State::kReadingFlows;
      // Why it failed before is worth more than that it is being tried again.
      if (failures_ == 0) reason_ = "reading the flows of the switch";
      flows_.clear();
      // Before anything else: what is cut in pieces must not slip past what looks at ports.
      queue_.push_back(xpu_ovs_show_fragments(next_xid_++));
      monitor_xid_ = next_xid_++;
      dump_xid_ = 0;
      queue_.push_back(xpu_ovs_flow_monitor(monitor_xid_));
    } else if (error != EAGAIN) {
      Drop("cannot connect", error);
    }
  }
  do {
    SendQueued();
  } while (queue_.empty() && QueueMore());
  ReceiveAll();
  // Answers to what came in.
  SendQueued();
  if ((state_ == State::kConnecting || state_ == State::kReadingFlows) && xpu_ovs_now() >= silent_until_) {
    Drop("no answer in time", 0);
  }
}

void OpenFlowClient::Wait() {
  socket_.Wait();
  if (state_ == State::kDown) {
    if (retry_at_ >= 0) xpu_ovs_wait_until(retry_at_);
  } else {
    xpu_ovs_wait(vconn_, !queue_.empty() && state_ != State::kConnecting);
    if (state_ != State::kReady) xpu_ovs_wait_until(silent_until_);
  }
}

void OpenFlowClient::Connect() {
  socket_.Start();
  const int error = xpu_ovs_open(("unix:" + socket_.path()).c_str(), &vconn_);
  if (error != 0) {
    vconn_ = nullptr;
    Drop("cannot connect", error);
    return;
  }
  state_ = State::kConnecting;
  silent_until_ = xpu_ovs_now() + patience_;
}

void OpenFlowClient::Drop(const std::string& reason, int error) {
  if (vconn_ != nullptr) xpu_ovs_close(vconn_);
  vconn_ = nullptr;
  for (ofpbuf* message : queue_) xpu_ovs_message_free(message);
  queue_.clear();
  reason_ = absl::StrCat("OpenFlow socket ", socket_.path(), ": ", reason, error == 0 ? "" : ": ",
                         error == 0 ? "" : xpu_ovs_strerror(error));
  if (error == EPROTO) absl::StrAppend(&reason_, " (does the bridge allow OpenFlow14?)");
  state_ = State::kDown;
  flows_.clear();
  if (step_ != Step::kNone) {
    FinishBundle(
        absl::UnavailableError(absl::StrCat(reason_, "; whether the flows were changed is not known")));
  }
  // No socket: its appearance is the event to wait for. Anything else, and a folder that cannot be watched,
  // is tried again later.
  if (error == ENOENT && socket_.is_watching()) {
    retry_at_ = -1;
  } else {
    retry_at_ = xpu_ovs_now() + std::min(kMaxRetry, kFirstRetry << std::min(failures_, 10));
    ++failures_;
  }
}

void OpenFlowClient::Reconnect(const std::string& reason) {
  Drop(reason, 0);
  failures_ = 0;
  retry_at_ = 0;
}

void OpenFlowClient::SendQueued() {
  if (state_ == State::kDown || state_ == State::kConnecting) return;
  while (!queue_.empty()) {
    const int error = xpu_ovs_send_batch(vconn_, queue_.front());
    if (error == EAGAIN) return;
    if (error != 0) {
      Drop("connection lost", error);
      return;
    }
    queue_.pop_front();
  }
}

void OpenFlowClient::ReceiveAll() {
  while (state_ == State::kReadingFlows || state_ == State::kReady) {
    ofpbuf* message = nullptr;
    const int error = xpu_ovs_recv(vconn_, &message);
    if (error == EAGAIN) return;
    if (error != 0) {
      Drop("connection lost", error);
      return;
    }
    silent_until_ = xpu_ovs_now() + patience_;
    Handle(message);
    xpu_ovs_message_free(message);
  }
}

void OpenFlowClient::Handle(ofpbuf* message) {
  xpu_ovs_message header;
  xpu_ovs_message_decode(message, &header);
  switch (header.type) {
    case XPU_OVS_FLOW_UPDATE:
    case XPU_OVS_FLOW_DUMP:
      HandleFlows(message, header);
      break;
    case XPU_OVS_ERROR:
      HandleRefusal(header);
      break;
    case XPU_OVS_BARRIER_REPLY:
    case XPU_OVS_BUNDLE_REPLY:
      HandleBundleReply(header);
      break;
    case XPU_OVS_ECHO_REQUEST:
      queue_.push_back(xpu_ovs_echo_reply(message));
      break;
    case XPU_OVS_OTHER:
      break;
  }
}

void OpenFlowClient::HandleFlows(ofpbuf* message, const xpu_ovs_message& header) {
  const bool dump = header.type == XPU_OVS_FLOW_DUMP;
  for (;;) {
    xpu_ovs_flow flow = {};
    const xpu_ovs_flow_event event = xpu_ovs_next_flow(message, dump, &flow);
    if (event == XPU_OVS_FLOW_END) break;
    if (event == XPU_OVS_FLOW_OTHER) continue;
    if (event == XPU_OVS_FLOW_BAD) {
      Drop("the switch sent a flow that cannot be decoded", EPROTO);
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
  if (state_ == State::kReadingFlows && header.xid == (dump ? dump_xid_ : monitor_xid_) && !header.more) {
    state_ = State::kReady;
    reason_.clear();
    failures_ = 0;
    foreign_change_ = true;
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
  xpu_ovs_bundle_add(message, bundle_.id, next_xid_++, batch);
  ++bundle_.count;
  return absl::OkStatus();
}

absl::Status OpenFlowClient::StartBundle(const SwitchPlan& plan) {
  if (state_ != State::kReady) return absl::UnavailableError(reason_);
  if (step_ != Step::kNone) return absl::FailedPreconditionError("a bundle is under way");
  bundle_result_.reset();
  if (plan.flow_deletes.empty() && plan.flow_puts.empty()) {
    bundle_result_ = absl::OkStatus();
    return absl::OkStatus();
  }
  bundle_ = Bundle{.plan = &plan, .next_put = plan.flow_puts.begin(), .id = next_xid_};
  step_ = Step::kAdding;
  queue_.push_back(xpu_ovs_bundle_control(XPU_OVS_BUNDLE_OPEN, bundle_.id, next_xid_++));
  bundle_.first_xid = next_xid_;
  (void)QueueMore();
  return absl::OkStatus();
}

bool OpenFlowClient::QueueMore() {
  if (step_ != Step::kAdding || bundle_.barrier_xid != 0) return false;
  const SwitchPlan& plan = *bundle_.plan;
  ofpbuf* batch = nullptr;
  absl::Status status;
  while (status.ok() && xpu_ovs_message_size(batch) < kBatch) {
    if (bundle_.next_delete < plan.flow_deletes.size()) {
      status = QueueFlow(plan.flow_deletes[bundle_.next_delete++], nullptr, &batch);
    } else if (bundle_.next_put != plan.flow_puts.end()) {
      status = QueueFlow(bundle_.next_put->first, &bundle_.next_put->second, &batch);
      ++bundle_.next_put;
    } else {
      // Everything up to the barrier goes out without waiting; an open or an add that the switch refuses is
      // an error with the message's transaction id that comes before the barrier's reply.
      bundle_.barrier_xid = next_xid_++;
      break;
    }
  }
  if (batch != nullptr) queue_.push_back(batch);
  if (bundle_.barrier_xid != 0) queue_.push_back(xpu_ovs_barrier(bundle_.barrier_xid));
  if (!status.ok()) {
    bundle_.refused = status;
    AbandonBundle();
  }
  return true;
}

// Nothing of it comes to be.
void OpenFlowClient::AbandonBundle() {
  queue_.push_back(xpu_ovs_bundle_control(XPU_OVS_BUNDLE_DISCARD, bundle_.id, next_xid_++));
  FinishBundle(bundle_.refused);
}

std::string OpenFlowClient::FlowOf(uint32_t index) const {
  const SwitchPlan& plan = *bundle_.plan;
  if (index < plan.flow_deletes.size()) return FlowToText(plan.flow_deletes[index]);
  const auto put = std::next(plan.flow_puts.begin(), index - plan.flow_deletes.size());
  return FlowToText(put->first, put->second);
}

void OpenFlowClient::HandleRefusal(const xpu_ovs_message& header) {
  if (state_ == State::kReadingFlows && header.xid == monitor_xid_ && dump_xid_ == 0) {
    dump_xid_ = next_xid_++;
    queue_.push_back(xpu_ovs_flow_dump(kFlowCookie, kFlowCookieMask, dump_xid_));
    return;
  }
  if (state_ == State::kReadingFlows && header.xid == dump_xid_) {
    Drop(absl::StrCat("the switch refuses to report its flows: ", header.error_text), 0);
    return;
  }
  const uint32_t index = header.xid - bundle_.first_xid;
  const bool of_commit = step_ == Step::kCommitting && header.xid == bundle_.commit_xid;
  if (step_ == Step::kNone || (index >= bundle_.count && header.xid != bundle_.id && !of_commit)) return;
  if (bundle_.refused.ok()) {
    const std::string what = index < bundle_.count ? absl::StrCat("flow '", FlowOf(index), "'")
                                                   : absl::StrCat("a bundle of ", bundle_.count, " flows");
    bundle_.refused = absl::InvalidArgumentError(
        absl::StrCat("the switch refused ", what, ": ", header.error_name, " (", header.error_text, ")"));
  }
  if (of_commit) FinishBundle(bundle_.refused);
}

void OpenFlowClient::HandleBundleReply(const xpu_ovs_message& header) {
  if (step_ == Step::kAdding && header.xid == bundle_.barrier_xid) {
    if (!bundle_.refused.ok()) {
      AbandonBundle();
      return;
    }
    step_ = Step::kCommitting;
    bundle_.commit_xid = next_xid_++;
    queue_.push_back(xpu_ovs_bundle_control(XPU_OVS_BUNDLE_COMMIT, bundle_.id, bundle_.commit_xid));
  } else if (step_ == Step::kCommitting && header.xid == bundle_.commit_xid) {
    TakeOver();
    FinishBundle(absl::OkStatus());
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
  bundle_ = Bundle();
  bundle_result_ = std::move(status);
}

std::optional<absl::Status> OpenFlowClient::TakeBundleResult() {
  return std::exchange(bundle_result_, std::nullopt);
}

}  // namespace xpu
