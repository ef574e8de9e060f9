// What a pod asks for in its annotations kubernetes.io/ingress-bandwidth and kubernetes.io/egress-bandwidth,
// as the runtime hands it to the CNI plugin (runtimeConfig.bandwidth), counted in packets that arrive.

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/time/clock.h"
#include "common/base/unique_fd.h"
#include "common/sys/in_namespace.h"
#include "common/sys/net_namespaces_real.h"
#include "gtest/gtest.h"
#include "test/lib/pair/probe.h"
#include "test/lib/pair/sandbox_fixture.h"

namespace xpu::testing {
namespace {

// Frames of 1,000 octets: headers of Ethernet, IPv4 and UDP, and the rest.
constexpr size_t kPayload = 1000 - 14 - 20 - 8;
constexpr int64_t kFrameBits = 8000;
// Fewer than the switch takes from a port in one go.
constexpr int kMany = 30;
// Bits a second and bits. So slow that what is refilled while a test runs is counted in single frames: what
// passes at once is the burst.
constexpr int64_t kRate = 1000;
constexpr int64_t kBurst = 10 * kFrameBits;
// Of the burst, some is spent before: on announcements, and on asking for neighbours.
constexpr int kAtLeast = 5;
constexpr uint16_t kPort = 4711;

class BandwidthTest : public SandboxTest {
 protected:
  BandwidthTest() : SandboxTest({.name = "bandwidth", .vfs = 4}) {}
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(SandboxTest::SetUp());
    ASSERT_NO_FATAL_FAILURE(MakeExampleNetworks());
    CountWhatIsThere();
  }

  // A pod in the network "blue"; null asks for no limit.
  Pod Start(const std::string& name, const nlohmann::json& bandwidth) {
    nlohmann::json definition = {{"cniVersion", "1.1.0"},
                                 {"name", "blue"},
                                 {"type", "xpu-cni"},
                                 {"network", "default/blue"},
                                 {"capabilities", {{"bandwidth", true}}}};
    if (!bandwidth.is_null()) definition["runtimeConfig"]["bandwidth"] = bandwidth;
    auto pod = pair_->StartPod({.name = name, .definition = definition});
    EXPECT_TRUE(pod.ok()) << pod.status();
    return pod.value_or(Pod());
  }

  static UniqueFd OpenSocket(const Pod& pod) {
    UniqueFd fd;
    const auto ns = NetNamespacesReal().Open(pod.netns);
    EXPECT_TRUE(ns.ok()) << ns.status();
    const absl::Status opened = InNamespace(*ns, [&]() -> absl::Status {
      fd.Reset(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      return fd ? absl::OkStatus() : absl::ErrnoToStatus(errno, "cannot make a socket");
    });
    EXPECT_TRUE(opened.ok()) << opened;
    return fd;
  }
  static sockaddr_in AddressOf(const Pod& pod) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(kPort);
    const std::string bytes = pod.v4->ToBytes();
    memcpy(&address.sin_addr, bytes.data(), bytes.size());
    return address;
  }

  // How many of so many frames arrive. Not before `enough` have come, whatever time that takes, and
  // `bystander`, which nothing limits, has had two answers of `answers`: then the switch is done with them.
  int CountArrived(const Pod& from, const Pod& to, int enough, const Pod& bystander, const Pod& answers) {
    const UniqueFd receiver = OpenSocket(to);
    const UniqueFd sender = OpenSocket(from);
    const sockaddr_in address = AddressOf(to);
    const auto* name = reinterpret_cast<const sockaddr*>(&address);
    const timeval patience{.tv_sec = 60};
    EXPECT_EQ(setsockopt(receiver.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    EXPECT_EQ(bind(receiver.get(), name, sizeof address), 0);
    const std::string payload(kPayload, '.');
    for (int i = 0; i < kMany; ++i) {
      EXPECT_EQ(sendto(sender.get(), payload.data(), payload.size(), 0, name, sizeof address),
                static_cast<ssize_t>(payload.size()));
    }
    char buffer[kPayload + 1];
    int arrived = 0;
    while (arrived < enough && recv(receiver.get(), buffer, sizeof buffer, 0) > 0) ++arrived;
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(*PingUntilAnswered(bystander.netns, *answers.v4));
    while (recv(receiver.get(), buffer, sizeof buffer, MSG_DONTWAIT) > 0) ++arrived;
    return arrived;
  }

  // The most that a full bucket, and what has come into it since, lets through.
  static int MostSince(absl::Time start) {
    const auto refilled = static_cast<int64_t>(absl::ToDoubleSeconds(absl::Now() - start) * kRate) + 1;
    return static_cast<int>((kBurst + refilled) / kFrameBits);
  }
};

TEST_F(BandwidthTest, APodSendsAndGetsWhatItAskedForAndNoMore) {
  const Pod limited = Start(
      "limited",
      {{"egressRate", kRate}, {"egressBurst", kBurst}, {"ingressRate", kRate}, {"ingressBurst", kBurst}});
  const Pod a = Start("a", nullptr);
  const Pod b = Start("b", nullptr);
  ASSERT_FALSE(HasFailure());

  EXPECT_EQ(CountArrived(a, b, kMany, a, b), kMany);
  absl::Time start = absl::Now();
  const int sent = CountArrived(limited, b, kAtLeast, a, b);
  EXPECT_GE(sent, kAtLeast);
  EXPECT_LE(sent, MostSince(start));
  start = absl::Now();
  const int got = CountArrived(a, limited, kAtLeast, a, b);
  EXPECT_GE(got, kAtLeast);
  EXPECT_LE(got, MostSince(start));

  // The next one on the function is not held to it.
  for (const Pod& pod : {limited, a}) EXPECT_TRUE(pair_->StopPod(pod).ok()) << pod.name;
  const Pod c = Start("c", nullptr);
  const Pod d = Start("d", nullptr);
  const Pod e = Start("e", nullptr);
  ASSERT_FALSE(HasFailure());
  for (const Pod& next : {c, d, e}) {
    EXPECT_EQ(CountArrived(next, b, kMany, b, next), kMany) << next.name;
    EXPECT_EQ(CountArrived(b, next, kMany, b, next), kMany) << next.name;
  }
  for (const Pod& pod : {b, c, d, e}) EXPECT_TRUE(pair_->StopPod(pod).ok()) << pod.name;
  ExpectNothingLeft();
}

TEST_F(BandwidthTest, TheLimitStaysWhenTheAgentsComeAgain) {
  const Pod limited = Start("limited", {{"egressRate", kRate}, {"egressBurst", kBurst}});
  const Pod a = Start("a", nullptr);
  const Pod b = Start("b", nullptr);
  ASSERT_FALSE(HasFailure());
  const absl::Time start = absl::Now();
  for (const char* agent : {"xpu-agent-0", "xpu-host-agent"}) {
    ASSERT_NO_FATAL_FAILURE(Restart(agent, SIGKILL));
  }
  // Connected again.
  ASSERT_TRUE(pair_->AwaitDevices(1).ok());
  const int sent = CountArrived(limited, b, kAtLeast, a, b);
  EXPECT_GE(sent, kAtLeast);
  EXPECT_LE(sent, MostSince(start));
  for (const Pod& pod : {limited, a, b}) EXPECT_TRUE(pair_->StopPod(pod).ok()) << pod.name;
  ExpectNothingLeft();
}

}  // namespace
}  // namespace xpu::testing
