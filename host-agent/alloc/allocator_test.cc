#include "host-agent/alloc/allocator.h"

#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "common/base/test_seed.h"
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

FunctionId Function(int n) { return PciAddress{0, 3, 0, static_cast<uint8_t>(n)}; }

ClaimRow Draft(int n) {
  ClaimRow row;
  row.function = Function(n);
  row.card = "card0";
  row.port = "host0-0";
  return row;
}

Attachment ForPod(const std::string& name) {
  return Attachment{
      .container_id = "c-" + name, .ifname = "net1", .pod_namespace = "default", .pod_name = name};
}

// What an ADD for that pod makes of the claim.
ClaimRow AttachTo(int n, int64_t claim, const std::string& pod) {
  ClaimRow row = Draft(n);
  row.claim = claim;
  row.attachment = ForPod(pod);
  return row;
}

class AllocatorTest : public ::testing::Test {
 protected:
  AllocatorTest() { Restart(); }
  void Restart() {
    auto allocator = Allocator::Open(journal_);
    ASSERT_TRUE(allocator.ok()) << allocator.status();
    allocator_ = *std::move(allocator);
  }
  FakeJournal journal_;
  std::unique_ptr<Allocator> allocator_;
};

TEST_F(AllocatorTest, TakesAFunctionThroughItsLife) {
  const auto claimed = allocator_->Begin(Draft(1));
  ASSERT_TRUE(claimed.ok()) << claimed.status();
  EXPECT_EQ(claimed->state, ClaimState::kClaimed);

  const auto asked = InterfaceAddress{*IpAddress::Parse("10.0.0.9"), 32};
  ClaimRow asking = AttachTo(1, claimed->claim, "web");
  asking.addresses = {asked};
  const auto attached = allocator_->Attach(asking);
  ASSERT_TRUE(attached.ok()) << attached.status();
  EXPECT_EQ(attached->state, ClaimState::kAttached);
  EXPECT_FALSE(attached->confirmed);
  EXPECT_THAT(attached->addresses, ElementsAre(asked));
  EXPECT_EQ(allocator_->FindAttachment("c-web", "net1"), *attached);

  const auto confirmed =
      allocator_->Confirm(Function(1), claimed->claim, {{*InterfaceAddress::Parse("10.0.0.9/24")}, {}, 1500});
  ASSERT_TRUE(confirmed.ok()) << confirmed.status();
  EXPECT_TRUE(confirmed->confirmed);

  const auto undoing = allocator_->Undo(Function(1), claimed->claim);
  ASSERT_TRUE(undoing.ok()) << undoing.status();
  EXPECT_TRUE(undoing->host_pending && undoing->dpu_pending);
  ASSERT_TRUE(allocator_->Undone(Function(1), claimed->claim, {.host = true}).ok());
  EXPECT_FALSE(allocator_->Find(Function(1))->host_pending);
  ASSERT_TRUE(allocator_->Undone(Function(1), claimed->claim, {.dpu = true}).ok());
  EXPECT_FALSE(allocator_->Find(Function(1)).has_value());
  EXPECT_FALSE(allocator_->FindAttachment("c-web", "net1").has_value());
  EXPECT_THAT(*journal_.Load(), IsEmpty());
}

TEST_F(AllocatorTest, AFunctionBelongsToOnePod) {
  ClaimRow draft = Draft(1);
  draft.attachment = ForPod("web");
  const auto row = allocator_->Begin(draft);
  ASSERT_TRUE(row.ok());
  EXPECT_EQ(row->state, ClaimState::kAttached);

  const auto again = allocator_->Begin(Draft(1));
  EXPECT_EQ(again.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(again.status().message()), HasSubstr("pod default/web"));
  const auto other = allocator_->Attach(AttachTo(1, row->claim, "db"));
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(other.status().message()), HasSubstr("pod default/web"));
}

TEST_F(AllocatorTest, AnAttachmentHasOneFunction) {
  ClaimRow draft = Draft(1);
  draft.attachment = ForPod("web");
  ASSERT_TRUE(allocator_->Begin(draft).ok());

  draft.function = Function(2);
  EXPECT_EQ(allocator_->Begin(draft).status().code(), absl::StatusCode::kAlreadyExists);
  const auto claimed = allocator_->Begin(Draft(2));
  ASSERT_TRUE(claimed.ok());
  const auto attach = allocator_->Attach(AttachTo(2, claimed->claim, "web"));
  EXPECT_EQ(attach.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(attach.status().message()), HasSubstr("0000:03:00.1"));
}

TEST_F(AllocatorTest, AClaimThatIsOverCannotBeUsed) {
  const int64_t old_claim = allocator_->Begin(Draft(1))->claim;
  ASSERT_TRUE(allocator_->Undo(Function(1), old_claim).ok());
  ASSERT_TRUE(allocator_->Undone(Function(1), old_claim, {.host = true, .dpu = true}).ok());
  const ClaimRow row = *allocator_->Begin(Draft(1));
  EXPECT_GT(row.claim, old_claim);

  using Code = absl::StatusCode;
  EXPECT_EQ(allocator_->Attach(AttachTo(1, old_claim, "x")).status().code(), Code::kNotFound);
  EXPECT_EQ(allocator_->Confirm(Function(1), old_claim, {}).status().code(), Code::kNotFound);
  EXPECT_EQ(allocator_->Undo(Function(1), old_claim).status().code(), Code::kNotFound);
  EXPECT_EQ(allocator_->Undone(Function(1), old_claim, {.host = true, .dpu = true}).code(), Code::kNotFound);
  EXPECT_EQ(allocator_->Find(Function(1)), row);
}

TEST_F(AllocatorTest, RefusesStepsOutOfOrder) {
  using Code = absl::StatusCode;
  const int64_t claim = allocator_->Begin(Draft(1))->claim;
  EXPECT_EQ(allocator_->Confirm(Function(1), claim, {}).status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(allocator_->Undone(Function(1), claim, {.host = true, .dpu = true}).code(),
            Code::kFailedPrecondition);
  ASSERT_TRUE(allocator_->Undo(Function(1), claim).ok());
  EXPECT_EQ(allocator_->Attach(AttachTo(1, claim, "x")).status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(allocator_->Confirm(Function(1), claim, {}).status().code(), Code::kFailedPrecondition);
}

TEST_F(AllocatorTest, UndoingTwiceForgetsNothingThatIsDone) {
  const int64_t claim = allocator_->Begin(Draft(1))->claim;
  ASSERT_TRUE(allocator_->Undo(Function(1), claim).ok());
  ASSERT_TRUE(allocator_->Undone(Function(1), claim, {.host = true}).ok());
  const auto again = allocator_->Undo(Function(1), claim);
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->host_pending);
  EXPECT_TRUE(again->dpu_pending);
}

TEST_F(AllocatorTest, ObserversSeeTheRowAsItHasBecome) {
  std::vector<std::string> seen;
  allocator_->Observe([&](const FunctionId& function) {
    const auto row = allocator_->Find(function);
    seen.push_back(row ? ClaimStateName(row->state) : "free");
  });
  const int64_t claim = allocator_->Begin(Draft(1))->claim;
  ASSERT_TRUE(allocator_->Attach(AttachTo(1, claim, "web")).ok());
  ASSERT_TRUE(allocator_->Undo(Function(1), claim).ok());
  ASSERT_TRUE(allocator_->Undone(Function(1), claim, {.host = true, .dpu = true}).ok());
  EXPECT_THAT(seen, ElementsAre("claimed", "attached", "undoing", "free"));
}

TEST_F(AllocatorTest, AJournalThatMakesNoSenseIsRefused) {
  ClaimRow row = Draft(1);
  row.state = ClaimState::kAttached;
  ASSERT_TRUE(journal_.Begin(row).ok());
  const auto opened = Allocator::Open(journal_);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("0000:03:00.1"));
}

// The rules of the allocator in their shortest form.
class Oracle {
 public:
  struct Entry {
    ClaimState state = ClaimState::kClaimed;
    int64_t claim = 0;
    std::string pod;
    bool ipam = false;
    bool confirmed = false, host_pending = false, dpu_pending = false, ipam_pending = false;
  };
  bool CanBegin(int n, const std::string& pod) const { return !entries.contains(n) && PodFree(n, pod); }
  bool CanAttach(int n, int64_t claim, const std::string& pod) const {
    return Has(n, claim) && entries.at(n).state == ClaimState::kClaimed && PodFree(n, pod);
  }
  bool Is(int n, int64_t claim, ClaimState state) const {
    return Has(n, claim) && entries.at(n).state == state;
  }
  bool Has(int n, int64_t claim) const { return entries.contains(n) && entries.at(n).claim == claim; }
  std::map<int, Entry> entries;

 private:
  bool PodFree(int n, const std::string& pod) const {
    for (const auto& [other, entry] : entries) {
      if (other != n && !pod.empty() && entry.pod == pod) return false;
    }
    return true;
  }
};

// Where the model's journal is, and what can befall it.
class JournalPlace {
 public:
  virtual ~JournalPlace() = default;
  // A process that is killed and started again: the journal as the next one finds it.
  virtual Journal& Restart() = 0;
  // The next change meets a full disk, until it is over. False: it may find room all the same.
  virtual bool FillDisk() = 0;
  virtual void FreeDisk() = 0;
};

class InMemory : public JournalPlace {
 public:
  Journal& Restart() override { return journal_; }
  bool FillDisk() override {
    journal_.FailCall(1, absl::ResourceExhaustedError("disk full"));
    return true;
  }
  void FreeDisk() override {}

 private:
  FakeJournal journal_;
};

class OnDisk : public JournalPlace {
 public:
  OnDisk() { EXPECT_TRUE(disk_.mounted()); }
  Journal& Restart() override {
    // What a kill leaves is what is in the files while they are open.
    const std::string next = folder_.Path() + "/disk/" + std::to_string(++lives_) + ".db";
    for (const char* suffix : {"", "-wal"}) {
      if (journal_ != nullptr) std::filesystem::copy_file(path_ + suffix, next + suffix);
    }
    journal_.reset();
    std::filesystem::remove(path_);
    path_ = next;
    auto opened = SqliteJournal::OpenOrReplace(path_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    EXPECT_FALSE(opened->lost.has_value()) << opened->lost->reason;
    journal_ = std::move(opened->journal);
    return *journal_;
  }
  bool FillDisk() override {
    disk_.Fill();
    return false;
  }
  void FreeDisk() override { disk_.MakeRoom(); }

 private:
  TempFolder folder_;
  SmallDisk disk_{folder_, "size=16m"};
  int lives_ = 0;
  std::string path_;
  std::unique_ptr<SqliteJournal> journal_;
};

struct Run {
  uint64_t seed = 0;
  bool on_disk = false;
};
std::string NameOf(const ::testing::TestParamInfo<Run>& info) {
  return (info.param.on_disk ? "OnDisk" : "InMemory") + std::to_string(info.param.seed);
}

class AllocatorModelTest : public ::testing::TestWithParam<Run> {
 protected:
  AllocatorModelTest() {
    if (GetParam().on_disk) {
      place_ = std::make_unique<OnDisk>();
    } else {
      place_ = std::make_unique<InMemory>();
    }
    Restart();
  }
  void Restart() {
    allocator_.reset();
    journal_ = &place_->Restart();
    auto allocator = Allocator::Open(*journal_);
    ASSERT_TRUE(allocator.ok()) << allocator.status();
    allocator_ = *std::move(allocator);
  }

  int Draw(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random_); }

  // Runs a change that is `allowed` or not, now and then on a full disk; whether it was made.
  template <class Change>
  bool Try(bool allowed, bool writes, Change change) {
    const bool full = writes && Draw(8) == 0;
    const bool must_fail = full && place_->FillDisk();
    const absl::Status status = change();
    if (full) place_->FreeDisk();
    if (!status.ok() && allowed) {
      EXPECT_TRUE(full) << status;
      EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
      return false;
    }
    EXPECT_EQ(status.ok(), allowed) << status;
    EXPECT_FALSE(must_fail);
    return status.ok();
  }

  void Compare() {
    std::set<std::string> pods;
    const std::vector<ClaimRow> rows = allocator_->Rows();
    for (const ClaimRow& row : rows) {
      const int n = row.function.pci.function;
      ASSERT_TRUE(oracle_.entries.contains(n)) << "function " << n << " should be free";
      const Oracle::Entry& entry = oracle_.entries.at(n);
      EXPECT_EQ(row.state, entry.state);
      EXPECT_EQ(row.claim, entry.claim);
      EXPECT_EQ(row.attachment ? row.attachment->pod_name : "", entry.pod);
      EXPECT_EQ(row.ipam.has_value(), entry.ipam);
      EXPECT_EQ(row.confirmed, entry.confirmed);
      EXPECT_EQ(row.result.empty(), !entry.confirmed);
      EXPECT_EQ(row.host_pending, entry.host_pending);
      EXPECT_EQ(row.dpu_pending, entry.dpu_pending);
      EXPECT_EQ(row.ipam_pending, entry.ipam_pending);
      if (row.attachment) {
        EXPECT_TRUE(pods.insert(row.attachment->container_id).second) << "an attachment has two functions";
        const auto found = allocator_->FindAttachment(row.attachment->container_id, row.attachment->ifname);
        EXPECT_EQ(found, row);
      }
    }
    EXPECT_EQ(rows.size(), oracle_.entries.size());
    const auto written = journal_->Load();
    ASSERT_TRUE(written.ok()) << written.status();
    EXPECT_EQ(rows, *written) << "memory and journal differ";
  }

  // As an ADD asks for it; sometimes with all that there is.
  static ClaimRow Asking(int n, int64_t claim, const std::string& pod, bool ipam) {
    ClaimRow row = Draft(n);
    row.claim = claim;
    if (!pod.empty()) row.attachment = ForPod(pod);
    if (ipam) {
      row.ipam = IpamCall{.type = "host-local", .path = "/opt/cni/bin", .args = "", .config = "{}"};
      row.settings_before.trust = true;
    }
    return row;
  }

  void Step() {
    const int n = Draw(4);
    const std::string pod = Draw(3) == 0 ? "" : std::string(1, static_cast<char>('a' + Draw(3)));
    const bool ipam = !pod.empty() && Draw(2) == 0;
    // Mostly the claim that is there, sometimes one that is over.
    int64_t claim = oracle_.entries.contains(n) ? oracle_.entries[n].claim : last_claim_[n];
    if (Draw(10) == 0) claim -= 1;
    switch (Draw(6)) {
      case 0: {
        const bool allowed = oracle_.CanBegin(n, pod);
        ClaimRow row;
        const auto begin = [&] {
          const auto begun = allocator_->Begin(Asking(n, 0, pod, ipam));
          if (begun.ok()) row = *begun;
          return begun.status();
        };
        if (!Try(allowed, allowed, begin)) return;
        EXPECT_GT(row.claim, last_claim_[n]);
        last_claim_[n] = row.claim;
        oracle_.entries[n] = {pod.empty() ? ClaimState::kClaimed : ClaimState::kAttached, row.claim, pod,
                              ipam};
        return;
      }
      case 1: {
        if (pod.empty()) return;
        const bool allowed = oracle_.CanAttach(n, claim, pod);
        const auto attach = [&] { return allocator_->Attach(Asking(n, claim, pod, ipam)).status(); };
        if (!Try(allowed, allowed, attach)) return;
        oracle_.entries[n].state = ClaimState::kAttached;
        oracle_.entries[n].pod = pod;
        oracle_.entries[n].ipam = ipam;
        return;
      }
      case 2: {
        const bool allowed = oracle_.Is(n, claim, ClaimState::kAttached);
        const auto confirm = [&] {
          return allocator_->Confirm(Function(n), claim, {{}, {}, 1500, "{}"}).status();
        };
        if (Try(allowed, allowed, confirm)) oracle_.entries[n].confirmed = true;
        return;
      }
      case 3: {
        const bool allowed = oracle_.Has(n, claim);
        const bool writes = allowed && oracle_.entries[n].state != ClaimState::kUndoing;
        const auto undo = [&] { return allocator_->Undo(Function(n), claim).status(); };
        if (!Try(allowed, writes, undo) || !writes) return;
        Oracle::Entry& entry = oracle_.entries[n];
        entry.state = ClaimState::kUndoing;
        entry.host_pending = entry.dpu_pending = true;
        entry.ipam_pending = entry.ipam;
        return;
      }
      case 4: {
        const UndoneParts done{.host = Draw(2) == 0, .dpu = Draw(2) == 0, .ipam = Draw(2) == 0};
        const bool allowed = oracle_.Is(n, claim, ClaimState::kUndoing);
        bool writes = false;
        if (allowed) {
          const Oracle::Entry& entry = oracle_.entries[n];
          writes = (done.host && entry.host_pending) || (done.dpu && entry.dpu_pending) ||
                   (done.ipam && entry.ipam_pending);
        }
        if (!Try(allowed, writes, [&] { return allocator_->Undone(Function(n), claim, done); })) return;
        Oracle::Entry& entry = oracle_.entries[n];
        if (done.host) entry.host_pending = false;
        if (done.dpu) entry.dpu_pending = false;
        if (done.ipam) entry.ipam_pending = false;
        if (!entry.host_pending && !entry.dpu_pending && !entry.ipam_pending) oracle_.entries.erase(n);
        return;
      }
      case 5:
        if (Draw(3) == 0) Restart();
        return;
    }
  }

  std::mt19937_64 random_;
  std::unique_ptr<JournalPlace> place_;
  Journal* journal_ = nullptr;
  std::unique_ptr<Allocator> allocator_;
  Oracle oracle_;
  std::map<int, int64_t> last_claim_;
};

TEST_P(AllocatorModelTest, AgreesWithItsModelAfterEveryStep) {
  const uint64_t seed = GetParam().seed != 0 ? GetParam().seed : TestSeed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  random_.seed(seed);
  for (int i = 0; i < (GetParam().on_disk ? 1000 : 3000) && !HasFailure(); ++i) {
    SCOPED_TRACE(testing::Message() << "step " << i);
    Step();
    Compare();
  }
}

// Seeds that never change, and one that always does (0).
INSTANTIATE_TEST_SUITE_P(Seeds, AllocatorModelTest,
                         ::testing::Values(Run{1, false}, Run{2, false}, Run{3, false}, Run{0, false},
                                           Run{1, true}, Run{0, true}),
                         NameOf);

}  // namespace
}  // namespace xpu
