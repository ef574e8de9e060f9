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
//
// A connection that is lost, or dropped, before it was Settled() is tried again later and later.
class OpenFlowSocket {
 public:
  struct Options {
    std::string folder;
    std::string bridge;
    // A peer that says nothing for so many milliseconds before the connection is settled is given up.
    long long patience = 0;
    // Called when a connection is there; what it sends goes out first.
    std::function<void()> connected;
    // Called when it is gone, with what was not sent by then (messages, not parts of them). reason() says
    // why.
    std::function<void(size_t unsent)> lost;
    // Called with each message, which is freed afterwards.
    std::function<void(ofpbuf* message)> received;
  };
  explicit OpenFlowSocket(Options options);
  // Without a call of lost().
  ~OpenFlowSocket();
  OpenFlowSocket(const OpenFlowSocket&) = delete;
  OpenFlowSocket& operator=(const OpenFlowSocket&) = delete;

  // Makes what progress there is to make; Wait() arranges that the poll loop wakes when there is more.
  void Run();
  void Wait();

  bool is_connected() const { return state_ == State::kConnected || state_ == State::kSettled; }
  // Why not, or why the connection before this one was lost.
  const std::string& reason() const { return reason_; }
  // No try has failed since the last connection that was settled, or since the socket was made.
  bool is_first_try() const { return failures_ == 0; }
  // The peer has said what it must to be of use.
  void Settled();

  // Buffers of messages that wait to be sent.
  size_t queued() const { return queue_.size(); }
  // Takes `messages`, one or several in one buffer; only while connected.
  void Send(ofpbuf* messages);
  // Sends what can be sent now.
  void Flush();

  // Ends the connection, if there is one, for that reason; it is tried again later.
  void Drop(const std::string& why, int error = 0);
  // The same, and it is tried again at once.
  void Reconnect(const std::string& why);

 private:
  enum class State { kDown, kConnecting, kConnected, kSettled };

  void Connect();
  void Advance();
  void Close();
  void ReceiveAll();

  const Options options_;
  SocketWatch socket_;
  State state_ = State::kDown;
  std::string reason_ = "not connected yet";
  vconn* vconn_ = nullptr;
  // When to try again, in milliseconds of the library's clock; -1: only when the socket appears.
  long long retry_at_ = 0;
  int failures_ = 0;
  // When to give up on a peer that is silent.
  long long silent_until_ = 0;
  std::deque<ofpbuf*> queue_;
};

}  // namespace xpu
