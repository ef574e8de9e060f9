// Random changes on both sides, brokers that die, ways that break and answers that are lost: when it is over,
// each source has its copy, and nothing else is there.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/base/test_seed.h"
#include "common/kube/metadata.h"
#include "control-plane/broker/two_clusters_testing.h"

namespace xpu::broker {
namespace {

class Story {
 public:
  explicit Story(uint32_t seed) : random_(seed) {
    options_ = TwoClusters::Options();
    options_.config.syncs[0].namespaces = {{"default", "a-default"}, {"web", "a-web"}};
    for (CutStore* way : {&clusters_.to_tenant, &clusters_.to_infra})
      way->Disturb([this] { return Disturbance(); });
    broker_ = std::make_unique<RunningBroker>(clusters_, options_);
  }

  void Run(int steps) {
    for (int i = 0; i < steps; ++i) Step();
  }

  // Everything is whole again, and comes to rest.
  bool Rests() {
    calm_ = true;
    clusters_.to_tenant.Mend();
    clusters_.to_infra.Mend();
    if (broker_ == nullptr) broker_ = std::make_unique<RunningBroker>(clusters_, options_);
    return clusters_.WaitUntil([this] {
      LetGo();
      return Difference().empty();
    });
  }

  // What is not as it should be; empty if all is.
  std::string Difference() {
    std::set<std::string> wanted, there;
    for (const Resource& source : All(clusters_.tenant)) {
      if (IsBeingDeleted(source)) return absl::StrCat(NameOf(source).ToString(), " is not gone");
      if (NameOf(source).ns == "other") continue;
      const ResourceName name = {absl::StrCat("a-", NameOf(source).ns), NameOf(source).name};
      // A copy that was made again says nothing at first; until it does, what was said last stands.
      const std::optional<Resource> copy = clusters_.Find(clusters_.infra, name.ns, name.name);
      const bool has_status = copy.has_value() && copy->contains("status");
      wanted.insert(
          Line(name, UidOf(source), source, has_status ? source.value("status", Resource()) : Resource()));
    }
    for (const Resource& copy : All(clusters_.infra)) {
      Resource status = copy.value("status", Resource());
      if (!status.is_null()) status["observedGeneration"] = MarksOf(copy).generation;
      there.insert(Line(NameOf(copy), MarksOf(copy).uid, copy, status));
    }
    std::string text;
    for (const std::string& line : wanted) {
      if (!there.contains(line)) absl::StrAppend(&text, "missing: ", line, "\n");
    }
    for (const std::string& line : there) {
      if (!wanted.contains(line)) absl::StrAppend(&text, "left: ", line, "\n");
    }
    return text;
  }

 private:
  static std::vector<Resource> All(FakeStore& store) { return store.List(kNetworks, "").value().items; }

  static std::string Line(const ResourceName& name, const std::string& uid, const Resource& object,
                          const Resource& status) {
    return absl::StrCat(name.ToString(), " of ", uid, " ", object["spec"].dump(), " ", status.dump());
  }

  int Below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }

  CutStore::Disturbance Disturbance() {
    // On the brokers' threads.
    const uint32_t number = disturbances_.fetch_add(1) * 2654435761u >> 24;
    if (calm_ || number > 40) return CutStore::Disturbance::kNone;
    return number % 2 == 0 ? CutStore::Disturbance::kLost : CutStore::Disturbance::kAnswerLost;
  }

  std::string SourceNamespace() { return std::vector<std::string>{"default", "web", "other"}[Below(3)]; }
  std::string Name() { return absl::StrCat("net", Below(4)); }

  std::optional<Resource> AnyCopy() {
    const std::vector<Resource> copies = All(clusters_.infra);
    if (copies.empty()) return std::nullopt;
    return copies[Below(static_cast<int>(copies.size()))];
  }

  // The target's agents let go of what is going.
  void LetGo() {
    for (Resource copy : All(clusters_.infra)) {
      if (IsBeingDeleted(copy) && RemoveFinalizer(&copy, "infra/agent"))
        (void)clusters_.infra.Update(kNetworks, copy);
    }
    // A status is of the newest generation in the end.
    for (Resource copy : All(clusters_.infra)) {
      if (copy.contains("status") && copy["status"]["observedGeneration"] != GenerationOf(copy)) {
        copy["status"]["observedGeneration"] = GenerationOf(copy);
        (void)clusters_.infra.UpdateStatus(kNetworks, copy);
      }
    }
  }

  void Step() {
    switch (Below(14)) {
      case 0:
      case 1:
      case 2: {
        const std::string ns = SourceNamespace(), name = Name();
        const std::optional<Resource> there = clusters_.Find(clusters_.tenant, ns, name);
        Resource object = there.value_or(MakeResource(kNetworks, {ns, name}));
        object["metadata"].erase("resourceVersion");
        object["spec"] = {{"vni", Below(1000)}};
        // A broker may be quicker, either way.
        if (there) {
          (void)clusters_.tenant.Update(kNetworks, object);
        } else {
          (void)clusters_.tenant.Create(kNetworks, object);
        }
        return;
      }
      case 3:
      case 4:
        (void)clusters_.tenant.Delete(kNetworks, {SourceNamespace(), Name()});
        return;
      case 5:
        if (const std::string ns = SourceNamespace(), name = Name();
            clusters_.Find(clusters_.tenant, ns, name)) {
          clusters_.tenant.Erase(kNetworks, {ns, name});
        }
        return;
      case 6:
        if (auto copy = AnyCopy()) (void)clusters_.infra.Delete(kNetworks, NameOf(*copy));
        return;
      case 7:
        if (auto copy = AnyCopy(); copy && !IsBeingDeleted(*copy) && AddFinalizer(&*copy, "infra/agent")) {
          (void)clusters_.infra.Update(kNetworks, *copy);
        }
        return;
      case 8:
        if (auto copy = AnyCopy()) {
          (*copy)["status"] = {{"n", Below(100)}, {"observedGeneration", GenerationOf(*copy)}};
          (void)clusters_.infra.UpdateStatus(kNetworks, *copy);
        }
        return;
      case 9:
        if (auto copy = AnyCopy()) {
          (*copy)["spec"]["vni"] = -1;
          (void)clusters_.infra.Update(kNetworks, *copy);
        }
        return;
      case 10:
        LetGo();
        return;
      case 11:
        Below(2) == 0 ? clusters_.to_tenant.Cut() : clusters_.to_infra.Cut();
        return;
      case 12:
        clusters_.to_tenant.Mend();
        clusters_.to_infra.Mend();
        if (Below(3) == 0) clusters_.tenant.Compact();
        if (Below(3) == 0) clusters_.infra.EndWatches(absl::OutOfRangeError("too old"));
        return;
      case 13:
        if (Below(3) != 0) return;
        if (broker_ != nullptr) {
          broker_.reset();
        } else {
          broker_ = std::make_unique<RunningBroker>(clusters_, options_);
        }
        return;
      default:
        return;
    }
  }

  std::mt19937 random_;
  std::atomic<uint32_t> disturbances_ = 0;
  std::atomic<bool> calm_ = false;
  TwoClusters clusters_;
  BrokerOptions options_;
  std::unique_ptr<RunningBroker> broker_;
};

TEST(ConvergenceTest, EachSourceHasItsCopyInTheEndAndNothingElseIsThere) {
  const uint64_t first = TestSeed();
  // XPU_BROKER_STORIES makes it longer.
  const char* const wanted = std::getenv("XPU_BROKER_STORIES");
  const uint64_t stories = wanted == nullptr ? 12 : std::strtoull(wanted, nullptr, 10);
  for (uint64_t seed = first; seed < first + stories; ++seed) {
    SCOPED_TRACE(absl::StrCat("XPU_TEST_SEED=", seed));
    Story story(static_cast<uint32_t>(seed));
    story.Run(400);
    ASSERT_TRUE(story.Rests()) << story.Difference();
  }
}

}  // namespace
}  // namespace xpu::broker
