#include "common/sqlite/database_copy.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace xpu {
namespace {

const std::vector<std::string> kSchema = {"CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)"};

class DatabaseCopyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/xpu-copy-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    auto db = Database::Open(folder_ + "/a.db", kSchema, {.exclusive = true});
    ASSERT_TRUE(db.ok()) << db.status();
    db_ = *std::move(db);
  }
  void TearDown() override {
    db_.reset();
    std::filesystem::remove_all(folder_);
  }
  absl::Status Insert(int key) {
    auto insert = db_->Prepare("INSERT INTO t VALUES (?, ?)");
    return insert->Bind(1, int64_t{key}).Bind(2, std::string(3000, 'v')).Run();
  }
  static int64_t Count(Database& db) {
    auto read = db.Prepare("SELECT count(*) FROM t");
    EXPECT_TRUE(*read->Step());
    return read->Int(0);
  }

  std::string folder_;
  std::unique_ptr<Database> db_;
};

TEST_F(DatabaseCopyTest, WhatIsCommittedBetweenTheStepsIsInItAndWhatIsTakenBackIsNot) {
  int committed = 0;
  while (committed < 100) ASSERT_TRUE(Insert(committed++).ok());
  auto copy = DatabaseCopy::Start(*db_, folder_ + "/b.db");
  ASSERT_TRUE(copy.ok()) << copy.status();
  int steps = 0;
  for (bool whole = false; !whole; ++steps) {
    const auto step = (*copy)->Step(10);
    ASSERT_TRUE(step.ok()) << step.status();
    whole = *step;
    if (whole || steps >= 5) continue;
    ASSERT_TRUE(Insert(committed++).ok());
    // Of a page that was copied first.
    ASSERT_TRUE(db_->Execute("UPDATE t SET v='new' WHERE k=0").ok());
    EXPECT_FALSE(db_->Transaction([&]() -> absl::Status {
                      EXPECT_TRUE(db_->Execute("DELETE FROM t").ok());
                      return absl::AbortedError("no");
                    })
                     .ok());
  }
  EXPECT_GT(steps, 5);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/b.db")) << "not before it is published";
  ASSERT_TRUE((*copy)->Publish().ok());
  struct stat state {};
  ASSERT_EQ(stat((folder_ + "/b.db").c_str(), &state), 0);
  EXPECT_EQ(state.st_mode & 0777, 0600u);
  auto there = Database::Open(folder_ + "/b.db", kSchema);
  ASSERT_TRUE(there.ok()) << there.status();
  EXPECT_TRUE((*there)->CheckIntegrity().ok());
  EXPECT_EQ(Count(**there), committed);
  auto read = (*there)->Prepare("SELECT v FROM t WHERE k=0");
  ASSERT_TRUE(*read->Step());
  EXPECT_EQ(read->Text(0), "new");
}

TEST_F(DatabaseCopyTest, ThereIsNoStepInATransaction) {
  ASSERT_TRUE(Insert(1).ok());
  auto copy = DatabaseCopy::Start(*db_, folder_ + "/b.db");
  ASSERT_TRUE(copy.ok()) << copy.status();
  ASSERT_TRUE(db_->Begin().ok());
  EXPECT_FALSE((*copy)->Step(-1).ok());
  db_->Rollback();
  EXPECT_FALSE((*copy)->Step(-1).ok()) << "it has failed";
}

TEST_F(DatabaseCopyTest, WhatIsNotPublishedLeavesNothing) {
  ASSERT_TRUE(Insert(1).ok());
  {
    auto copy = DatabaseCopy::Start(*db_, folder_ + "/b.db");
    ASSERT_TRUE(copy.ok()) << copy.status();
    ASSERT_TRUE((*copy)->Step(-1).ok());
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/b.db"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/b.db.part"));
  EXPECT_EQ(DatabaseCopy::Start(*db_, folder_ + "/no/b.db").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace xpu
