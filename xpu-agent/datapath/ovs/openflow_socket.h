#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>

#include "xpu-agent/datapath/ovs/socket_watch.h"

struct ofpbuf;
struct vconn;

namespace xpu {

// An OpenFlow 1.4 connection to the socket <folder>/<bridge>.mgmt: comes up whenever the socket is there,
// tells what arrives, sends what is queued. Belongs to the thread that runs the poll loop; never blocks.
class OpenFlowSocket {
 public:
  struct Options {
    std::string folder;
    std::string bridge;
    // A peer that says nothing for so many milliseconds while connecting is given up.
    long long patience = 0;
    // Called when a connection is there; what it sends goes out first.
    std::function<void()> connected;
    // Called when it is gone, with what was not sent by then (messages, not parts of them).
    std::function<void(size_t unsent)> lost;
    // Called with each message, which is freed afterwards.
    std::function<void(const ofpbuf* message)> received;
  };
  explicit OpenFlowSocket(Options options);
  // Without a call of lost().
  ~OpenFlowSocket();
  OpenFlowSocket(const OpenFlowSocket&) = delete;
  OpenFlowSocket& operator=(const OpenFlowSocket&) = delete;

  // Makes what progress there is to make; Wait() arranges that the poll loop wakes when there is more.
  void Run();
  void Wait();

  bool is_connected() const { return state_ == State::kConnected; }
  // Messages that wait to be sent.
  size_t queued() const { return queue_.size(); }
  // Takes `message`; only while connected.
  void Send(ofpbuf* message);

 private:
  enum class State { kDown, kConnecting, kConnected };

  void Connect();
  void Advance();
  void Close();
  void Drop(int error);
  void SendQueued();
  void ReceiveAll();

  const Options options_;
  SocketWatch socket_;
  State state_ = State::kDown;
  vconn* vconn_ = nullptr;
  // When to try again, in milliseconds of the library's clock; -1: only when the socket appears.
  long long retry_at_ = 0;
  int failures_ = 0;
  long long silent_until_ = 0;
  std::deque<ofpbuf*> queue_;
};

}  // namespace xpu
