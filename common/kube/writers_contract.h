#pragma once

// What a ResourceStore must do where several write one object: server-side apply, and reading again after a
// conflict. A part of ResourceStoreContract; include it beside resource_store_contract.h.

#include <atomic>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/kube/change_object.h"
#include "common/kube/resource_store_contract.h"

namespace xpu {

TEST_P(ResourceStoreContract, AnApplyMakesTheObjectAndLeavesWhatOthersHaveSaid) {
  const Resource made = ApplyAs("ann", Network("blue"));
  EXPECT_EQ(GenerationOf(made), 1);
  EXPECT_EQ(made["spec"]["mtu"], 1500);
  Resource label = MakeResource(kNetworks, {"default", "blue"});
  label["metadata"]["labels"] = {{"app", "demo"}};
  const Resource merged = ApplyAs("ben", label);
  EXPECT_EQ(UidOf(merged), UidOf(made));
  EXPECT_EQ(merged["spec"], made["spec"]);
  EXPECT_EQ(merged["metadata"]["labels"], Resource({{"app", "demo"}}));
  EXPECT_EQ(VersionOf(ApplyAs("ben", label)), VersionOf(merged)) << "the same again changes nothing";
}

TEST_P(ResourceStoreContract, WhatAManagerNamesNoMoreGoesUnlessSomebodyElseOwnsIt) {
  Resource object = Network("blue");
  object["metadata"]["labels"] = {{"app", "demo"}, {"tier", "one"}};
  ApplyAs("ann", object);
  Resource label = MakeResource(kNetworks, {"default", "blue"});
  label["metadata"]["labels"] = {{"tier", "one"}};
  ApplyAs("ben", label);
  object["metadata"].erase("labels");
  EXPECT_EQ(ApplyAs("ann", object)["metadata"]["labels"], Resource({{"tier", "one"}}));
}

TEST_P(ResourceStoreContract, AConflictNamesTheOwnerAndForceTakesTheField) {
  Resource object = Network("blue");
  ApplyAs("ann", object);
  Resource mtu = MakeResource(kNetworks, {"default", "blue"});
  mtu["spec"] = {{"mtu", 1400}};
  const absl::Status refused = store().Apply(kNetworks, mtu, {.field_manager = "ben"}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(refused.message(),
              ::testing::AllOf(::testing::HasSubstr("\"ann\""), ::testing::HasSubstr(".spec.mtu")));
  EXPECT_EQ(Read("blue")["spec"]["mtu"], 1500);

  const auto forced = store().Apply(kNetworks, mtu, {.field_manager = "ben", .force = true});
  ASSERT_TRUE(forced.ok()) << forced.status();
  EXPECT_EQ((*forced)["spec"]["mtu"], 1400);
  EXPECT_EQ(GenerationOf(*forced), 2);
  EXPECT_TRUE(
      absl::IsFailedPrecondition(store().Apply(kNetworks, object, {.field_manager = "ann"}).status()));
  // It is not ann's any more, and so does not go with her word.
  object["spec"].erase("mtu");
  EXPECT_EQ(ApplyAs("ann", object)["spec"]["mtu"], 1400);
}

TEST_P(ResourceStoreContract, WhoWritesAFieldByOtherMeansOwnsIt) {
  Resource object = Network("blue");
  ApplyAs("ann", object);
  ASSERT_TRUE(
      store().Patch(kNetworks, {"default", "blue"}, PatchType::kMerge, {{"spec", {{"mtu", 1400}}}}).ok());
  EXPECT_TRUE(
      absl::IsFailedPrecondition(store().Apply(kNetworks, object, {.field_manager = "ann"}).status()));
  object["spec"]["mtu"] = 1400;
  EXPECT_EQ(ApplyAs("ann", object)["spec"]["mtu"], 1400) << "agreement is no conflict";
}

TEST_P(ResourceStoreContract, StatusIsAppliedByItselfAndEachOwnsItsEntries) {
  Make("blue");
  const auto entry = [&](const std::string& card, int64_t ports) {
    Resource object = MakeResource(kNetworks, {"default", "blue"});
    object["status"]["cards"] = Resource::array({{{"card", card}, {"ports", ports}}});
    const auto applied = store().Apply(kNetworks, object, {.field_manager = card, .status = true});
    EXPECT_TRUE(applied.ok()) << applied.status();
    return applied.ok() ? *applied : Resource::object();
  };
  entry("card0", 1);
  entry("card1", 5);
  const Resource written = entry("card0", 2);
  EXPECT_EQ(written["status"]["cards"], Resource::parse(R"([{"card": "card0", "ports": 2},
                                                             {"card": "card1", "ports": 5}])"));
  EXPECT_EQ(GenerationOf(written), 1);
  EXPECT_TRUE(absl::IsNotFound(store()
                                   .Apply(kNetworks, MakeResource(kNetworks, {"default", "none"}),
                                          {.field_manager = "me", .status = true})
                                   .status()));
}

TEST_P(ResourceStoreContract, AnApplyIsOfTheObjectThatWasMeant) {
  Resource object = Network("blue");
  const Resource first = ApplyAs("ann", object);
  Resource label = MakeResource(kNetworks, {"default", "blue"});
  label["metadata"]["labels"] = {{"app", "demo"}};
  label["metadata"]["uid"] = UidOf(first);
  EXPECT_EQ(UidOf(ApplyAs("ben", label)), UidOf(first));
  label["metadata"]["resourceVersion"] = VersionOf(first);
  label["metadata"]["labels"]["app"] = "other";
  EXPECT_TRUE(absl::IsAborted(store().Apply(kNetworks, label, {.field_manager = "ben"}).status()));
  label["metadata"].erase("resourceVersion");
  ASSERT_TRUE(store().Delete(kNetworks, {"default", "blue"}).ok());
  EXPECT_TRUE(absl::IsAborted(store().Apply(kNetworks, label, {.field_manager = "ben"}).status()))
      << "it does not come back";
  const Resource second = ApplyAs("ann", object);
  EXPECT_FALSE(store().Apply(kNetworks, label, {.field_manager = "ben"}).ok()) << "the uid is another's";
  EXPECT_EQ(Read("blue"), second);
}

TEST_P(ResourceStoreContract, AppliersOfOneObjectNeverWaitForEachOther) {
  Make("blue");
  constexpr int kCards = 4, kTimes = 10;
  std::vector<std::thread> cards;
  std::atomic<int> refused = 0;
  for (int card = 0; card < kCards; ++card) {
    cards.emplace_back([&, card] {
      Resource object = MakeResource(kNetworks, {"default", "blue"});
      const std::string name = absl::StrCat("card", card);
      for (int i = 1; i <= kTimes; ++i) {
        object["status"]["cards"] = Resource::array({{{"card", name}, {"ports", i}}});
        if (!store().Apply(kNetworks, object, {.field_manager = name, .status = true}).ok()) ++refused;
      }
    });
  }
  for (std::thread& card : cards) card.join();
  EXPECT_EQ(refused, 0);
  const Resource entries = Read("blue")["status"]["cards"];
  ASSERT_EQ(entries.size(), size_t{kCards});
  for (const Resource& entry : entries) EXPECT_EQ(entry["ports"], kTimes);
}

TEST_P(ResourceStoreContract, WhoeverIsToldOfAConflictReadsAgainAndNothingIsLost) {
  Make("blue");
  constexpr int kWriters = 3, kTimes = 5;
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&] {
      const Resource stale = Read("blue");
      for (int done = 0; done < kTimes;) {
        const absl::Status changed =
            ChangeObject(store(), kNetworks, stale, ObjectPart::kAllButStatus, [](Resource* object) {
              Resource& mtu = (*object)["spec"]["mtu"];
              mtu = mtu.get<int64_t>() + 1;
              return true;
            }).status();
        EXPECT_TRUE(changed.ok() || absl::IsAborted(changed)) << changed;
        if (changed.ok()) ++done;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(Read("blue")["spec"]["mtu"], 1500 + kWriters * kTimes);
}

}  // namespace xpu
