#include "common/sqlite/database.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace xpu {
namespace {

const std::vector<std::string> kSchema = {"CREATE TABLE t(k TEXT PRIMARY KEY, n INTEGER, b BLOB)"};

class DatabaseTest : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/xpu-database-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    path_ = folder_ + "/db";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  absl::Status Insert(Database& db, const std::string& key) {
    auto insert = db.Prepare("INSERT INTO t(k, n, b) VALUES(?, 7, ?)");
    if (!insert.ok()) return insert.status();
    return insert->Bind(1, key).BindBlob(2, absl::string_view("a\0b", 3)).Run();
  }
  int64_t Count(Database& db) {
    auto count = db.Prepare("SELECT count(*) FROM t");
    EXPECT_TRUE(count.ok() && *count->Step());
    return count->Int(0);
  }

  std::string folder_, path_;
};

TEST_F(DatabaseTest, ReadsBackWhatWasWritten) {
  auto db = Database::Open(path_, kSchema);
  ASSERT_TRUE(db.ok()) << db.status();
  ASSERT_TRUE(Insert(**db, "x").ok());
  EXPECT_EQ((*db)->Changes(), 1);
  auto read = (*db)->Prepare("SELECT k, n, b, NULL FROM t");
  ASSERT_TRUE(*read->Step());
  EXPECT_EQ(read->Text(0), "x");
  EXPECT_EQ(read->Int(1), 7);
  EXPECT_EQ(read->Blob(2), std::string("a\0b", 3));
  EXPECT_TRUE(read->IsNull(3));
  EXPECT_FALSE(*read->Step());
}

TEST_F(DatabaseTest, RollsBackWhenTheWorkFails) {
  auto db = Database::Open(path_, kSchema);
  const absl::Status status = (*db)->Transaction([&]() -> absl::Status {
    EXPECT_TRUE(Insert(**db, "x").ok());
    return absl::AbortedError("no");
  });
  EXPECT_EQ(status, absl::AbortedError("no"));
  EXPECT_EQ(Count(**db), 0);
}

TEST_F(DatabaseTest, NamesTheKindOfError) {
  auto db = Database::Open(path_, kSchema);
  ASSERT_TRUE(Insert(**db, "x").ok());
  EXPECT_EQ(Insert(**db, "x").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ((*db)->Prepare("SELEKT").status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Database::Open("/nonexistent/db", kSchema).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(DatabaseTest, AFullDiskChangesNothing) {
  auto db = Database::Open(path_, kSchema);
  ASSERT_TRUE(Insert(**db, "x").ok());
  ASSERT_TRUE((*db)->Execute("PRAGMA max_page_count=1").ok());
  absl::Status status;
  int64_t added = 0;
  for (; status.ok() && added < 10000; ++added) status = Insert(**db, "key" + std::to_string(added));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(Count(**db), added);  // "x" and all but the last one
}

TEST_F(DatabaseTest, ATransactionInHalvesIsCommittedOrRolledBackWhole) {
  auto db = Database::Open(path_, kSchema);
  ASSERT_TRUE((*db)->Begin().ok());
  EXPECT_TRUE((*db)->in_transaction());
  EXPECT_TRUE(Insert(**db, "one").ok());
  EXPECT_TRUE((*db)->in_transaction());
  EXPECT_TRUE(Insert(**db, "three").ok());
  ASSERT_TRUE((*db)->Commit().ok());
  EXPECT_FALSE((*db)->in_transaction());
  EXPECT_EQ(Count(**db), 2);
  ASSERT_TRUE((*db)->Begin().ok());
  EXPECT_TRUE(Insert(**db, "four").ok());
  (*db)->Rollback();
  EXPECT_EQ(Count(**db), 2);
  (*db)->Rollback();  // of nothing
}

TEST_F(DatabaseTest, ADamagedFileIsSaidToBe) {
  std::ofstream(path_) << std::string(8192, 'x');
  EXPECT_EQ(Database::Open(path_, kSchema).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(DatabaseTest, MigratesOldFilesAndRefusesNewerOnes) {
  ASSERT_TRUE(Insert(**Database::Open(path_, kSchema), "x").ok());
  auto newer = kSchema;
  newer.push_back("ALTER TABLE t ADD COLUMN extra TEXT DEFAULT 'e'");
  {
    auto db = Database::Open(path_, newer);
    ASSERT_TRUE(db.ok()) << db.status();
    auto read = (*db)->Prepare("SELECT extra FROM t");
    ASSERT_TRUE(*read->Step());
    EXPECT_EQ(read->Text(0), "e");
  }
  EXPECT_EQ(Database::Open(path_, kSchema).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DatabaseTest, CommitsOutliveAKill) {
  const pid_t child = fork();
  if (child == 0) {
    auto db = Database::Open(path_, kSchema);
    if (!db.ok() || !Insert(**db, "x").ok()) _exit(1);
    if (!(*db)->Execute("BEGIN; INSERT INTO t(k) VALUES('open')").ok()) _exit(1);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  auto db = Database::Open(path_, kSchema);
  ASSERT_TRUE(db.ok()) << db.status();
  EXPECT_EQ(Count(**db), 1);
}

}  // namespace
}  // namespace xpu
