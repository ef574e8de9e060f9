#include "common/kube/field_selection.h"

#include "common/kube/metadata.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

const ResourceKind kNetdevs = {"xpu.opiproject.org", "v1alpha1", "Netdev", "netdevs"};
const absl::Status kRefused = absl::InvalidArgumentError("field label not supported: spec.host");

TEST(FieldSelectionTest, TheServerSelectsUntilItHasRefused) {
  FieldSelections selections;
  const ListOptions options = {
      .label_selector = "app=x", .field_selector = "spec.host=here", .labels_of_fields = "host=here"};
  const FieldSelection first = selections.For(kNetdevs, options).value();
  EXPECT_EQ(first.labels, "app=x");
  EXPECT_EQ(first.fields, "spec.host=here");
  EXPECT_TRUE(first.rest.everything());
  EXPECT_FALSE(selections.IsRefusal(kNetdevs, first, absl::OkStatus()));
  EXPECT_FALSE(selections.IsRefusal(kNetdevs, first, absl::UnavailableError("")));
  EXPECT_TRUE(selections.IsRefusal(kNetdevs, first, kRefused));
  const FieldSelection second = selections.For(kNetdevs, options).value();
  EXPECT_EQ(second.labels, "app=x,host=here");
  EXPECT_EQ(second.fields, "");
  EXPECT_FALSE(selections.IsRefusal(kNetdevs, second, kRefused)) << "it was not asked";
  Resource object = MakeResource(kNetdevs, {"default", "a"});
  object["spec"]["host"] = "here";
  EXPECT_TRUE(second.rest.Matches(object));
  object["spec"]["host"] = "there";
  EXPECT_FALSE(second.rest.Matches(object));
  // Each kind for itself, and what every server can do stays.
  ResourceKind other = kNetdevs;
  other.plural = "others";
  EXPECT_EQ(selections.For(other, options)->fields, "spec.host=here");
  EXPECT_EQ(selections.For(kNetdevs, {.label_selector = "app=x"})->labels, "app=x");
}

TEST(FieldSelectionTest, WhatNoServerCanSelectIsNoRefusal) {
  FieldSelections selections;
  for (const ListOptions& options :
       {ListOptions{.field_selector = "spec.mac=x"}, ListOptions{.field_selector = "what"},
        ListOptions{.label_selector = "a in b", .field_selector = "spec.host=x"}}) {
    const FieldSelection selection = selections.For(kNetdevs, options).value();
    EXPECT_FALSE(selections.IsRefusal(kNetdevs, selection, kRefused)) << options.field_selector;
  }
  const ResourceKind unknown = {"example.com", "v1", "Car", "cars"};
  EXPECT_FALSE(selections.IsRefusal(unknown, {"", "spec.host=x", {}}, kRefused));
}

}  // namespace
}  // namespace xpu
