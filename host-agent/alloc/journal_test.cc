// The contract of Journal, run against the real one and the fake, and what each has beyond it.

#include "host-agent/alloc/journal.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/alloc/fake_journal.h"
#include "host-agent/alloc/journal_testing.h"
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
  undoing.host_pending = undoing.dpu_pending = undoing.ipam_pending = true;
  undoing.attachment.reset();
  undoing.addresses.clear();
  undoing.gateways.clear();
  undoing.confirmed = undoing.known_by_alias = undoing.vfio = false;
  undoing.settings_before = {.trust = true};
  undoing.claim = 0;
  const auto begun = journal().Begin(undoing);
  ASSERT_TRUE(begun.ok()) << begun.status();
  undoing.claim = begun->claim;
  EXPECT_EQ(*begun, undoing);
  const auto subfunction = journal().Begin(ClaimRow{.function = {PciAddress{0, 3, 0, 5}, 88}});
  ASSERT_TRUE(subfunction.ok()) << subfunction.status();

  subject_->Restart();
  const auto rows = journal().Load();
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(*rows, ElementsAre(*full, *subfunction, undoing));
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

}  // namespace
}  // namespace xpu
