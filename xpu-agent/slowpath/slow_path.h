#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "common/base/event_loop.h"
#include "xpu-agent/datapath/packet_io.h"
#include "xpu-agent/model/model_change.h"
#include "xpu-agent/slowpath/advertisement_schedule.h"
#include "xpu-agent/slowpath/model_index.h"
#include "xpu-agent/slowpath/responder.h"

namespace xpu {

// Answers what the flows of the switch cannot: DHCP, router solicitations, what a router says of packets that
// it cannot bring on; and has the routers of all networks advertise. It knows the model and nothing else: all
// that it says can be said again by the next agent.
//
// A thread of its own does it; it sleeps while there is nothing to do. A flood fills the inbox, which is
// bounded, and delays nobody else.
class SlowPath {
 public:
  struct Options {
    uint64_t seed = 1;
    // Packets that wait for an answer; more are dropped.
    size_t max_waiting = 512;
    // Null: one that is steady.
    Clock* clock = nullptr;
  };
  // `packets` must outlive this; what it brings after that is dropped.
  SlowPath(PacketIo& packets, const Options& options);
  ~SlowPath();
  SlowPath(const SlowPath&) = delete;
  SlowPath& operator=(const SlowPath&) = delete;

  // Once.
  void Start();
  // What has changed in the model, which is empty at first; from any thread.
  void Change(ModelChange change);

  struct Counters {
    slowpath::ResponderCounters answers;
    // Sent, to a network or a host.
    uint64_t advertisements = 0;
    // Found the inbox full.
    uint64_t dropped = 0;
  };
  // From any thread.
  Counters counters() const;

 private:
  // What other threads hand in; lives as long as somebody may.
  struct Inbox;

  void Drain();
  void Advertise();
  void Arm();

  const Options options_;
  Clock& clock_;
  PacketIo& packets_;
  std::shared_ptr<Inbox> inbox_;
  EventLoop loop_;

  // On the loop only.
  slowpath::ModelIndex index_;
  slowpath::Responder responder_;
  slowpath::AdvertisementSchedule schedule_;
  EventLoop::Handle timer_;
  uint64_t advertisements_ = 0;

  std::thread thread_;
};

}  // namespace xpu
