#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "test/lib/ovs/child_process.h"
#include "test/lib/ovs/test_netns.h"

namespace xpu::testing {

// A private Open vSwitch: ovsdb-server and ovs-vswitchd with all their files in a temporary folder, in a
// network namespace of their own or one that is given. The database starts empty. Everything is gone when
// this is.
//
// Bridges need datapath_type=netdev (AddBridge does that): the kernel's datapath is neither needed nor
// touched.
class TestOvs {
 public:
  enum class Clock {
    kReal,
    // Stands still once the test has it stopped: Appctl({"time/stop"}), {"time/warp", "MILLISECONDS"}.
    kStoppable,
  };
  // With a namespace of its own, both daemons running.
  static absl::StatusOr<std::unique_ptr<TestOvs>> Start(Clock clock = Clock::kReal);
  // In `netns`, which must outlive this.
  static absl::StatusOr<std::unique_ptr<TestOvs>> StartIn(TestNetns& netns);
  // The same as Start(), with Debian's ovs-vswitchd that has DPDK, which is there from the start of the
  // daemon on: ports of type "dpdk" can be had, on interfaces of the kernel too (DpdkDevice()). No hugepages
  // are needed, and no processor is spent on looking for packets where none come.
  static absl::StatusOr<std::unique_ptr<TestOvs>> StartWithDpdk();
  ~TestOvs();

  // Where the switch's ports live.
  TestNetns& netns() { return *netns_; }
  const std::string& dir() const { return dir_; }
  // For an OVSDB client: "unix:/…/db.sock".
  std::string remote() const { return "unix:" + dir_ + "/db.sock"; }
  // The folder with the OpenFlow sockets, <bridge>.mgmt.
  const std::string& openflow_dir() const { return dir_; }

  // As kill -9 does. The Start functions return when the daemon serves; both may be called in any order.
  void KillVswitchd() { vswitchd_.Kill(); }
  absl::Status StartVswitchd();
  void KillOvsdbServer() { ovsdb_server_.Kill(); }
  absl::Status StartOvsdbServer();
  // While ovsdb-server does not run: as if it never had.
  absl::Status EmptyDatabase() const;
  ChildProcess& vswitchd() { return vswitchd_; }
  ChildProcess& ovsdb_server() { return ovsdb_server_; }

  // The tools of Open vSwitch, aimed at this one. Ofctl speaks OpenFlow 1.4, as the agent does (flows print
  // differently in 1.5); name bridges plainly:
  // Ofctl({"dump-flows", "--no-stats", "br0"}).
  absl::StatusOr<std::string> Ofctl(std::vector<std::string> args) const;
  absl::StatusOr<std::string> Vsctl(std::vector<std::string> args) const;
  // Commands to ovs-vswitchd, e.g. {"ofproto/trace", "br0", "in_port=1,…"}.
  absl::StatusOr<std::string> Appctl(std::vector<std::string> args) const;

  // A bridge as the agent makes it (secure, OpenFlow 1.4 and 1.5), and a port on it; for tests that come
  // without an agent. Port numbers are 1 to 0xfeff.
  absl::Status AddBridge(const std::string& bridge);
  absl::Status AddPort(const std::string& bridge, const std::string& interface, int ofport);
  // What options:dpdk-devargs has to be for a port that takes and gives the packets of an interface of the
  // kernel, one that is up; the `number` is another one for each.
  static std::string DpdkDevice(int number, const std::string& interface);
  // What the bridge has, in the form the tools print: one flow a line, without statistics,
  // sorted.
  absl::StatusOr<std::vector<std::string>> DumpFlows(const std::string& bridge) const;
  // Waits until packets meet the flows as they are now: a change of the flows is confirmed a few milliseconds
  // before the last entry of the datapath's cache that came from the old ones is gone.
  absl::Status AwaitRevalidation() const;
  // Waits until ovs-vswitchd does everything that it is asked for after this, by whichever way, with the
  // links, addresses and routes that its namespace has now: it reads what the kernel says of them in its own
  // time, and at each word about a link forgets the routes and reads them anew. What comes to or goes into a
  // tunnel of a datapath in user space meanwhile is lost.
  absl::Status AwaitKernelNews() const;
  // The end of the log of ovs-vswitchd, for messages of failed tests.
  std::string VswitchdLog() const;

 private:
  TestOvs() = default;
  absl::Status StartAll();
  absl::StatusOr<ChildProcess> StartDaemon(const std::string& program, std::vector<std::string> args);
  // Before ovs-vswitchd starts, which looks only then.
  absl::Status AskForDpdk() const;
  absl::StatusOr<std::string> Tool(const std::string& program, std::vector<std::string> args) const;

  Clock clock_ = Clock::kReal;
  // Where the ovs-vswitchd with DPDK is; empty for the one without.
  std::string dpdk_dir_;
  std::unique_ptr<TestNetns> own_netns_;
  TestNetns* netns_ = nullptr;
  std::string dir_;
  // Each start of a daemon logs into a file of its own, so that "it serves" is never read from an old log.
  int starts_ = 0;
  std::string vswitchd_log_;
  ChildProcess ovsdb_server_;
  ChildProcess vswitchd_;
};

}  // namespace xpu::testing
