// Addresses from a DHCP server behind the card's uplink, by the dhcp plugin.

#include <fstream>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/event_loop.h"
#include "common/base/folder_watch.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/lib/pair/probe.h"
#include "test/lib/pair/sandbox_fixture.h"

namespace xpu::testing {
namespace {

class DhcpPodsTest : public SandboxTest {
 protected:
  DhcpPodsTest() : SandboxTest({.name = "dhcp", .vfs = 2}) {}
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(SandboxTest::SetUp());
    CountWhatIsThere();
    ASSERT_NO_FATAL_FAILURE(StartServer());
    ASSERT_NO_FATAL_FAILURE(StartPlugin());
  }
  void TearDown() override {
    server_.reset();
    plugin_.reset();
    SandboxTest::TearDown();
  }

  // A server for the LAN, with an address on the bridge that stands for it.
  void StartServer() {
    NetNamespacesReal namespaces;
    const auto fabric = namespaces.Open(sandbox_->layout().netns("fabric"));
    ASSERT_TRUE(fabric.ok()) << fabric.status();
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    const auto addressed = RunProgram(
        {.argv = {"ip", "address", "add", "10.9.0.1/24", "dev", "lan"}, .net_namespace = *fabric}, deadline);
    ASSERT_TRUE(addressed.ok()) << addressed.status();
    const std::string config = folder_.path() + "/udhcpd.conf";
    std::ofstream(config) << "interface lan\nstart 10.9.0.50\nend 10.9.0.60\nmax_leases 10\n"
                          << "lease_file " << folder_.path() << "/leases\npidfile " << folder_.path()
                          << "/udhcpd.pid\noption subnet 255.255.255.0\noption router 10.9.0.1\n"
                          << "option lease 3600\n";
    std::ofstream(folder_.path() + "/leases");
    auto server = Process::Spawn({.argv = {"busybox", "udhcpd", "-f", config},
                                  .net_namespace = *fabric,
                                  .log_file = folder_.path() + "/udhcpd.log"});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  // The plugin's other half, which keeps the leases.
  void StartPlugin() {
    EventLoop loop;
    bool listens = false;
    const auto watch =
        FolderWatch::Start(loop, folder_.path(), [&](FolderWatch::Change, const std::string& name) {
          listens |= name == "dhcp.sock";
          if (listens) loop.Stop();
        });
    ASSERT_TRUE(watch.ok()) << watch.status();
    auto plugin = Process::Spawn({.argv = {"/usr/lib/cni/dhcp", "daemon", "-socketpath", Socket()},
                                  .log_file = folder_.path() + "/dhcp.log"});
    ASSERT_TRUE(plugin.ok()) << plugin.status();
    plugin_ = *std::move(plugin);
    const EventLoop::Handle deadline = loop.After(absl::Seconds(30), [&] { loop.Stop(); });
    loop.Run();
    ASSERT_TRUE(listens);
  }
  std::string Socket() const { return folder_.path() + "/dhcp.sock"; }
  nlohmann::json Definition() const {
    return {{"cniVersion", "1.0.0"},
            {"name", "lan"},
            {"type", "xpu-cni"},
            {"vlan", 0},
            {"ipam", {{"type", "dhcp"}, {"daemonSocketPath", Socket()}}}};
  }

  std::optional<Process> server_, plugin_;
};

TEST_F(DhcpPodsTest, PodsGetTheirAddressesFromAServerBehindTheUplink) {
  const auto a = pair_->StartPod({.name = "a", .definition = Definition()});
  ASSERT_TRUE(a.ok()) << a.status() << ReadFile(folder_.path() + "/dhcp.log").value_or("")
                      << ReadFile(folder_.path() + "/udhcpd.log").value_or("");
  const auto b = pair_->StartPod({.name = "b", .definition = Definition()});
  ASSERT_TRUE(b.ok()) << b.status();
  EXPECT_TRUE(absl::StartsWith(a->v4->ToString(), "10.9.0.5")) << a->result;
  EXPECT_NE(*a->v4, *b->v4);
  EXPECT_TRUE(*PingUntilAnswered(a->netns, *b->v4));
  EXPECT_TRUE(*PingUntilAnswered(a->netns, IpAddress::Parse("10.9.0.1").value()))
      << "the server, beyond the card";
  // An address that the server did not give is not the pod's.
  const auto own = InterfaceAddress::Parse("10.9.0.99/24").value();
  ASSERT_TRUE(AddAddress(a->netns, own).ok());
  EXPECT_FALSE(*Ping(a->netns, *b->v4, own.address.ToString()));
  EXPECT_TRUE(pair_->StopPod(*a).ok());
  EXPECT_TRUE(pair_->StopPod(*b).ok());
  ExpectNothingLeft();
}

}  // namespace
}  // namespace xpu::testing
