#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/backoff.h"
#include "common/base/event_loop.h"
#include "xpu-agent/core/agent_state.h"
#include "xpu-agent/core/model_store.h"
#include "xpu-agent/core/port_changes.h"
#include "xpu-agent/core/realizer.h"
#include "xpu-agent/core/representor_table.h"
#include "xpu-agent/core/representors.h"

namespace xpu {

class ModelOwner;

// The state as it is at this moment; only within the callback that got it.
class ModelView {
 public:
  const AgentState& state() const;
  // Of the object with this OPI name: confirmed only if the switch has all of its newest version.
  ObjectState StateOf(const std::string& name) const;
  // How the functions' representors are.
  PortHealth ports() const;

 private:
  friend class ModelOwner;
  explicit ModelView(const ModelOwner& owner) : owner_(owner) {}
  const ModelOwner& owner_;
};

// A change and what its caller wants to hear.
struct ChangeRequest {
  // Checks and changes a draft of the state; an error leaves everything as it is.
  std::function<absl::Status(AgentState& draft, const RepresentorLookup& lookup)> change;
  // OPI names of the objects whose confirmation is waited for. For an object that goes: that it is gone.
  // Without any it is answered once it is stored.
  std::vector<std::string> objects;
  // When to answer at the latest, from when the request came.
  absl::Duration patience = absl::InfiniteDuration();
  // What the switch refuses is an error; otherwise the object is answered with its state.
  bool must_be_confirmed = false;
  // Whether what was asked for still stands, so that it is not another request's work that is confirmed.
  // Optional.
  std::function<bool(const AgentState&)> stands;
  // Takes the change back if it cannot be confirmed in time. Without it the change stays wanted, and is
  // realised as soon as that is possible, whatever the caller was answered. Optional.
  std::function<void(AgentState& draft)> rollback;
  // Called once on the loop, unless the change is refused by an owner that is closed: then at once. Errors:
  // those of `change` and of the store (nothing was changed), those of the switch, and
  //   Unavailable       the switch cannot be reached, or the agent stops
  //   DeadlineExceeded  the switch did not confirm in time
  //   Aborted           another request changed the object while this one waited
  std::function<void(const absl::Status& status, const ModelView& view)> done;
};

// Owns the agent's state: checks changes, writes them to the store, has them realised, and answers who waits.
// All state is touched on one loop only; Submit() and Read() may be called from any thread.
//
// A change goes: check → store → new version → realise → confirm. So what was answered OK survives a kill,
// and what was not answered is either not in the store or realised after the restart.
class ModelOwner {
 public:
  struct Options {
    // No request waits longer than this for the switch.
    absl::Duration max_patience = absl::Seconds(10);
    // Between tries while the switch cannot be reached or refuses something.
    Backoff::Options retry;
    uint64_t seed = 1;
    // After so long without a change the switch is read again and compared, once.
    absl::Duration verify_after = absl::Seconds(1);
    // As Model::tunnel.
    std::optional<Tunnel> tunnel = {};
    // Interface that stands for the physical port and belongs on the switch; empty if there is none.
    std::string uplink = {};
    // PCI address by which DPDK drives the card; empty if the kernel does.
    std::string dpdk_device = {};
  };
  // Nothing is owned; all must outlive the object.
  ModelOwner(EventLoop& loop, ModelStore& store, Switch& the_switch, Representors& representors,
             const Options& options);
  // On the loop, or when it does not run any more.
  ~ModelOwner();

  // Before the loop runs. Loads the state, finds the representors and starts to realise.
  absl::Status Start();
  // On the loop: answers all who wait Unavailable, and all who come.
  void Close();

  void Submit(ChangeRequest request);
  void Read(std::function<void(const ModelView& view)> reader);
  // Calls `changed` on the loop, at first once the switch was looked at and then whenever the health of a
  // port has changed, for as long as this object is there. One at a time.
  void ObservePorts(std::function<void(const PortHealth& ports)> changed);
  // Calls `changed` with what changes in the model, which is empty at first: within Start(), and then on the
  // loop. One at a time, before Start().
  void ObserveModel(std::function<void(const ModelChange& change)> changed) {
    model_changed_ = std::move(changed);
  }
  // Calls `changed` on the loop with whether the switch can be reached: once it was looked at, and then
  // whenever that changes, for as long as this object is open. One at a time.
  void ObserveSwitch(std::function<void(bool reachable)> changed);
  EventLoop& loop() { return loop_; }

 private:
  friend class ModelView;
  struct Waiter {
    ChangeRequest request;
    uint64_t version = 0;
    absl::Duration patience;
    EventLoop::Handle timer;
  };

  void Run(ChangeRequest request);
  // Makes `draft` the state: store, version, realiser.
  absl::Status Commit(AgentState draft);
  // Without the store. `change` leads to the draft, as far as the store is concerned.
  void Publish(AgentState draft, StateChange change);
  uint64_t VersionOf(const std::vector<std::string>& objects) const;
  ObjectState StateOf(const std::string& name) const;
  absl::Status Lookup(const std::string& port_id);
  void FindRepresentorsAgain();
  // Looks at which there are now.
  absl::Status ScanRepresentors();
  void PutRepresentors(Model* model) const;
  // Makes those ready that the change, which leads to `model`, needs with a larger MTU.
  absl::Status PrepareRepresentors(const ModelChange& change, const Model& model);
  void OnReport(Report report);
  PortHealth HealthNow() const;
  // Tell the observers if something changed.
  void CheckHealth();
  void CheckSwitch();
  void AnswerWaiters();
  // True if it was answered.
  bool TryAnswer(Waiter& waiter);
  void GiveUp(std::list<Waiter>::iterator waiter);
  void Answer(Waiter& waiter, const absl::Status& status, bool take_back);

  EventLoop& loop_;
  ModelStore& store_;
  Representors& representors_;
  const Options options_;
  Backoff backoff_;
  // Whether this object is still there, for what was posted.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  AgentState state_;
  RepresentorTable table_;
  // As the table has them.
  SharedMap<Representor> usable_;
  // What the observer was told last, and whether that may be out of date.
  std::optional<PortHealth> health_;
  bool health_is_old_ = true;
  std::function<void(const PortHealth&)> health_changed_;
  std::function<void(const ModelChange&)> model_changed_;
  // What the observer was told last.
  std::optional<bool> switch_reachable_;
  std::function<void(bool)> switch_changed_;
  // The switch was looked at, whatever came of it.
  bool is_reported_ = false;
  uint64_t version_ = 1;
  // By OPI name: the version that changed the object last.
  std::map<std::string, uint64_t> changed_;
  // By the id of its port: the version that put the representor where it is.
  std::map<std::string, uint64_t> representor_changed_;
  Report report_;
  std::list<Waiter> waiters_;
  EventLoop::Handle retry_;
  EventLoop::Handle verify_;
  bool closed_ = false;
  std::unique_ptr<Representors::Watcher> watcher_;

  // Last, so that its thread ends first.
  Realizer realizer_;
};

}  // namespace xpu
