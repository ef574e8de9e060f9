#include "common/sys/process.h"

#include <signal.h>
#include <unistd.h>

#include <string>

#include "common/base/status_macros.h"
#include "common/sys/files.h"
#include "common/sys/net_namespaces_real.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

absl::Time Soon() { return absl::Now() + absl::Seconds(30); }

SpawnOptions Shell(const std::string& script) {
  SpawnOptions options;
  options.argv = {"/bin/sh", "-c", script};
  return options;
}

// A process that lives until it is told to end; `cat` would see the end of /dev/null at once.
SpawnOptions Sleeper() {
  SpawnOptions options;
  options.argv = {"sleep", "infinity"};
  return options;
}

TEST(Process, GivesTheExitCode) {
  auto process = Process::Spawn(Shell("exit 7"));
  ASSERT_TRUE(process.ok()) << process.status();
  auto ended = process->Wait(Soon());
  ASSERT_TRUE(ended.ok());
  EXPECT_EQ(ended->code, 7);
  EXPECT_EQ(ended->ToString(), "exit code 7");
  EXPECT_EQ(process->Wait(Soon())->code, 7) << "asked again";
  EXPECT_TRUE(process->Signal(SIGTERM).ok()) << "it has ended already";
}

TEST(Process, GivesTheSignalThatEndedIt) {
  auto process = Process::Spawn(Sleeper());
  ASSERT_TRUE(process.ok());
  ASSERT_TRUE(process->Signal(SIGKILL).ok());
  auto ended = process->Wait(Soon());
  EXPECT_EQ(ended->signal, SIGKILL);
  EXPECT_FALSE(ended->ok());
  EXPECT_EQ(ended->ToString(), "signal 9 (Killed)");
}

TEST(Process, AWaitEndsAtItsDeadlineAndTheProcessLivesOn) {
  auto process = Process::Spawn(Sleeper());
  ASSERT_TRUE(process.ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(process->Wait(absl::Now()).status()));
  EXPECT_EQ(kill(process->pid(), 0), 0);
}

TEST(Process, StopsKindlyAndThenNot) {
  auto kind = Process::Spawn(Sleeper());
  EXPECT_EQ(kind->Stop(absl::Seconds(30))->signal, SIGTERM);
  const TemporaryDirectory folder = *TemporaryDirectory::Make();
  auto ready = ReadinessSocket::Make(folder.path() + "/ready");
  ASSERT_TRUE(ready.ok());
  // Tells that it ignores SIGTERM from now on.
  SpawnOptions options;
  options.argv = {
      "python3", "-c",
      "import os, signal, socket\n"
      "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
      "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])\n"
      "while True: signal.pause()\n"};
  options.environment = {ready->environment()};
  auto stubborn = Process::Spawn(options);
  ASSERT_TRUE(stubborn.ok());
  ASSERT_TRUE(ready->Wait(*stubborn, Soon()).ok());
  EXPECT_EQ(stubborn->Stop(absl::Milliseconds(20))->signal, SIGKILL);
}

TEST(Process, DiesWithItsObjectUnlessReleased) {
  pid_t owned = 0;
  pid_t released = 0;
  {
    auto one = Process::Spawn(Sleeper());
    auto two = Process::Spawn(Sleeper());
    ASSERT_TRUE(one.ok() && two.ok());
    owned = one->pid();
    released = two->Release();
  }
  EXPECT_EQ(kill(owned, 0), -1);
  EXPECT_EQ(kill(released, 0), 0);
  EXPECT_EQ(kill(released, SIGKILL), 0);
  EXPECT_EQ(waitpid(released, nullptr, 0), released);
}

TEST(Process, SaysWhyAProgramCannotBeStarted) {
  SpawnOptions options;
  options.argv = {"/no/such/program"};
  EXPECT_TRUE(absl::IsNotFound(Process::Spawn(options).status()));
  options.argv = {"no-such-program"};
  const absl::Status status = Process::Spawn(options).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(status.message(), HasSubstr("no-such-program"));
  options.argv = {"/etc/passwd"};
  EXPECT_TRUE(absl::IsPermissionDenied(Process::Spawn(options).status()));
  options.argv = {};
  EXPECT_TRUE(absl::IsInvalidArgument(Process::Spawn(options).status()));
}

TEST(Process, RunsInTheNamespaceAndSessionAskedFor) {
  auto ns = NewNetNamespace();
  ASSERT_TRUE(ns.ok());
  SpawnOptions options = Shell("readlink /proc/self/ns/net; ps -o sid= -p $$; echo $$");
  options.net_namespace = *ns;
  auto output = RunProgram(options, Soon());
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_THAT(*output, HasSubstr(absl::StrCat("net:[", (*ns)->inode(), "]")));
  std::string sid;
  std::string pid;
  std::istringstream lines(*output);
  lines >> sid >> sid >> pid;
  EXPECT_EQ(sid, pid);
}

TEST(Process, WritesToItsLogAndGetsItsEnvironment) {
  const TemporaryDirectory folder = *TemporaryDirectory::Make();
  SpawnOptions options = Shell("echo out $XPU_TEST; echo err >&2");
  options.environment = {{"XPU_TEST", "value"}};
  options.log_file = folder.path() + "/log";
  ASSERT_TRUE(WriteFileAtomic(options.log_file, "before\n").ok());
  auto process = Process::Spawn(options);
  ASSERT_TRUE(process.ok() && process->Wait(Soon()).ok());
  EXPECT_EQ(*ReadFile(options.log_file), "before\nout value\nerr\n");
}

TEST(RunProgram, GivesTheOutputOrTheErrors) {
  EXPECT_EQ(*RunProgram(Shell("echo out; echo err >&2"), Soon()), "out\n");
  const absl::Status failed = RunProgram(Shell("echo out; echo err >&2; exit 3"), Soon()).status();
  EXPECT_TRUE(absl::IsInternal(failed));
  EXPECT_THAT(failed.message(), HasSubstr("exit code 3: err"));
  EXPECT_TRUE(absl::IsDeadlineExceeded(RunProgram(Sleeper(), absl::Now()).status()));
}

TEST(ReadinessSocket, AProcessThatEndsFirstIsNotReady) {
  const TemporaryDirectory folder = *TemporaryDirectory::Make();
  auto ready = ReadinessSocket::Make(folder.path() + "/ready");
  ASSERT_TRUE(ready.ok());
  auto process = Process::Spawn(Shell("exit 2"));
  const absl::Status status = ready->Wait(*process, Soon());
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("exit code 2"));
}

TEST(ReadinessSocket, GivesUpAtTheDeadline) {
  const TemporaryDirectory folder = *TemporaryDirectory::Make();
  auto ready = ReadinessSocket::Make(folder.path() + "/ready");
  auto process = Process::Spawn(Sleeper());
  EXPECT_TRUE(absl::IsDeadlineExceeded(ready->Wait(*process, absl::Now())));
}

TEST(ReadinessSocket, OtherNewsIsNotReadiness) {
  const TemporaryDirectory folder = *TemporaryDirectory::Make();
  auto ready = ReadinessSocket::Make(folder.path() + "/ready");
  SpawnOptions options;
  options.argv = {"python3", "-c",
                  "import os, socket\n"
                  "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
                  "s.sendto(b'STATUS=starting', os.environ['NOTIFY_SOCKET'])\n"};
  options.environment = {ready->environment()};
  auto process = Process::Spawn(options);
  ASSERT_TRUE(process.ok());
  EXPECT_TRUE(absl::IsAborted(ready->Wait(*process, Soon())));
}

TEST(ReadinessSocket, RefusesAPathThatNoSocketCanHave) {
  EXPECT_TRUE(absl::IsInvalidArgument(ReadinessSocket::Make("/tmp/" + std::string(120, 'x')).status()));
}

TEST(RunToEnd, GivesWhatTheProgramReadAndWroteAndHowItEnded) {
  SpawnOptions options = Shell("cat; echo wrong >&2; exit 3");
  options.input = std::string(100'000, 'x');
  const auto end = RunToEnd(options, Soon(), 1 << 20);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->status.code, 3);
  EXPECT_EQ(end->output, options.input);
  EXPECT_EQ(end->errors, "wrong\n");
}

TEST(RunToEnd, StopsWhatTakesTooLongOrWritesTooMuch) {
  EXPECT_TRUE(absl::IsDeadlineExceeded(RunToEnd(Sleeper(), absl::Now(), 100).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(RunToEnd(Shell("yes"), Soon(), 100).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(RunToEnd(Shell("yes >&2"), Soon(), 100).status()));
  EXPECT_TRUE(absl::IsNotFound(RunToEnd({.argv = {"/nowhere"}}, Soon(), 100).status()));
}

}  // namespace
}  // namespace xpu
