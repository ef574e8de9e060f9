#include "xpu-agent/core/model_store.h"

#include <memory>

#include "common/sys/files.h"
#include "gtest/gtest.h"
#include "xpu-agent/core/memory_model_store.h"
#include "xpu-agent/core/model_store_contract.h"
#include "xpu-agent/core/model_tables.h"
#include "xpu-agent/core/sqlite_model_store.h"

namespace xpu {
namespace {

class MemoryHarness : public ModelStoreHarness {
 public:
  ModelStore& store() override { return store_; }
  void Reopen() override {}

 private:
  MemoryModelStore store_;
};

class SqliteHarness : public ModelStoreHarness {
 public:
  SqliteHarness() : folder_(TemporaryDirectory::Make().value()) { Reopen(); }
  ModelStore& store() override { return *store_; }
  void Reopen() override {
    store_.reset();
    store_ = SqliteModelStore::Open(folder_.path() + "/model.db").value();
  }

 private:
  TemporaryDirectory folder_;
  std::unique_ptr<SqliteModelStore> store_;
};

std::unique_ptr<ModelStoreHarness> MakeMemory() { return std::make_unique<MemoryHarness>(); }
std::unique_ptr<ModelStoreHarness> MakeSqlite() { return std::make_unique<SqliteHarness>(); }
INSTANTIATE_TEST_SUITE_P(Memory, ModelStoreContract, testing::Values(&MakeMemory));
INSTANTIATE_TEST_SUITE_P(Sqlite, ModelStoreContract, testing::Values(&MakeSqlite));

TEST(SqliteModelStore, ARowThatMakesNoSenseIsDataLossAndNamed) {
  TemporaryDirectory folder = TemporaryDirectory::Make().value();
  const std::string path = folder.path() + "/model.db";
  {
    auto store = SqliteModelStore::Open(path).value();
    AgentState state;
    state.model.ports["host0-1"] = {.id = "host0-1"};
    ASSERT_EQ(store->Write(Diff({}, state)), absl::OkStatus());
  }
  {
    auto database = Database::Open(path, ModelMigrations()).value();
    ASSERT_EQ(database->Execute("UPDATE ports SET mac = 'rubbish'"), absl::OkStatus());
  }
  absl::Status status = SqliteModelStore::Open(path).value()->Load().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(status.message().find("host0-1"), absl::string_view::npos) << status;
}

// The file of the first version.
constexpr char kFirstSchema[] = R"sql(
CREATE TABLE bridges (id TEXT PRIMARY KEY, vlan_id INTEGER NOT NULL, vni INTEGER, vtep TEXT,
  network_key INTEGER NOT NULL UNIQUE, prefixes TEXT NOT NULL, gateways TEXT NOT NULL, mtu INTEGER NOT NULL) STRICT;
CREATE TABLE ports (id TEXT PRIMARY KEY, mac TEXT NOT NULL, trunk INTEGER NOT NULL, bridges TEXT NOT NULL,
  ofport INTEGER NOT NULL, bound INTEGER NOT NULL, addresses TEXT NOT NULL, claim INTEGER NOT NULL) STRICT;
CREATE TABLE claims (port TEXT PRIMARY KEY, highest INTEGER NOT NULL, released INTEGER NOT NULL) STRICT;
CREATE TABLE last_network_key (value INTEGER NOT NULL) STRICT;
INSERT INTO last_network_key VALUES (7);
INSERT INTO bridges VALUES ('blue', 10, NULL, NULL, 7, '10.0.0.0/24', '10.0.0.1', 1500);
INSERT INTO ports VALUES ('host0-1', '02:00:00:00:00:02', 0, 'blue', 12, 1, '10.0.0.5/24', 3);
INSERT INTO claims VALUES ('host0-1', 3, 0);
)sql";

TEST(SqliteModelStore, TakesUpAFileOfTheFirstVersion) {
  TemporaryDirectory folder = TemporaryDirectory::Make().value();
  const std::string path = folder.path() + "/model.db";
  ASSERT_TRUE(Database::Open(path, {kFirstSchema}).ok());
  AgentState expected;
  expected.model.bridges["blue"] = {.id = "blue",
                                    .vlan_id = 10,
                                    .network_key = 7,
                                    .prefixes = {*IpPrefix::Parse("10.0.0.0/24")},
                                    .gateways = {*IpAddress::Parse("10.0.0.1")}};
  expected.model.ports["host0-1"] = {.id = "host0-1",
                                     .mac = *MacAddress::Parse("02:00:00:00:00:02"),
                                     .logical_bridges = {"blue"},
                                     .bound = true,
                                     .addresses = {*InterfaceAddress::Parse("10.0.0.5/24")},
                                     .claim = 3};
  expected.claims["host0-1"] = {3, false};
  expected.last_network_key = 7;
  EXPECT_EQ(*SqliteModelStore::Open(path).value()->Load(), expected);
}

TEST(SqliteModelStore, AFailedWriteWritesNothing) {
  TemporaryDirectory folder = TemporaryDirectory::Make().value();
  auto store = SqliteModelStore::Open(folder.path() + "/model.db").value();
  StateChange change;
  change.model.bridges["a"] = LogicalBridge{.id = "a", .network_key = 1};
  change.model.bridges["b"] = LogicalBridge{.id = "b", .network_key = 1};
  change.last_network_key = 9;
  // Two networks under one key would be joined in the switch.
  EXPECT_FALSE(store->Write(change).ok());
  EXPECT_EQ(*store->Load(), AgentState());
  // So would two VRFs.
  change.model.bridges.clear();
  change.model.vrfs["a"] = Vrf{.id = "a", .vrf_key = 1};
  change.model.vrfs["b"] = Vrf{.id = "b", .vrf_key = 1};
  EXPECT_FALSE(store->Write(change).ok());
  EXPECT_EQ(*store->Load(), AgentState());
}

TEST(MemoryModelStore, FailsWhenTold) {
  MemoryModelStore store;
  StateChange change;
  change.last_network_key = 1;
  store.FailWrite(2, absl::ResourceExhaustedError("full"));
  EXPECT_EQ(store.Write(change), absl::OkStatus());
  change.last_network_key = 2;
  EXPECT_EQ(store.Write(change), absl::ResourceExhaustedError("full"));
  EXPECT_EQ(store.Load()->last_network_key, 1u);
  store.FailLoad(absl::DataLossError("gone"));
  EXPECT_EQ(store.Load().status(), absl::DataLossError("gone"));
}

TEST(Diff, OfEqualStatesIsEmpty) {
  AgentState state;
  state.model.ports["host0-1"] = {.id = "host0-1"};
  state.claims["host0-1"] = {1, false};
  EXPECT_TRUE(Diff(state, state).empty());
  EXPECT_FALSE(Diff({}, state).empty());
}

}  // namespace
}  // namespace xpu
