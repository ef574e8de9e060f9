// A virtual machine that writes through xpu-apiserver loses power: QEMU is killed, and with it all that its
// kernel had in memory; its disk forgets what it was not told to flush, or some of it. When it boots again on
// the same disk, every write that was acknowledged is there. Runs beside the machine, not in it.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/test_seed.h"
#include "common/sys/process.h"
#include "test/lab/volatile_disk.h"

namespace xpu::testing {
namespace {

// A machine without KVM on a busy one takes its time.
constexpr absl::Duration kPatience = absl::Minutes(5);
constexpr int kAcknowledged = 150;

// A machine that runs one command; its output line by line.
class Machine {
 public:
  Machine(const std::string& folder, const std::string& disk, const std::vector<std::string>& command) {
    std::filesystem::create_directories(folder);
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) abort();
    out_ = UniqueFd(pipe_fds[0]);
    const UniqueFd in(pipe_fds[1]);
    std::vector<std::string> argv = {
        XPU_LAB_MACHINE, "boot", folder, disk,
        std::filesystem::read_symlink("/proc/self/exe").parent_path() / "xpu_lab_power_guest"};
    argv.insert(argv.end(), command.begin(), command.end());
    auto process = Process::Spawn({.argv = argv, .output_fd = in.get(), .errors_fd = STDERR_FILENO});
    EXPECT_TRUE(process.ok()) << process.status();
    if (process.ok()) process_.emplace(*std::move(process));
  }

  // False at its end, and when nothing comes.
  bool ReadLine(std::string* line) {
    size_t end = 0;
    while ((end = read_.find('\n')) == std::string::npos) {
      pollfd polled{out_.get(), POLLIN, 0};
      const absl::Duration left = deadline_ - absl::Now();
      if (poll(&polled, 1, static_cast<int>(std::max<int64_t>(0, absl::ToInt64Milliseconds(left)))) <= 0)
        return false;
      char buffer[4096];
      const ssize_t got = read(out_.get(), buffer, sizeof(buffer));
      if (got <= 0) return false;
      read_.append(buffer, static_cast<size_t>(got));
    }
    *line = read_.substr(0, end);
    if (!line->empty() && line->back() == '\r') line->pop_back();
    read_.erase(0, end + 1);
    return true;
  }

  // QEMU is this process: machine.sh has become it.
  void Kill() {
    ASSERT_TRUE(process_->Signal(SIGKILL).ok());
    ASSERT_TRUE(process_->Wait(absl::Now() + kPatience).ok());
  }

 private:
  const absl::Time deadline_ = absl::Now() + kPatience;
  UniqueFd out_;
  std::optional<Process> process_;
  std::string read_;
};

// "acked w1-3 17": the version of each name.
bool Note(const std::string& line, absl::string_view what, std::map<std::string, int64_t>* versions) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  int64_t version = 0;
  if (words.size() != 3 || words[0] != what || !absl::SimpleAtoi(words[2], &version)) return false;
  int64_t& known = (*versions)[words[1]];
  known = std::max(known, version);
  return true;
}

TEST(PowerTest, WhatWasAcknowledgedSurvivesALossOfPower) {
  char made[] = "/tmp/xpu-power-XXXXXX";
  ASSERT_NE(mkdtemp(made), nullptr);
  const std::string folder = made;
  const std::string image = folder + "/disk.img";
  ASSERT_TRUE(RunProgram({.argv = {"truncate", "--size", "64M", image}}, absl::Now() + kPatience).ok());
  const auto formatted = RunProgram({.argv = {"mkfs.ext4", "-q", "-F", image}}, absl::Now() + kPatience);
  ASSERT_TRUE(formatted.ok()) << formatted.status();
  std::mt19937 random(static_cast<uint32_t>(TestSeed()));
  // To see this test fail: XPU_LAB_POWER=--no-full-sync.
  const char* options = getenv("XPU_LAB_POWER");
  const int enough = kAcknowledged + static_cast<int>(random() % 100);

  std::map<std::string, int64_t> acknowledged;
  {
    auto disk = VolatileDisk::Serve(image, folder + "/disk.sock");
    ASSERT_TRUE(disk.ok()) << disk.status();
    Machine machine(folder + "/first", folder + "/disk.sock", {"write", options == nullptr ? "" : options});
    int count = 0;
    std::string line;
    while (count < enough && machine.ReadLine(&line)) count += Note(line, "acked", &acknowledged) ? 1 : 0;
    ASSERT_EQ(count, enough) << "the machine ended, or hangs; its last line: " << line << "; see " << folder;
    (*disk)->CutPower(random);
    machine.Kill();
    EXPECT_GT((*disk)->flushes(), 0);
    // What was said before the power went.
    while (machine.ReadLine(&line)) Note(line, "acked", &acknowledged);
  }

  std::map<std::string, int64_t> stored;
  bool sound = false, end = false;
  {
    auto disk = VolatileDisk::Serve(image, folder + "/disk.sock");
    ASSERT_TRUE(disk.ok()) << disk.status();
    Machine machine(folder + "/second", folder + "/disk.sock", {"verify"});
    std::string line;
    while (!end && machine.ReadLine(&line)) {
      sound |= line == "sound";
      end = line == "end";
      EXPECT_FALSE(absl::StartsWith(line, "failed")) << line;
      Note(line, "stored", &stored);
    }
    machine.Kill();
  }
  EXPECT_TRUE(sound);
  ASSERT_TRUE(end) << "the second machine did not come to its end; see " << folder;
  for (const auto& [name, version] : acknowledged) {
    ASSERT_TRUE(stored.contains(name)) << name << " is lost";
    EXPECT_GE(stored[name], version) << name << " is older than what was acknowledged";
  }
  if (!HasFailure()) std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace xpu::testing
