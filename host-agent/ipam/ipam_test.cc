#include "host-agent/ipam/ipam.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/unique_fd.h"
#include "common/sys/files.h"
#include "host-agent/ipam/exec_ipam.h"
#include "host-agent/ipam/fake_ipam.h"
#include "host-agent/ipam/ipam_contract.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

class FakeHarness final : public IpamHarness {
 public:
  IpamRunner& runner() override { return runner_; }
  IpamCall call() override { return {.type = "host-local"}; }

 private:
  FakeIpamRunner runner_{*IpPrefix::Parse("10.9.0.0/29")};
};

std::unique_ptr<IpamHarness> MakeFakeHarness() { return std::make_unique<FakeHarness>(); }
INSTANTIATE_TEST_SUITE_P(Fake, IpamContract, ::testing::Values(&MakeFakeHarness));

TEST(FakeIpamRunner, FailsWhenToldTo) {
  FakeIpamRunner runner;
  runner.SetError(absl::UnavailableError("away"));
  EXPECT_EQ(runner.Add({}, {.container_id = "c", .ifname = "net1"}).status(), absl::UnavailableError("away"));
  runner.SetError(absl::OkStatus());
  EXPECT_TRUE(runner.Add({}, {.container_id = "c", .ifname = "net1"}).ok());
  EXPECT_THAT(runner.Commands(), ::testing::ElementsAre("ADD c net1", "ADD c net1"));
  EXPECT_EQ(runner.Given().size(), 1u);
}

// Debian's containernetworking-plugins.
constexpr char kPlugins[] = "/usr/lib/cni";

// The real host-local, once for an old version of the specification and once for a newer one than it knows.
class HostLocalHarness final : public IpamHarness {
 public:
  explicit HostLocalHarness(std::string version) : version_(std::move(version)) {}
  IpamRunner& runner() override { return runner_; }
  IpamCall call() override {
    return {
        .type = "host-local",
        .path = absl::StrCat("/nowhere:", kPlugins),
        .config = absl::StrCat(
            R"({"cniVersion":")", version_,
            R"(","name":"blue","type":"xpu-cni","deviceID":"0000:03:00.2","ipam":{"type":"host-local","dataDir":")",
            folder_.path(),
            R"(","ranges":[[{"subnet":"10.9.0.0/29","gateway":"10.9.0.1"}]],"routes":[{"dst":"0.0.0.0/0"}]}})")};
  }

 private:
  const std::string version_;
  TemporaryDirectory folder_ = *TemporaryDirectory::Make();
  ExecIpamRunner runner_;
};

std::unique_ptr<IpamHarness> MakeOldHarness() { return std::make_unique<HostLocalHarness>("0.4.0"); }
std::unique_ptr<IpamHarness> MakeHarness() { return std::make_unique<HostLocalHarness>("1.0.0"); }
std::unique_ptr<IpamHarness> MakeNewHarness() { return std::make_unique<HostLocalHarness>("1.1.0"); }
INSTANTIATE_TEST_SUITE_P(HostLocal, IpamContract,
                         ::testing::Values(&MakeOldHarness, &MakeHarness, &MakeNewHarness));

TEST(ExecIpamRunner, RunsTheRealStaticPlugin) {
  ExecIpamRunner runner;
  const IpamCall call{
      .type = "static",
      .path = kPlugins,
      .config = R"({"cniVersion":"0.3.1","name":"blue","type":"xpu-cni","ipam":{"type":"static",
          "addresses":[{"address":"10.9.0.4/24","gateway":"10.9.0.1"},{"address":"2001:db8::4/64"}],
          "routes":[{"dst":"192.0.2.0/24","gw":"10.9.0.9"}],"dns":{"domain":"example"}}})"};
  const auto result = runner.Add(call, {.container_id = "c", .ifname = "net1", .netns = "/run/netns/c"});
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->addresses.size(), 2u);
  EXPECT_EQ(result->addresses[1].address.ToString(), "2001:db8::4/64");
  EXPECT_EQ(result->routes[0].gateway, *IpAddress::Parse("10.9.0.9"));
  EXPECT_EQ(result->dns.domain, "example");
}

// A plugin that is a script.
class ScriptTest : public ::testing::Test {
 protected:
  IpamCall Plugin(const std::string& script) {
    const std::string path = folder_.path() + "/scripted";
    EXPECT_TRUE(WriteFileAtomic(path, "#!/bin/sh\n" + script, 0755).ok());
    return {.type = "scripted", .path = folder_.path(), .args = "A=1;B=2", .config = R"({"name":"blue"})"};
  }
  CniFailure FailureOf(const std::string& script) {
    const auto result = runner_.Add(Plugin(script), kAttachment);
    EXPECT_FALSE(result.ok());
    return ToCniFailure(result.status());
  }

  const Attachment kAttachment{.container_id = "c1", .ifname = "net1", .netns = "/run/netns/pod"};
  TemporaryDirectory folder_ = *TemporaryDirectory::Make();
  ExecIpamRunner runner_;
};

TEST_F(ScriptTest, GetsEnvironmentAndConfigurationAsSpecified) {
  const IpamCall call =
      Plugin("cat > " + folder_.path() + "/config\n" +
             "echo $CNI_COMMAND $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME \"$CNI_ARGS\" $CNI_PATH > " +
             folder_.path() + "/env\n" + R"(echo '{"ips":[{"address":"10.0.0.5/24"}]}')");
  const auto result = runner_.Add(call, kAttachment);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->addresses[0].address.ToString(), "10.0.0.5/24");
  EXPECT_EQ(*ReadFile(folder_.path() + "/config"), call.config);
  EXPECT_EQ(*ReadTrimmed(folder_.path() + "/env"), "ADD c1 /run/netns/pod net1 A=1;B=2 " + folder_.path());
}

TEST_F(ScriptTest, HearsNewCommandsIfItSaysThatItKnowsThem) {
  const auto with_versions = [this](const std::string& versions) {
    return Plugin("if [ $CNI_COMMAND = VERSION ]; then echo '{\"supportedVersions\":[" + versions +
                  "]}'; else echo $CNI_COMMAND >> " + folder_.path() + "/heard; fi");
  };
  EXPECT_TRUE(runner_.Gc(with_versions(R"("1.0.0","1.1.0")")).ok());
  EXPECT_TRUE(runner_.Status(with_versions(R"("1.1.0")")).ok());
  EXPECT_TRUE(runner_.Gc(with_versions(R"("1.0.0")")).ok());
  EXPECT_EQ(*ReadFile(folder_.path() + "/heard"), "GC\nSTATUS\n");
}

TEST_F(ScriptTest, ItsErrorIsPassedOn) {
  const CniFailure failure =
      FailureOf(R"(echo '{"cniVersion":"1.0.0","code":11,"msg":"come back","details":"soon"}'; exit 1)");
  EXPECT_EQ(failure.code, CniCode::kTryAgainLater);
  EXPECT_EQ(failure.msg, "IPAM plugin scripted: come back");
  EXPECT_EQ(failure.details, "soon");
}

TEST_F(ScriptTest, AnEndWithoutAnErrorIsNamed) {
  const CniFailure crashed = FailureOf("echo 'out of luck' >&2; exit 7");
  EXPECT_THAT(crashed.msg, HasSubstr("ADD ended with exit code 7"));
  EXPECT_EQ(crashed.details, "out of luck");
  EXPECT_THAT(FailureOf("kill -9 $$").msg, HasSubstr("signal 9"));
  EXPECT_THAT(FailureOf("echo hello").msg, HasSubstr("answered no result: it is no JSON object"));
}

TEST_F(ScriptTest, OneThatHangsIsKilledWithWhatItStarted) {
  // The background child holds a FIFO open for writing for as long as it lives.
  const std::string fifo = folder_.path() + "/alive";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const UniqueFd alive(open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ExecIpamRunner impatient({.deadline = absl::Milliseconds(300)});
  const auto result = impatient.Add(Plugin("sleep infinity > " + fifo + " &\nsleep infinity"), kAttachment);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded) << result.status();
  EXPECT_EQ(ToCniFailure(result.status()).code, CniCode::kTryAgainLater);
  ASSERT_EQ(fcntl(alive.get(), F_SETFL, 0), 0);
  char byte;
  EXPECT_EQ(read(alive.get(), &byte, 1), 0) << "somebody still writes";
  EXPECT_TRUE(waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD) << "there is a zombie";
}

TEST_F(ScriptTest, OneThatFloodsIsStopped) {
  ExecIpamRunner runner({.max_output = 1000});
  const auto result = runner.Add(Plugin("yes"), kAttachment);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted) << result.status();
}

TEST_F(ScriptTest, WhatItLeavesInTheBackgroundIsNotWaitedFor) {
  const auto result = runner_.Add(Plugin("sleep 100 &\necho $! > " + folder_.path() +
                                         R"(/pid; echo '{"ips":[{"address":"10.0.0.5/24"}]}')"),
                                  kAttachment);
  EXPECT_TRUE(result.ok()) << result.status();
  int pid = 0;
  ASSERT_TRUE(absl::SimpleAtoi(*ReadTrimmed(folder_.path() + "/pid"), &pid));
  EXPECT_EQ(kill(pid, SIGKILL), 0);
}

TEST_F(ScriptTest, OneThatIsNotThereIsNamed) {
  const auto missing =
      runner_.Add({.type = "none", .path = "/nowhere:relative:" + folder_.path()}, kAttachment);
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ToCniFailure(missing.status()).code, CniCode::kInvalidConfig);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("no IPAM plugin none in CNI_PATH"));
  for (const char* type : {"", "..", "../scripted", "/bin/sh"}) {
    EXPECT_THAT(
        std::string(runner_.Add({.type = type, .path = folder_.path()}, kAttachment).status().message()),
        HasSubstr("is no name of a plugin"));
  }
}

}  // namespace
}  // namespace xpu
