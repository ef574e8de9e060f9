// The contract of Journal, run against the real one and the fake, and what each has beyond it.

#include "host-agent/alloc/journal.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/alloc/fake_journal.h"
#include "host-agent/alloc/sqlite_journal.h"

namespace xpu {
namespace {

using ::testing::AllOf;
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
  row.vfio = true;
  row.settings_before = {.mac = MacAddress::Parse("02:00:00:00:00:07").value(),
                         .vlan = VfSettings::Vlan{.id = 4094, .qos = 7, .protocol = 0x88a8},
                         .spoof_check = true,
                         .trust = false,
                         .link_state = VfSettings::LinkState::kDisable,
                         .min_tx_rate = 100,
                         .max_tx_rate = 4'000'000'000};
  row.attachment = Attachment{.container_id = "container",
                              .ifname = "net1",
                              .netns = "/run/netns/it's \"x\"",
                              .pod_namespace = "ns",
                              .pod_name = "pod",
                              .cni_network = "blue-net",
                              .network_namespace = "tenant",
                              .network = "blue",
                              .vlan = 0};
  row.ipam = IpamCall{.type = "host-local",
                      .path = "/opt/cni/bin",
                      .args = "K8S_POD_NAME=pod;IgnoreUnknown=1",
                      .config = R"({"ipam": {"type": "host-local"}})"};
  row.confirmed = true;
  row.addresses = {*InterfaceAddress::Parse("10.0.0.5/24"), *InterfaceAddress::Parse("2001:db8::5/64")};
  row.gateways = {*IpAddress::Parse("10.0.0.1"), *IpAddress::Parse("2001:db8::1")};
  row.mtu = 9000;
  row.result = R"({"cniVersion": "1.1.0"})";
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

// Runs `sql` on the file behind the journal's back.
void Execute(const TempFolder& folder, const std::string& sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(folder.File().c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(database);
  sqlite3_close(database);
}

std::string Contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(SqliteJournal, ARowThatCannotBeReadIsNamed) {
  for (const char* damage :
       {"addresses = '10.0.0.1/24 nonsense'", "state = 4", "host_mtu = -1", "mac = 'x'", "before_mac = 'x'",
        "before_vlan = 5000", "before_link_state = 0", "before_trust = 2", "vlan = 4095", "vfio = 7"}) {
    SCOPED_TRACE(damage);
    TempFolder folder;
    {
      auto journal = SqliteJournal::Open(folder.File());
      ASSERT_TRUE(journal.ok());
      ASSERT_TRUE((*journal)->Begin(FullRow(Function(1))).ok());
    }
    Execute(folder, std::string("UPDATE claims SET ") + damage);
    const auto journal = SqliteJournal::Open(folder.File());
    EXPECT_EQ(journal.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(journal.status().message()), HasSubstr("0000:03:00.1"));
  }
}

// A file as version 1 wrote it, as sqlite3(1) dumps it.
const char kVersion1[] = R"sql(
PRAGMA journal_mode=WAL;
BEGIN;
CREATE TABLE claims (
  function          TEXT PRIMARY KEY,
  claim             INTEGER NOT NULL,
  state             INTEGER NOT NULL,
  card              TEXT NOT NULL,
  port              TEXT NOT NULL,
  host_ifname       TEXT NOT NULL,
  host_mac          TEXT NOT NULL,
  host_mtu          INTEGER NOT NULL,
  mac               TEXT NOT NULL,
  known_by_alias    INTEGER NOT NULL,
  container_id      TEXT,              -- NULL: no attachment
  ifname            TEXT NOT NULL,
  netns             TEXT NOT NULL,
  pod_namespace     TEXT NOT NULL,
  pod_name          TEXT NOT NULL,
  cni_network       TEXT NOT NULL,
  network_namespace TEXT NOT NULL,
  network           TEXT NOT NULL,
  confirmed         INTEGER NOT NULL,
  addresses         TEXT NOT NULL,     -- separated by blanks
  gateways          TEXT NOT NULL,
  mtu               INTEGER NOT NULL,
  host_pending      INTEGER NOT NULL,
  dpu_pending       INTEGER NOT NULL
) STRICT;
INSERT INTO claims VALUES('0000:03:00.2',1700000000001,1,'card0','host0-0','p0v0','02:00:00:00:00:02',1500,
  '02:00:00:00:00:02',1,NULL,'','','','','','','',0,'','',0,0,0);
INSERT INTO claims VALUES('0000:03:00.3',1700000000002,2,'card0','host0-1','p0v1','02:00:00:00:00:03',1500,
  '02:00:00:00:00:99',0,'3f2a','net1','/run/netns/web','default','web-1','blue-net','tenant','blue',1,
  '10.0.0.5/24 2001:db8::5/64','10.0.0.1',9000,0,0);
INSERT INTO claims VALUES('0000:03:00.4',1700000000003,3,'card0','host0-2','p0v2','02:00:00:00:00:04',1500,
  '02:00:00:00:00:04',0,'77c1','eth0','/run/netns/db','default','db-0','blue-net','tenant','blue',1,
  '10.0.0.6/24','',1500,0,1);
CREATE TABLE last_claims (
  function TEXT PRIMARY KEY,
  claim    INTEGER NOT NULL
) STRICT;
INSERT INTO last_claims VALUES('0000:03:00.2',1700000000001);
INSERT INTO last_claims VALUES('0000:03:00.3',1700000000002);
INSERT INTO last_claims VALUES('0000:03:00.4',1700000000003);
INSERT INTO last_claims VALUES('0000:03:00.5',9900000000000);
PRAGMA user_version=1;
COMMIT;
)sql";

TEST(SqliteJournal, TakesUpAFileOfVersion1) {
  TempFolder folder;
  Execute(folder, kVersion1);

  ClaimRow claimed{.function = Function(2),
                   .state = ClaimState::kClaimed,
                   .claim = 1700000000001,
                   .card = "card0",
                   .port = "host0-0",
                   .host_ifname = "p0v0",
                   .host_mac = *MacAddress::Parse("02:00:00:00:00:02"),
                   .host_mtu = 1500,
                   .mac = *MacAddress::Parse("02:00:00:00:00:02"),
                   .known_by_alias = true};
  ClaimRow attached = claimed;
  attached.function = Function(3);
  attached.state = ClaimState::kAttached;
  attached.claim = 1700000000002;
  attached.port = "host0-1";
  attached.host_ifname = "p0v1";
  attached.host_mac = *MacAddress::Parse("02:00:00:00:00:03");
  attached.mac = *MacAddress::Parse("02:00:00:00:00:99");
  attached.known_by_alias = false;
  attached.attachment = Attachment{.container_id = "3f2a",
                                   .ifname = "net1",
                                   .netns = "/run/netns/web",
                                   .pod_namespace = "default",
                                   .pod_name = "web-1",
                                   .cni_network = "blue-net",
                                   .network_namespace = "tenant",
                                   .network = "blue"};
  attached.confirmed = true;
  attached.addresses = {*InterfaceAddress::Parse("10.0.0.5/24"), *InterfaceAddress::Parse("2001:db8::5/64")};
  attached.gateways = {*IpAddress::Parse("10.0.0.1")};
  attached.mtu = 9000;
  ClaimRow undoing = attached;
  undoing.function = Function(4);
  undoing.state = ClaimState::kUndoing;
  undoing.claim = 1700000000003;
  undoing.port = "host0-2";
  undoing.host_ifname = "p0v2";
  undoing.host_mac = undoing.mac = *MacAddress::Parse("02:00:00:00:00:04");
  undoing.attachment->container_id = "77c1";
  undoing.attachment->ifname = "eth0";
  undoing.attachment->netns = "/run/netns/db";
  undoing.attachment->pod_name = "db-0";
  undoing.addresses = {*InterfaceAddress::Parse("10.0.0.6/24")};
  undoing.gateways.clear();
  undoing.mtu = 1500;
  undoing.dpu_pending = true;

  for (int start = 1; start <= 2; ++start) {
    SCOPED_TRACE(start);
    auto journal = SqliteJournal::Open(folder.File());
    ASSERT_TRUE(journal.ok()) << journal.status();
    const auto rows = (*journal)->Load();
    ASSERT_TRUE(rows.ok()) << rows.status();
    EXPECT_THAT(*rows, ElementsAre(claimed, attached, undoing));
  }
  // Numbers go on where version 1 left off, and its rows take what only version 2 has.
  auto journal = SqliteJournal::Open(folder.File());
  ASSERT_TRUE(journal.ok()) << journal.status();
  EXPECT_EQ((*journal)->Begin(FullRow(Function(5)))->claim, 9900000000001);
  ClaimRow full = FullRow(Function(2));
  full.claim = claimed.claim;
  ASSERT_TRUE((*journal)->Write(full).ok());
  EXPECT_EQ((*journal)->Load()->front(), full);
}

TEST(SqliteJournal, AFileOfANewerVersionIsRefusedAndStaysAsItIs) {
  TempFolder folder;
  ASSERT_TRUE(SqliteJournal::Open(folder.File()).ok());
  Execute(folder, "PRAGMA journal_mode=DELETE; PRAGMA user_version=99; CREATE TABLE future(x)");
  const std::string before = Contents(folder.File());
  const auto journal = SqliteJournal::Open(folder.File());
  EXPECT_EQ(journal.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(journal.status().message()),
              AllOf(HasSubstr(folder.File()), HasSubstr("newer version"), HasSubstr("99")));
  EXPECT_EQ(Contents(folder.File()), before);
}

}  // namespace
}  // namespace xpu
