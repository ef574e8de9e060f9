// The contract of Journal, run against the real one and the fake, and what each has beyond it.

#include "host-agent/alloc/journal.h"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include "common/sqlite/database.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/alloc/fake_journal.h"
#include "host-agent/alloc/sqlite_journal.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TestClock : public Clock {
 public:
  absl::Time Now() override { return now; }
  absl::Time now = absl::FromUnixMillis(1'000'000);
};

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "xpu-journal-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::string File() const { return path_ + "/journal.db"; }

 private:
  std::string path_;
};

// A place that outlives processes, and a process's view of it.
class JournalUnderTest {
 public:
  virtual ~JournalUnderTest() = default;
  virtual Journal& journal() = 0;
  // As if the process had been killed and started again.
  virtual void Restart() = 0;
  TestClock clock;
};

class SqliteUnderTest : public JournalUnderTest {
 public:
  SqliteUnderTest() { Open(); }
  Journal& journal() override { return *journal_; }
  void Restart() override { Open(); }

 private:
  void Open() {
    journal_.reset();
    auto journal = SqliteJournal::Open(folder_.File(), clock);
    ASSERT_TRUE(journal.ok()) << journal.status();
    journal_ = *std::move(journal);
  }

  TempFolder folder_;
  std::unique_ptr<SqliteJournal> journal_;
};

class FakeUnderTest : public JournalUnderTest {
 public:
  Journal& journal() override { return journal_; }
  void Restart() override {}

 private:
  FakeJournal journal_{clock};
};

struct Param {
  const char* name;
  std::function<std::unique_ptr<JournalUnderTest>()> make;
  friend void PrintTo(const Param& param, std::ostream* out) { *out << param.name; }
};

class JournalContract : public ::testing::TestWithParam<Param> {
 protected:
  JournalContract() : subject_(GetParam().make()) {}
  Journal& journal() { return subject_->journal(); }
  std::unique_ptr<JournalUnderTest> subject_;
};

INSTANTIATE_TEST_SUITE_P(All, JournalContract,
                         ::testing::Values(Param{"Sqlite",
                                                 [] { return std::make_unique<SqliteUnderTest>(); }},
                                           Param{"Fake", [] { return std::make_unique<FakeUnderTest>(); }}),
                         [](const auto& info) { return info.param.name; });

FunctionId Function(int n) {
  return PciAddress{0, 3, static_cast<uint8_t>(n / 8), static_cast<uint8_t>(n % 8)};
}

ClaimRow FullRow(const FunctionId& function) {
  ClaimRow row;
  row.function = function;
  row.state = ClaimState::kAttached;
  row.card = "card0";
  row.port = "host0-3";
  row.host_ifname = "p0v3";
  row.host_mac = *MacAddress::Parse("02:00:00:00:00:03");
  row.host_mtu = 1500;
  row.known_by_alias = true;
  row.mac = *MacAddress::Parse("02:00:00:00:00:99");
  row.attachment =
      Attachment{"container", "net1", "/run/netns/it's \"x\"", "ns", "pod", "blue-net", "tenant", "blue"};
  row.confirmed = true;
  row.addresses = {*InterfaceAddress::Parse("10.0.0.5/24"), *InterfaceAddress::Parse("2001:db8::5/64")};
  row.gateways = {*IpAddress::Parse("10.0.0.1"), *IpAddress::Parse("2001:db8::1")};
  row.mtu = 9000;
  return row;
}

TEST_P(JournalContract, IsEmptyAtFirst) {
  const auto rows = journal().Load();
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(*rows, IsEmpty());
}

TEST_P(JournalContract, KeepsEveryFieldOverARestart) {
  const auto full = journal().Begin(FullRow(Function(5)));
  ASSERT_TRUE(full.ok()) << full.status();
  ClaimRow undoing = *full;
  undoing.function = Function(6);
  undoing.state = ClaimState::kUndoing;
  undoing.host_pending = undoing.dpu_pending = true;
  undoing.attachment.reset();
  undoing.addresses.clear();
  undoing.gateways.clear();
  undoing.confirmed = undoing.known_by_alias = false;
  undoing.claim = 0;
  const auto begun = journal().Begin(undoing);
  ASSERT_TRUE(begun.ok()) << begun.status();
  undoing.claim = begun->claim;
  EXPECT_EQ(*begun, undoing);

  subject_->Restart();
  const auto rows = journal().Load();
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(*rows, ElementsAre(*full, undoing));
}

TEST_P(JournalContract, LoadsInTheOrderOfTheAddresses) {
  const PciAddress low{0x2, 0xff, 0, 0}, high{0x10000, 0, 0, 0}, middle{0xffff, 1, 0, 0};
  for (const PciAddress& function : {high, low, middle}) {
    ASSERT_TRUE(journal().Begin(FullRow(function)).ok());
  }
  std::vector<FunctionId> functions;
  const auto rows = journal().Load();
  ASSERT_TRUE(rows.ok()) << rows.status();
  for (const ClaimRow& row : *rows) functions.push_back(row.function);
  EXPECT_THAT(functions, ElementsAre(low, middle, high));
}

TEST_P(JournalContract, RefusesASecondClaimOfAFunction) {
  const auto first = journal().Begin(FullRow(Function(1)));
  ASSERT_TRUE(first.ok());
  const auto second = journal().Begin(FullRow(Function(1)));
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("0000:03:00.1"));
  EXPECT_THAT(*journal().Load(), ElementsAre(*first));
}

TEST_P(JournalContract, ClaimNumbersFollowTheClock) {
  const auto first = journal().Begin(FullRow(Function(1)));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->claim, 1'000'000);
  ASSERT_TRUE(journal().End(Function(1), first->claim).ok());
  subject_->clock.now += absl::Milliseconds(500);
  EXPECT_EQ(journal().Begin(FullRow(Function(1)))->claim, 1'000'500);
}

TEST_P(JournalContract, ClaimNumbersGrowAlsoWhenTheClockGoesBackOrTheProcessRestarts) {
  int64_t last = 0;
  for (int i = 0; i < 5; ++i) {
    subject_->clock.now -= absl::Hours(i);
    subject_->Restart();
    const auto row = journal().Begin(FullRow(Function(1)));
    ASSERT_TRUE(row.ok()) << row.status();
    EXPECT_GT(row->claim, last);
    last = row->claim;
    ASSERT_TRUE(journal().End(Function(1), row->claim).ok());
  }
}

TEST_P(JournalContract, WriteReplacesTheRow) {
  ClaimRow row = *journal().Begin(FullRow(Function(1)));
  row.state = ClaimState::kUndoing;
  row.host_pending = true;
  row.gateways.clear();
  ASSERT_TRUE(journal().Write(row).ok());
  EXPECT_THAT(*journal().Load(), ElementsAre(row));
}

TEST_P(JournalContract, WriteNeedsARowOfTheSameClaim) {
  ClaimRow row = *journal().Begin(FullRow(Function(1)));
  ClaimRow old = row;
  old.claim -= 1;
  EXPECT_EQ(journal().Write(old).code(), absl::StatusCode::kNotFound);
  ClaimRow other = row;
  other.function = Function(2);
  EXPECT_EQ(journal().Write(other).code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(*journal().Load(), ElementsAre(row));
}

TEST_P(JournalContract, EndTakesTheRowAwayAsOftenAsItIsCalled) {
  const ClaimRow row = *journal().Begin(FullRow(Function(1)));
  EXPECT_TRUE(journal().End(Function(1), row.claim - 1).ok());
  EXPECT_THAT(*journal().Load(), ElementsAre(row)) << "an older claim's end is not this one's";
  EXPECT_TRUE(journal().End(Function(1), row.claim).ok());
  EXPECT_TRUE(journal().End(Function(1), row.claim).ok());
  EXPECT_THAT(*journal().Load(), IsEmpty());
}

TEST(FakeJournal, FailsTheCallItIsToldToAndChangesNothing) {
  FakeJournal journal;
  journal.FailCall(2, absl::ResourceExhaustedError("disk full"));
  const ClaimRow row = *journal.Begin(FullRow(Function(1)));
  EXPECT_EQ(journal.End(Function(1), row.claim).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(*journal.Load(), ElementsAre(row));
  EXPECT_EQ(journal.calls(), 2);
  EXPECT_TRUE(journal.End(Function(1), row.claim).ok());
}

TEST(SqliteJournal, SaysWhichFileIsNoJournal) {
  TempFolder folder;
  std::ofstream(folder.File()) << std::string(8192, 'x');
  const auto journal = SqliteJournal::Open(folder.File());
  EXPECT_EQ(journal.status().code(), absl::StatusCode::kDataLoss) << journal.status();
  EXPECT_THAT(std::string(journal.status().message()), HasSubstr(folder.File()));
}

TEST(SqliteJournal, IsForOneProcessAtATime) {
  TempFolder folder;
  auto first = SqliteJournal::Open(folder.File());
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = SqliteJournal::Open(folder.File());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(folder.File()));
  first->reset();
  EXPECT_TRUE(SqliteJournal::Open(folder.File()).ok());
}

TEST(SqliteJournal, SaysThatItsFolderIsMissing) {
  const auto journal = SqliteJournal::Open("/nowhere/at/all.db");
  EXPECT_EQ(journal.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(journal.status().message()), HasSubstr("/nowhere/at/all.db"));
}

TEST(SqliteJournal, ARowThatCannotBeReadIsNamed) {
  TempFolder folder;
  {
    auto journal = SqliteJournal::Open(folder.File());
    ASSERT_TRUE(journal.ok());
    ASSERT_TRUE((*journal)->Begin(FullRow(Function(1))).ok());
  }
  {
    auto database = Database::Open(folder.File(), {""});
    ASSERT_TRUE(database.ok()) << database.status();
    ASSERT_TRUE((*database)->Execute("UPDATE claims SET addresses = '10.0.0.1/24 nonsense'").ok());
  }
  const auto journal = SqliteJournal::Open(folder.File());
  EXPECT_EQ(journal.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(journal.status().message()), HasSubstr("0000:03:00.1"));
}

}  // namespace
}  // namespace xpu
