// What SqliteJournal is beyond the contract: one file, its versions, its damage, its disk and its end.

#include "host-agent/alloc/sqlite_journal.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "common/base/test_seed.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/alloc/journal_testing.h"

namespace xpu {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

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
        "before_vlan = 5000", "before_link_state = 0", "before_trust = 2", "vlan = 4095", "vfio = 7",
        "pod_ingress_rate = -1", "pod_egress_burst = 4000000000001"}) {
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

// What brought that file to version 2, and a row that version 2 wrote.
const char kVersion2[] = R"sql(
BEGIN;
ALTER TABLE claims ADD COLUMN vfio               INTEGER NOT NULL DEFAULT 0;
ALTER TABLE claims ADD COLUMN before_mac         TEXT;
ALTER TABLE claims ADD COLUMN before_vlan        INTEGER;
ALTER TABLE claims ADD COLUMN before_vlan_qos    INTEGER;
ALTER TABLE claims ADD COLUMN before_vlan_proto  INTEGER;
ALTER TABLE claims ADD COLUMN before_spoof_check INTEGER;
ALTER TABLE claims ADD COLUMN before_trust       INTEGER;
ALTER TABLE claims ADD COLUMN before_link_state  INTEGER;
ALTER TABLE claims ADD COLUMN before_min_tx_rate INTEGER;
ALTER TABLE claims ADD COLUMN before_max_tx_rate INTEGER;
ALTER TABLE claims ADD COLUMN vlan               INTEGER;
ALTER TABLE claims ADD COLUMN ipam_type          TEXT;
ALTER TABLE claims ADD COLUMN ipam_path          TEXT;
ALTER TABLE claims ADD COLUMN ipam_args          TEXT;
ALTER TABLE claims ADD COLUMN ipam_config        TEXT;
ALTER TABLE claims ADD COLUMN ipam_pending       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE claims ADD COLUMN result             TEXT NOT NULL DEFAULT '';
ALTER TABLE claims ADD COLUMN checksum           INTEGER;
CREATE TABLE complete (
  since INTEGER NOT NULL
) STRICT;
INSERT INTO complete SELECT max(claim) FROM last_claims HAVING count(*) > 0;
INSERT INTO claims (function, claim, state, card, port, host_ifname, host_mac, host_mtu, mac,
  known_by_alias, container_id, ifname, netns, pod_namespace, pod_name, cni_network, network_namespace,
  network, confirmed, addresses, gateways, mtu, host_pending, dpu_pending, vfio, vlan, ipam_pending, result,
  checksum) VALUES ('0000:03:00.6', 1700000000006, 2, 'card0', 'host0-4', 'p0v4', '02:00:00:00:00:06', 1500,
  '02:00:00:00:00:06', 0, '9b1d', 'net1', '/run/netns/cache', 'default', 'cache-0', 'vlan-net', '', '', 1,
  '10.0.0.7/24', '', 1500, 0, 0, 0, 100, 0, '{}', 6485474164690106076);
INSERT INTO last_claims VALUES('0000:03:00.6',1700000000006);
PRAGMA user_version=2;
COMMIT;
)sql";

TEST(SqliteJournal, TakesUpAFileOfVersion2WithItsChecksums) {
  TempFolder folder;
  Execute(folder, kVersion1);
  Execute(folder, kVersion2);
  std::vector<ClaimRow> before;
  for (int start = 1; start <= 2; ++start) {
    SCOPED_TRACE(start);
    auto journal = SqliteJournal::Open(folder.File());
    ASSERT_TRUE(journal.ok()) << journal.status();
    const auto rows = (*journal)->Load();
    ASSERT_TRUE(rows.ok()) << rows.status();
    ASSERT_EQ(rows->size(), 4u);
    EXPECT_EQ(rows->back().attachment->vlan, 100);
    EXPECT_EQ(rows->back().attachment->bandwidth, Bandwidth());
    EXPECT_EQ(rows->back().result, "{}");
    before = *rows;
  }
  // The checksum counts, although it is of fewer columns.
  Execute(folder, "UPDATE claims SET result = '[]' WHERE function = '0000:03:00.6'");
  EXPECT_EQ(SqliteJournal::Open(folder.File()).status().code(), absl::StatusCode::kDataLoss);
  Execute(folder, "UPDATE claims SET result = '{}' WHERE function = '0000:03:00.6'");
  // A row of version 2 takes what only version 3 has, and the checksum covers it.
  {
    auto journal = SqliteJournal::Open(folder.File());
    ASSERT_TRUE(journal.ok()) << journal.status();
    ClaimRow row = before.back();
    row.attachment->bandwidth = {.ingress = {.rate = 5, .burst = 6}, .egress = {.rate = 7}};
    ASSERT_TRUE((*journal)->Write(row).ok());
    EXPECT_EQ((*journal)->Load()->back(), row);
  }
  Execute(folder, "UPDATE claims SET pod_egress_rate = NULL WHERE function = '0000:03:00.6'");
  EXPECT_EQ(SqliteJournal::Open(folder.File()).status().code(), absl::StatusCode::kDataLoss);
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
  EXPECT_TRUE(Contents(folder.File()) == before);
}

// A journal of some rows, closed.
std::vector<ClaimRow> WriteRows(const TempFolder& folder, int count) {
  std::vector<ClaimRow> rows;
  auto journal = SqliteJournal::Open(folder.File());
  EXPECT_TRUE(journal.ok()) << journal.status();
  EXPECT_TRUE((*journal)->SetComplete().ok());
  for (int i = 0; i < count; ++i) {
    ClaimRow row = FullRow(Function(i));
    row.attachment->container_id += std::to_string(i);
    row.result = std::string(500, 'r');
    rows.push_back(*(*journal)->Begin(row));
  }
  return rows;
}

// Opened all the same, with the damaged file beside the new one and nothing made up.
void ExpectReplaced(const TempFolder& folder, const std::vector<ClaimRow>& were) {
  const std::string damaged = Contents(folder.File());
  auto opened = SqliteJournal::OpenOrReplace(folder.File());
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_TRUE(opened->lost.has_value());
  EXPECT_NE(opened->lost->reason, "");
  EXPECT_TRUE(Contents(opened->lost->moved_to) == damaged) << "the damaged file has changed";
  EXPECT_FALSE(opened->journal->complete()) << "what it has lost, others may know";
  const auto rows = opened->journal->Load();
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->size(), opened->lost->salvaged);
  for (const ClaimRow& row : *rows) EXPECT_THAT(were, Contains(row));
  EXPECT_TRUE(opened->journal->Begin(FullRow(FunctionId(PciAddress{9, 9, 9, 1}))).ok());
}

TEST(SqliteJournal, AFileOfGarbageIsMovedAside) {
  TempFolder folder;
  std::ofstream(folder.File()) << std::string(8192, 'x');
  ExpectReplaced(folder, {});
  // As often as it happens, no file of before is overwritten.
  std::ofstream(folder.File()) << std::string(8192, 'y');
  ExpectReplaced(folder, {});
  EXPECT_EQ(folder.Count("journal.db.damaged-"), 2);
}

TEST(SqliteJournal, ATruncatedFileIsMovedAside) {
  TempFolder folder;
  const auto rows = WriteRows(folder, 40);
  ASSERT_GT(std::filesystem::file_size(folder.File()), 3 * 4096);
  std::filesystem::resize_file(folder.File(), 2 * 4096);
  ExpectReplaced(folder, rows);
}

TEST(SqliteJournal, AnEmptyFileBesideALogIsNotTakenForANewOne) {
  TempFolder folder;
  WriteRows(folder, 3);
  std::filesystem::resize_file(folder.File(), 0);
  std::ofstream(folder.File() + "-wal") << "what was not yet in the file";
  ExpectReplaced(folder, {});
}

TEST(SqliteJournal, APageOfAnotherPlaceIsFound) {
  TempFolder folder;
  const auto rows = WriteRows(folder, 40);
  std::string contents = Contents(folder.File());
  ASSERT_GT(contents.size(), 6 * 4096);
  contents.replace(4 * 4096, 4096, contents.substr(5 * 4096, 4096));
  std::ofstream(folder.File(), std::ios::binary) << contents;
  ExpectReplaced(folder, rows);
}

TEST(SqliteJournal, ARowThatCannotBeReadCostsNoOtherRow) {
  TempFolder folder;
  const auto rows = WriteRows(folder, 5);
  Execute(folder, "UPDATE claims SET host_ifname = 'p0v7' WHERE function = '0000:03:00.2'");
  ExpectReplaced(folder, rows);
  auto journal = SqliteJournal::Open(folder.File());
  ASSERT_TRUE(journal.ok()) << journal.status();
  std::vector<FunctionId> left;
  const auto kept = (*journal)->Load();
  ASSERT_TRUE(kept.ok()) << kept.status();
  for (const ClaimRow& row : *kept) left.push_back(row.function);
  EXPECT_THAT(left, ElementsAre(Function(0), Function(1), Function(3), Function(4), PciAddress{9, 9, 9, 1}));
}

TEST(SqliteJournal, RowsThatContradictOneAnotherAreDamage) {
  TempFolder folder;
  {
    auto journal = SqliteJournal::Open(folder.File());
    ASSERT_TRUE((*journal)->Begin(FullRow(Function(1))).ok());
    ASSERT_TRUE((*journal)->Begin(FullRow(Function(2))).ok())
        << "the same attachment, which only a bug writes";
  }
  EXPECT_EQ(SqliteJournal::Open(folder.File()).status().code(), absl::StatusCode::kDataLoss);
  auto opened = SqliteJournal::OpenOrReplace(folder.File());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->lost->salvaged, 1);
}

TEST(SqliteJournal, AFlippedBitIsFoundOrHarmsNothing) {
  const uint64_t seed = TestSeed();
  std::mt19937_64 random(seed);
  int replaced = 0;
  for (int round = 0; round < 100; ++round) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << " round " << round);
    TempFolder folder;
    const auto rows = WriteRows(folder, 12);
    std::string contents = Contents(folder.File());
    const size_t bit = random() % (contents.size() * 8);
    contents[bit / 8] = static_cast<char>(contents[bit / 8] ^ (1 << (bit % 8)));
    std::ofstream(folder.File(), std::ios::binary) << contents;
    auto opened = SqliteJournal::OpenOrReplace(folder.File());
    if (absl::IsFailedPrecondition(opened.status())) {
      // The version, which may as well be a newer one's: nothing was changed.
      EXPECT_TRUE(Contents(folder.File()) == contents);
      continue;
    }
    ASSERT_TRUE(opened.ok()) << opened.status();
    const auto read = opened->journal->Load();
    ASSERT_TRUE(read.ok()) << read.status();
    for (const ClaimRow& row : *read) EXPECT_THAT(rows, Contains(row)) << "a row that was never written";
    if (opened->lost) {
      ++replaced;
    } else {
      EXPECT_THAT(*read, ElementsAreArray(rows)) << "a row went without a word";
    }
  }
  EXPECT_GT(replaced, 0);
}

TEST(SqliteJournal, ANewFileIsNotCompleteUntilSomebodySaysSo) {
  TempFolder folder;
  {
    auto journal = SqliteJournal::Open(folder.File());
    ASSERT_TRUE(journal.ok()) << journal.status();
    EXPECT_FALSE((*journal)->complete());
    ASSERT_TRUE((*journal)->Begin(FullRow(Function(1))).ok());
  }
  {
    auto journal = SqliteJournal::Open(folder.File());
    EXPECT_FALSE((*journal)->complete()) << "killed before it could say so";
    ASSERT_TRUE((*journal)->SetComplete().ok());
    ASSERT_TRUE((*journal)->SetComplete().ok());
  }
  EXPECT_TRUE((*SqliteJournal::Open(folder.File()))->complete());
  TempFolder old;
  Execute(old, kVersion1);
  EXPECT_TRUE((*SqliteJournal::Open(old.File()))->complete());
}

TEST(SqliteJournal, WhatNoJournalHasIsDamage) {
  TempFolder folder;
  ASSERT_TRUE(SqliteJournal::Open(folder.File()).ok());
  Execute(folder, "CREATE TRIGGER t AFTER INSERT ON claims BEGIN DELETE FROM claims; END");
  EXPECT_EQ(SqliteJournal::Open(folder.File()).status().code(), absl::StatusCode::kDataLoss);
}

TEST(SqliteJournal, OnAFullDiskItRefusesAndLosesNothingAndGoesOnWhenThereIsSpace) {
  TempFolder folder;
  SmallDisk disk(folder, "size=1m");
  ASSERT_TRUE(disk.mounted()) << strerror(errno);
  auto opened = SqliteJournal::Open(disk.File());
  ASSERT_TRUE(opened.ok()) << opened.status();
  std::unique_ptr<SqliteJournal> journal = *std::move(opened);
  std::vector<ClaimRow> rows;
  for (int round = 0; round < 3; ++round) {
    rows.push_back(*journal->Begin(FullRow(Function(0))));
    disk.Fill();
    // Some may still find room in what SQLite's files have already.
    absl::Status refused;
    for (int i = 0; i < 500 && refused.ok(); ++i) {
      ClaimRow row = FullRow(Function(static_cast<int>(rows.size())));
      row.attachment->container_id += std::to_string(rows.size());
      row.result = std::string(3000, 'r');
      const auto begun = journal->Begin(row);
      if (begun.ok()) rows.push_back(*begun);
      refused = begun.status();
    }
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
    ASSERT_FALSE(rows.empty());
    ClaimRow grown = rows.back();
    grown.result = std::string(100'000, 's');
    EXPECT_EQ(journal->Write(grown).code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(*journal->Load(), ElementsAreArray(rows));

    if (round == 1) {
      // A start on a full disk loses nothing either.
      journal.reset();
      auto again = SqliteJournal::Open(disk.File());
      if (again.ok()) {
        journal = *std::move(again);
        EXPECT_THAT(*journal->Load(), ElementsAreArray(rows));
      } else {
        EXPECT_EQ(again.status().code(), absl::StatusCode::kResourceExhausted) << again.status();
      }
    }
    disk.MakeRoom();
    if (journal == nullptr) journal = *SqliteJournal::Open(disk.File());
    rows.back().result = "there is space again";
    EXPECT_TRUE(journal->Write(rows.back()).ok());
    ASSERT_TRUE(journal->End(rows.front().function, rows.front().claim).ok());
    rows.erase(rows.begin());
    EXPECT_THAT(*journal->Load(), ElementsAreArray(rows));
    // For the next round: names of functions that go on from the last one.
    while (rows.size() > 1) {
      ASSERT_TRUE(journal->End(rows.front().function, rows.front().claim).ok());
      rows.erase(rows.begin());
    }
    ASSERT_TRUE(journal->End(rows.front().function, rows.front().claim).ok());
    rows.clear();
  }
}

// A process that writes a journal and is killed at any moment: what it was told was written is there, and of
// the change it was in, all or nothing.
TEST(SqliteJournal, AKillAtAnyMomentLosesNothingThatWasAnswered) {
  const uint64_t seed = TestSeed();
  std::mt19937_64 random(seed);
  TempFolder folder;
  for (int round = 0; round < 40; ++round) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << " round " << round);
    int answers[2];
    ASSERT_EQ(pipe(answers), 0);
    const pid_t child = fork();
    if (child == 0) {
      auto journal = SqliteJournal::Open(folder.File());
      if (!journal.ok()) _exit(1);
      // Begins, writes and ends claims of one function, and says so after each: 'b', 'w', 'e'.
      while (true) {
        ClaimRow row;
        const auto there = (*journal)->Load();
        if (!there.ok()) _exit(2);
        if (!there->empty()) {
          row = there->front();
        } else {
          auto begun = (*journal)->Begin(FullRow(Function(1)));
          if (!begun.ok() || write(answers[1], "b", 1) != 1) _exit(3);
          row = *begun;
        }
        row.result += "x";
        if (!(*journal)->Write(row).ok() || write(answers[1], "w", 1) != 1) _exit(4);
        if (!(*journal)->End(row.function, row.claim).ok() || write(answers[1], "e", 1) != 1) _exit(5);
      }
    }
    close(answers[1]);
    char last = 0;
    for (uint64_t steps = random() % 60 + 1; steps > 0; --steps) ASSERT_EQ(read(answers[0], &last, 1), 1);
    // At some point of what it does next.
    for (volatile uint64_t spin = random() % 100'000; spin > 0;) spin = spin - 1;
    kill(child, SIGKILL);
    while (read(answers[0], &last, 1) == 1) {
    }
    close(answers[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child found something wrong: " << WEXITSTATUS(status);

    auto opened = SqliteJournal::OpenOrReplace(folder.File());
    ASSERT_TRUE(opened.ok()) << opened.status();
    ASSERT_FALSE(opened->lost.has_value()) << opened->lost->reason;
    const auto rows = opened->journal->Load();
    ASSERT_TRUE(rows.ok()) << rows.status();
    const std::string result =
        rows->empty() ? "" : rows->front().result.substr(FullRow(Function(1)).result.size());
    switch (last) {
      case 'b':
        ASSERT_EQ(rows->size(), 1);
        EXPECT_THAT(result, ::testing::AnyOf("", "x"));
        break;
      case 'w':
        // Ended already, if not yet told.
        EXPECT_TRUE(rows->empty() || !result.empty());
        break;
      default:
        // Nothing, or begun already.
        EXPECT_TRUE(rows->empty() || result.empty()) << result;
    }
  }
}

}  // namespace
}  // namespace xpu
