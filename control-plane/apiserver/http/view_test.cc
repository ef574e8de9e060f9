#include "control-plane/apiserver/http/view.h"

#include "control-plane/apiserver/store/api_error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

constexpr char kTable[] =
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/"
    "json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

const api::KindInfo& Network() { return *api::FindByName("network"); }
const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

json Blue() {
  return json::parse(R"({
      "apiVersion": "xpu.opiproject.org/v1alpha1", "kind": "Network",
      "metadata": {"name": "blue", "namespace": "ns", "resourceVersion": "7",
                   "creationTimestamp": "2027-01-15T07:59:00Z"},
      "spec": {"vni": 5, "prefixes": ["10.0.0.0/24"], "mtu": 1400}})");
}

TEST(ViewTest, WithoutAWishObjectsAreAsTheyAre) {
  for (const char* accept : {"", " ", "application/json", "*/*", "text/plain, application/*",
                             "application/json;as=Table;v=v9;g=meta.k8s.io, application/json"}) {
    const absl::StatusOr<View> view = View::Parse(accept, "");
    ASSERT_TRUE(view.ok()) << accept;
    EXPECT_EQ(view->Object(Network(), Blue(), kNow), Blue()) << accept;
    const json list = view->List(Network(), {Blue()}, {{"resourceVersion", "9"}}, kNow);
    EXPECT_EQ(list["kind"], "NetworkList");
    EXPECT_EQ(list["items"], json::array({Blue()}));
    EXPECT_EQ(list["metadata"]["resourceVersion"], "9");
  }
}

TEST(ViewTest, ATableHasTheColumnsOfTheKind) {
  const View view = View::Parse(kTable, "").value();
  const json table = view.List(Network(), {Blue()}, {{"resourceVersion", "9"}, {"continue", "c"}}, kNow);
  EXPECT_EQ(table["kind"], "Table");
  EXPECT_EQ(table["apiVersion"], "meta.k8s.io/v1");
  EXPECT_EQ(table["metadata"], (json{{"resourceVersion", "9"}, {"continue", "c"}}));
  std::vector<std::string> names;
  for (const json& column : table["columnDefinitions"]) names.push_back(column["name"]);
  EXPECT_THAT(names, testing::ElementsAre("Name", "VNI", "Prefixes", "MTU", "Ready", "Age"));
  EXPECT_EQ(table["columnDefinitions"][0]["format"], "name");
  EXPECT_EQ(table["columnDefinitions"][3]["priority"], 1) << "only with -o wide";
  EXPECT_EQ(table["rows"][0]["cells"], (json{"blue", "5", "10.0.0.0/24", "1400", "", "60s"}));
  EXPECT_EQ(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
  EXPECT_EQ(table["rows"][0]["object"]["metadata"], Blue()["metadata"]);
}

TEST(ViewTest, ARowCarriesAsMuchOfItsObjectAsIsAskedFor) {
  EXPECT_EQ(View::Parse(kTable, "Object")->Object(Network(), Blue(), kNow)["rows"][0]["object"], Blue());
  EXPECT_FALSE(View::Parse(kTable, "None")->Object(Network(), Blue(), kNow)["rows"][0].contains("object"));
  EXPECT_EQ(View::Parse(kTable, "Metadata")->Object(Network(), Blue(), kNow)["metadata"]["resourceVersion"],
            "7");
  EXPECT_EQ(StatusObject(View::Parse(kTable, "Everything").status())["code"], 400);
}

TEST(ViewTest, OnlyTheFirstTableOfAWatchHasColumns) {
  const View view = View::Parse(kTable, "").value();
  EXPECT_FALSE(view.Event(Network(), Blue(), /*first=*/true, kNow)["columnDefinitions"].empty());
  EXPECT_TRUE(view.Event(Network(), Blue(), /*first=*/false, kNow)["columnDefinitions"].empty());
}

TEST(ViewTest, MetadataAloneLeavesTheRestOut) {
  const View one = View::Parse("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", "").value();
  EXPECT_EQ(one.Object(Network(), Blue(), kNow), (json{{"apiVersion", "meta.k8s.io/v1"},
                                                       {"kind", "PartialObjectMetadata"},
                                                       {"metadata", Blue()["metadata"]}}));
  const View list =
      View::Parse("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", "").value();
  const json items = list.List(Network(), {Blue()}, json::object(), kNow);
  EXPECT_EQ(items["kind"], "PartialObjectMetadataList");
  EXPECT_FALSE(items["items"][0].contains("spec"));
}

TEST(ViewTest, WhatCannotBeGivenIsSaid) {
  for (const char* accept : {"application/vnd.kubernetes.protobuf", "text/html, image/png",
                             "application/json;as=Table;v=v1;g=example.org"}) {
    EXPECT_EQ(StatusObject(View::Parse(accept, "").status())["code"], 406) << accept;
  }
}

TEST(ViewTest, TakesObjectsOfAnyShape) {
  for (const char* text : {"{}", R"({"metadata": 7})", R"({"metadata": null, "spec": "x"})"}) {
    for (const char* accept : {kTable, "", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}) {
      const json shown = View::Parse(accept, "")->Object(Network(), json::parse(text), kNow);
      EXPECT_TRUE(shown.is_object()) << text << accept;
    }
  }
}

}  // namespace
}  // namespace xpu::apiserver
