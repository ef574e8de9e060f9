#include "control-plane/sandbox/process_record.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "common/sys/files.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/process.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(ProcessRecordTest, KnowsItsProcessAndNoOtherWithTheSamePid) {
  auto process = Process::Spawn({.argv = {"sleep", "1000"}});
  ASSERT_TRUE(process.ok()) << process.status();
  const auto record = ProcessRecord::Of(process->pid());
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_TRUE(record->Alive());

  const TemporaryDirectory folder = *TemporaryDirectory::Make();
  ASSERT_TRUE(record->Write(folder.path() + "/r").ok());
  const auto read = ProcessRecord::Read(folder.path() + "/r");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->pid, record->pid);
  EXPECT_EQ(read->start_ticks, record->start_ticks);

  ProcessRecord other = *record;
  other.start_ticks += 1;
  EXPECT_FALSE(other.Alive());
  EXPECT_TRUE(other.End(SIGKILL, absl::Seconds(10)).ok());
  EXPECT_TRUE(record->Alive());

  EXPECT_TRUE(record->End(SIGTERM, absl::Seconds(10)).ok());
  EXPECT_FALSE(record->Alive());
  EXPECT_EQ(process->Wait()->signal, SIGTERM);
}

TEST(ProcessRecordTest, KillsWhatDoesNotListen) {
  auto process = Process::Spawn({.argv = {"sh", "-c", "trap '' TERM; echo ready; exec tail -f /dev/null"}});
  ASSERT_TRUE(process.ok());
  EXPECT_TRUE(ProcessRecord::Of(process->pid())->End(SIGTERM, absl::Milliseconds(100)).ok());
  EXPECT_FALSE(process->Wait()->ok());
}

TEST(ProcessRecordTest, RefusesFilesThatAreNoRecords) {
  const TemporaryDirectory folder = *TemporaryDirectory::Make();
  const std::string path = folder.path() + "/r";
  for (const char* text : {"", "x", "12", "-1 5", "1 5", "12 5 6"}) {
    ASSERT_TRUE(WriteFileAtomic(path, text).ok());
    EXPECT_EQ(ProcessRecord::Read(path).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

TEST(ProcessRecordTest, FindsTheProcessesOfANamespace) {
  const TemporaryDirectory folder = *TemporaryDirectory::Make();
  const std::string path = folder.path() + "/ns";
  ASSERT_TRUE(CreateBoundNamespace(path).ok());
  NetNamespacesReal namespaces;
  auto ns = *namespaces.Open(path);
  auto inside = Process::Spawn({.argv = {"sleep", "1000"}, .net_namespace = ns});
  auto outside = Process::Spawn({.argv = {"sleep", "1000"}});
  const auto found = ProcessesInNamespaces({ns->inode()});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].pid, inside->pid());
  EXPECT_TRUE(RemoveBoundNamespace(path).ok());
}

}  // namespace
}  // namespace xpu
