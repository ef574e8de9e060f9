// A sandbox with all its processes: that it serves, and that nothing of it is left, whatever was killed
// before.

#include "control-plane/sandbox/sandbox.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/sys/files.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "common/sys/process.h"
#include "common/sys/sysfs_pci_bus.h"
#include "control-plane/sandbox/process_record.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> MountsBelow(const std::string& dir) {
  std::vector<std::string> mounts;
  const std::string text = ReadFile("/proc/self/mountinfo").value_or("");
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StrContains(line, " " + dir + "/")) mounts.emplace_back(line);
  }
  return mounts;
}

class SandboxTest : public ::testing::Test {
 protected:
  void TearDown() override {
    EXPECT_TRUE(Sandbox::Down(dir_).ok());
    ExpectNothingLeft();
  }

  SandboxOptions Options() const { return {.name = "test", .vfs = 2, .dir = dir_, .bin_dir = XPU_BIN_DIR}; }

  void Up() {
    auto sandbox = Sandbox::Up(Options());
    ASSERT_TRUE(sandbox.ok()) << sandbox.status();
    sandbox_ = std::make_unique<Sandbox>(*std::move(sandbox));
    Remember();
  }

  // Notes the namespaces that there are now: after the end only their inodes can tell who lived in them.
  void Remember() {
    const SandboxLayout layout(dir_);
    const auto names = ListDirectory(layout.netns_dir());
    if (!names.ok()) return;
    for (const std::string& name : *names) {
      struct stat info {};
      if (stat(layout.netns(name).c_str(), &info) == 0) inodes_.push_back(info.st_ino);
    }
  }

  void ExpectNothingLeft() {
    EXPECT_TRUE(ProcessesInNamespaces(inodes_).empty()) << "processes live in the namespaces";
    EXPECT_THAT(MountsBelow(dir_), IsEmpty());
    EXPECT_TRUE(absl::IsNotFound(ListDirectory(dir_).status())) << "the folder is there";
  }

  // Runs Up() in a process of its own and kills that with -9 the moment it begins `step`.
  void KillUpAt(const std::string& step) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      close(ends[0]);
      Sandbox::Progress progress;
      progress.begin = [&](const std::string& begun) {
        if (begun != step) return;
        const bool told = write(ends[1], "x", 1) == 1;
        while (told) pause();  // the kill is on its way
      };
      Sandbox::Up(Options(), progress).status().IgnoreError();
      _exit(1);
    }
    close(ends[1]);
    char told = 0;
    EXPECT_EQ(read(ends[0], &told, 1), 1) << "it never came to " << step;
    close(ends[0]);
    Remember();
    ASSERT_EQ(kill(pid, SIGKILL), 0);
    ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
  }

  TemporaryDirectory folder_ = *TemporaryDirectory::Make();
  const std::string dir_ = folder_.path() + "/s";
  std::unique_ptr<Sandbox> sandbox_;
  std::vector<uint64_t> inodes_;
};

TEST_F(SandboxTest, EverythingServesAfterUpAndNothingIsLeftAfterDown) {
  ASSERT_NO_FATAL_FAILURE(Up());
  for (const Sandbox::ProcessState& process : sandbox_->Status()) {
    EXPECT_TRUE(process.alive) << process.name;
    for (const std::string& address : process.sockets) {
      struct stat info {};
      EXPECT_EQ(stat(address.substr(5).c_str(), &info), 0) << address;
      EXPECT_TRUE(S_ISSOCK(info.st_mode)) << address;
    }
  }
  EXPECT_EQ(ProcessesInNamespaces(inodes_).size(), sandbox_->Status().size());
  EXPECT_EQ(SysfsPciBus(sandbox_->layout().host_sysfs()).List()->size(), 3u);
  EXPECT_THAT(MountsBelow(dir_), ::testing::SizeIs(5)) << "three namespaces and two trees of sysfs";

  ASSERT_TRUE(Sandbox::Down(dir_).ok());
  ExpectNothingLeft();
  EXPECT_TRUE(Sandbox::Down(dir_).ok()) << "a second time";
}

TEST_F(SandboxTest, TheMachinesOwnNetworkIsLeftAlone) {
  auto machine = *NetlinkFactoryReal().Open(nullptr);
  const size_t before = machine->ListLinks()->size();
  ASSERT_NO_FATAL_FAILURE(Up());
  EXPECT_EQ(machine->ListLinks()->size(), before);
  EXPECT_TRUE(absl::IsNotFound(machine->GetLink("p0").status()));
}

TEST_F(SandboxTest, DownWorksAfterEverythingWasKilled) {
  ASSERT_NO_FATAL_FAILURE(Up());
  for (const Sandbox::ProcessState& process : sandbox_->Status()) {
    EXPECT_TRUE(sandbox_->Kill(process.name, SIGKILL).ok()) << process.name;
  }
  for (const Sandbox::ProcessState& process : sandbox_->Status()) EXPECT_FALSE(process.alive) << process.name;
  ASSERT_TRUE(Sandbox::Down(dir_).ok());
  ExpectNothingLeft();
}

TEST_F(SandboxTest, DownWorksAfterUpItselfWasKilled) {
  for (const char* step : {"xpu-card-emulator", "ovs-vswitchd-0", "xpu-host-agent"}) {
    ASSERT_NO_FATAL_FAILURE(KillUpAt(step)) << step;
    EXPECT_TRUE(absl::IsAlreadyExists(Sandbox::Up(Options()).status())) << "what is left is not built upon";
    ASSERT_TRUE(Sandbox::Down(dir_).ok()) << step;
    ExpectNothingLeft();
  }
}

TEST_F(SandboxTest, DownWorksWithoutTheRecordsOfProcesses) {
  ASSERT_NO_FATAL_FAILURE(Up());
  ASSERT_TRUE(RemoveTree(sandbox_->layout().record_dir()).ok());
  ASSERT_TRUE(Sandbox::Down(dir_).ok());
  ExpectNothingLeft();
}

TEST_F(SandboxTest, AProcessThatWasKilledIsStartedAgain) {
  ASSERT_NO_FATAL_FAILURE(Up());
  for (const char* name : {"xpu-agent-0", "xpu-host-agent", "xpu-card-emulator", "xpu-device-plugin"}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(sandbox_->Start(name))) << name << " runs";
    ASSERT_TRUE(sandbox_->Kill(name, SIGKILL).ok()) << name;
    const absl::Status started = sandbox_->Start(name);
    EXPECT_TRUE(started.ok()) << started;
  }
  EXPECT_TRUE(absl::IsNotFound(sandbox_->Start("no-such-process")));
}

TEST_F(SandboxTest, APodsNamespaceGoesWithItsProcessesAndTheFunctionComesBack) {
  ASSERT_NO_FATAL_FAILURE(Up());
  ASSERT_TRUE(sandbox_->AddPodNamespace("pod").ok());
  NetNamespacesReal namespaces;
  auto host = *NetlinkFactoryReal().Open(*namespaces.Open(sandbox_->layout().netns("host")));
  EventLoop loop;
  {
    auto pod = *namespaces.Open(sandbox_->layout().netns("pod"));
    LinkChange move;
    move.net_namespace = pod;
    ASSERT_TRUE(host->ChangeLink(host->GetLink("p0v1")->ifindex, move).ok());
    auto inside = Process::Spawn({.argv = {"sleep", "infinity"}, .net_namespace = pod});
    ASSERT_TRUE(inside.ok());
    pod.reset();
    ASSERT_TRUE(sandbox_->RemovePodNamespace("pod").ok());
    EXPECT_EQ(inside->Wait(absl::Now() + absl::Seconds(20))->signal, SIGKILL);
  }
  EXPECT_TRUE(absl::IsNotFound(namespaces.Open(sandbox_->layout().netns("pod")).status()));
  bool back = false;
  auto monitor = host->MonitorLinks(loop, [&](const Link& link, bool gone) {
    if (gone || link.name != "p0v1") return;
    back = true;
    loop.Stop();
  });
  const EventLoop::Handle deadline = loop.After(absl::Seconds(20), [&] { loop.Stop(); });
  loop.Run();
  EXPECT_TRUE(back);
  EXPECT_TRUE(sandbox_->RemovePodNamespace("pod").ok()) << "a second time";
}

TEST_F(SandboxTest, AProgramThatDoesNotStartIsNamedWithTheEndOfItsLog) {
  const std::string bin = folder_.path() + "/bin";
  ASSERT_TRUE(MakeDirectories(bin).ok());
  const auto programs = ListDirectory(XPU_BIN_DIR);
  for (const std::string& name : *programs) {
    ASSERT_EQ(symlink(absl::StrCat(XPU_BIN_DIR, "/", name).c_str(), absl::StrCat(bin, "/", name).c_str()), 0);
  }
  ASSERT_EQ(unlink((bin + "/xpu-apiserver").c_str()), 0);
  ASSERT_TRUE(
      WriteFileAtomic(bin + "/xpu-apiserver", "#!/bin/sh\necho the disk is on fire >&2\nexit 3\n", 0755)
          .ok());
  SandboxOptions options = Options();
  options.bin_dir = bin;
  const absl::Status status = Sandbox::Up(options).status();
  EXPECT_THAT(status.message(), HasSubstr("xpu-apiserver"));
  EXPECT_THAT(status.message(), HasSubstr("exit code 3"));
  EXPECT_THAT(status.message(), HasSubstr("the disk is on fire"));
  ExpectNothingLeft();
}

TEST_F(SandboxTest, EachCardHasADpuAndASwitchOfItsOwn) {
  SandboxOptions options = Options();
  options.cards = 2;
  auto sandbox = Sandbox::Up(options);
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  Remember();
  EXPECT_EQ(inodes_.size(), 4u) << "the host, the fabric and two DPUs";
  EXPECT_EQ(SysfsPciBus(sandbox->layout().host_sysfs()).List()->size(), 6u);
  for (int card = 0; card < 2; ++card) {
    EXPECT_THAT(*ListDirectory(sandbox->layout().dpu_sysfs(card) + "/class/net"),
                ::testing::IsSupersetOf({"pf0vf0", "pf0vf1"}));
  }
  EXPECT_NE(*ReadTrimmed(sandbox->layout().dpu_sysfs(0) + "/class/net/pf0vf0/phys_switch_id"),
            *ReadTrimmed(sandbox->layout().dpu_sysfs(1) + "/class/net/pf0vf0/phys_switch_id"));
  for (const Sandbox::ProcessState& process : sandbox->Status()) EXPECT_TRUE(process.alive) << process.name;
}

TEST_F(SandboxTest, OneFolderHoldsOneSandbox) {
  ASSERT_NO_FATAL_FAILURE(Up());
  const absl::Status status = Sandbox::Up(Options()).status();
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  auto opened = Sandbox::Open(dir_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->options().vfs, 2);
  EXPECT_TRUE(absl::IsNotFound(Sandbox::Open(dir_ + "/elsewhere").status()));
}

}  // namespace
}  // namespace xpu
