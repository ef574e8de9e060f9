// The client of a card's agent over TCP and mTLS, with a link between the two that the test interrupts.

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/event_loop.h"
#include "common/base/unique_fd.h"
#include "common/opi/grpc_opi_client.h"
#include "common/opi/opi_names.h"
#include "common/opi/port_news.h"
#include "common/rpc/bad_request.h"
#include "common/rpc/tls_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/lib/agent/agent_on_fakes.h"

namespace xpu {
namespace {

using testing::AgentOnFakes;
using ::testing::HasSubstr;
using testing::ReservedPort;
using testing::TestAuthority;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Carries TCP connections from one port of this machine to another, as long as it is let.
class Link {
 public:
  Link(int from, int to) : to_(to), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in address = Loopback(from);
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_.get(), 16), 0);
    thread_ = std::thread([this] { loop_.Run(); });
    loop_.PostAndWait([this] { accepts_ = loop_.OnReadable(listener_.get(), [this] { Accept(); }); });
  }
  ~Link() {
    loop_.PostAndWait([this] {
      accepts_.Cancel();
      ends_.clear();
    });
    loop_.Stop();
    thread_.join();
  }

  // Nothing comes through any more, and nobody is told: a half-open connection. Then everything does, late.
  void Freeze() {
    loop_.PostAndWait([this] {
      frozen_ = true;
      for (auto& [fd, end] : ends_) end.readable.Cancel();
    });
  }
  void Thaw() {
    loop_.PostAndWait([this] {
      frozen_ = false;
      for (auto& [fd, end] : ends_) Follow(fd);
    });
  }
  // Resets all connections; new ones are taken.
  void Reset() {
    loop_.PostAndWait([this] {
      const linger now{.l_onoff = 1, .l_linger = 0};
      for (auto& [fd, end] : ends_) setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
      ends_.clear();
    });
  }
  int connections() {
    int count = 0;
    loop_.PostAndWait([&] { count = connections_; });
    return count;
  }

 private:
  struct End {
    UniqueFd fd;
    int other = -1;
    EventLoop::Handle readable;
  };
  void Accept() {
    UniqueFd near(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    UniqueFd far(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = Loopback(to_);
    if (connect(far.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return;
    ++connections_;
    const int a = near.get(), b = far.get();
    ends_[a] = End{.fd = std::move(near), .other = b, .readable = {}};
    ends_[b] = End{.fd = std::move(far), .other = a, .readable = {}};
    Follow(a);
    Follow(b);
  }
  void Follow(int fd) {
    if (!frozen_) ends_.at(fd).readable = loop_.OnReadable(fd, [this, fd] { Carry(fd); });
  }
  void Carry(int fd) {
    std::array<char, 16384> buffer;
    const ssize_t n = recv(fd, buffer.data(), buffer.size(), 0);
    const int other = ends_.at(fd).other;
    if (n > 0 && send(other, buffer.data(), static_cast<size_t>(n), MSG_NOSIGNAL) == n) return;
    ends_.erase(other);
    ends_.erase(fd);
  }

  const int to_;
  const UniqueFd listener_;
  EventLoop loop_;
  EventLoop::Handle accepts_;
  std::map<int, End> ends_;
  bool frozen_ = false;
  int connections_ = 0;
  std::thread thread_;
};

class LinkTest : public ::testing::Test {
 protected:
  LinkTest() {
    client_ = GrpcOpiClient::Make(absl::StrCat("127.0.0.1:", near_.port()),
                                  {.credentials = credentials_, .deadline = absl::Seconds(20)})
                  .value();
  }

  const TemporaryDirectory folder_ = TemporaryDirectory::Make().value();
  const TestAuthority ca_{folder_.path(), "ca"};
  const ReservedPort near_, far_;
  const TlsFiles of_agent_ = ca_.Sign("agent", "spiffe://site/card/card0/agent");
  AgentOnFakes agent_{{.adjust = [this](XpuAgentOptions& options) {
    options.listen.push_back(absl::StrCat("127.0.0.1:", far_.port()));
    options.tls = of_agent_;
    options.trust_domain = "site";
  }}};
  const std::shared_ptr<TlsCredentials> credentials_ =
      TlsCredentials::Load(ca_.Sign("host", "spiffe://site/card/card0/host")).value();
  Link link_{near_.port(), far_.port()};
  PortNews news_;
  std::unique_ptr<GrpcOpiClient> client_;
};

TEST_F(LinkTest, ALinkThatFallsSilentIsFoundByTheMissingWordAndWorksOnLater) {
  client_->WatchPorts(news_.Observer());
  ASSERT_TRUE(news_.AwaitPort("host0-0", true));
  for (int round = 0; round < 2; ++round) {
    link_.Freeze();
    ASSERT_TRUE(news_.AwaitGone());
    EXPECT_THAT(std::string(news_.last().status().message()), HasSubstr("nothing came from it for 900ms"));
    agent_.representors().Remove(PortFunction::FromPortId("host0-3")->ToPhysPortName());
    link_.Thaw();
    ASSERT_TRUE(news_.AwaitPort("host0-3", false));
    const std::string name = PortFunction::FromPortId("host0-3")->ToPhysPortName();
    agent_.representors().Add(name, name);
    ASSERT_TRUE(news_.AwaitPort("host0-3", true));
  }
  EXPECT_EQ(link_.connections(), 1) << "it is the same connection";
  client_->WatchPorts(nullptr);
}

TEST_F(LinkTest, ALinkThatBreaksIsMadeAgain) {
  absl::Mutex mu;
  int lists = 0;
  client_->WatchPorts([&](const absl::StatusOr<agent::v1::PortStates>& states) {
    absl::MutexLock lock(&mu);
    if (states.ok()) ++lists;
  });
  for (int round = 0; round < 4; ++round) {
    {
      // Each connection brings one.
      absl::MutexLock lock(&mu);
      const auto more = [&] { return lists > round; };
      ASSERT_TRUE(mu.AwaitWithTimeout(absl::Condition(&more), absl::Seconds(20)));
    }
    EXPECT_GT(link_.connections(), round);
    EXPECT_EQ(client_->ListPortBindings().status(), absl::OkStatus());
    link_.Reset();
  }
  client_->WatchPorts(nullptr);
}

TEST_F(LinkTest, ACallThatIsLostOnTheWayEndsAtItsDeadline) {
  const auto impatient =
      GrpcOpiClient::Make(absl::StrCat("127.0.0.1:", near_.port()),
                          {.credentials = credentials_, .deadline = absl::Milliseconds(200)})
          .value();
  // A connection may take longer than a call on a busy machine.
  while (!impatient->ListPortBindings().ok()) {
  }
  link_.Freeze();
  const absl::Status status = impatient->ListPortBindings().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(status.message()), HasSubstr("ListPortBindings at 127.0.0.1:"));
  link_.Thaw();
}

TEST_F(LinkTest, NewCredentialsAreTakenUpWithoutAnyoneHearingOfIt) {
  client_->WatchPorts(news_.Observer());
  ASSERT_TRUE(news_.AwaitPort("host0-0", true));
  ASSERT_EQ(link_.connections(), 1);
  ca_.Sign("host", "spiffe://site/card/card0/host");
  ASSERT_EQ(credentials_->Reload(), absl::OkStatus());
  const std::string name = PortFunction::FromPortId("host0-3")->ToPhysPortName();
  agent_.representors().Remove(name);
  ASSERT_TRUE(news_.AwaitPort("host0-3", false));
  EXPECT_EQ(client_->ListPortBindings().status(), absl::OkStatus());
  EXPECT_GE(link_.connections(), 2);
  client_->WatchPorts(nullptr);
}

TEST_F(LinkTest, TheFieldsThatAreWrongComeWithTheError) {
  evpn::BridgePortSpec spec;
  spec.set_mac_address("short");
  spec.set_ptype(evpn::BRIDGE_PORT_TYPE_ACCESS);
  const absl::Status status = client_->CreateBridgePort("host0-1", spec, 1).status();
  ASSERT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const std::vector<FieldViolation> violations = ViolationsOf(status);
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].field, "bridge_port.spec.mac_address");
}

}  // namespace
}  // namespace xpu
