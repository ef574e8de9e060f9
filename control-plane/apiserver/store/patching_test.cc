#include "control-plane/apiserver/store/patching.h"

#include <gtest/gtest.h>

#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

const ResourceKind kNetworks = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};

json Target() {
  return json::parse(R"({"metadata": {"name": "blue"}, "spec": {"vni": 5, "list": ["a", "b"]}})");
}

absl::StatusOr<json> Apply(PatchKind kind, const std::string& patch) {
  return ApplyPatch(kNetworks, kind, Target(), json::parse(patch));
}

// The code of the answer, 200 for success.
int Code(const absl::StatusOr<json>& result) {
  return result.ok() ? 200 : StatusObject(result.status())["code"].get<int>();
}

TEST(PatchingTest, AMergePatchSetsAndRemoves) {
  absl::StatusOr<json> result =
      Apply(PatchKind::kMerge, R"({"spec": {"vni": null, "mtu": 9000, "list": ["c"]}})");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ((*result)["spec"], json::parse(R"({"mtu": 9000, "list": ["c"]})"));
}

TEST(PatchingTest, AMergePatchOfAnObjectIsAnObject) {
  for (const char* patch : {"null", "[]", "7", "\"x\""})
    EXPECT_EQ(Code(Apply(PatchKind::kMerge, patch)), 400);
}

TEST(PatchingTest, AJsonPatchIsAppliedInOrder) {
  absl::StatusOr<json> result = Apply(PatchKind::kJson, R"([
      {"op": "test", "path": "/spec/vni", "value": 5},
      {"op": "add", "path": "/spec/list/1", "value": "x"},
      {"op": "add", "path": "/spec/list/-", "value": "z"},
      {"op": "remove", "path": "/spec/list/0"},
      {"op": "replace", "path": "/spec/vni", "value": 6},
      {"op": "copy", "from": "/spec/vni", "path": "/spec/copy"},
      {"op": "move", "from": "/spec/copy", "path": "/moved"}])");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ((*result)["spec"], json::parse(R"({"vni": 6, "list": ["x", "b", "z"]})"));
  EXPECT_EQ((*result)["moved"], 6);
}

struct Bad {
  const char* patch;
  int code;
};

class BadJsonPatchTest : public ::testing::TestWithParam<Bad> {};

TEST_P(BadJsonPatchTest, IsRefused) {
  EXPECT_EQ(Code(Apply(PatchKind::kJson, GetParam().patch)), GetParam().code);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadJsonPatchTest,
    ::testing::Values(
        // Not an RFC 6902 document.
        Bad{R"({})", 400}, Bad{R"(null)", 400}, Bad{R"([7])", 400}, Bad{R"([{}])", 400},
        Bad{R"([{"op": "add", "path": "/a"}])", 400}, Bad{R"([{"op": "add", "value": 1}])", 400},
        Bad{R"([{"op": "add", "path": 7, "value": 1}])", 400},
        Bad{R"([{"op": "add", "path": "a", "value": 1}])", 400},
        Bad{R"([{"op": "add", "path": "/a~", "value": 1}])", 400},
        Bad{R"([{"op": "swap", "path": "/a"}])", 400}, Bad{R"([{"op": 7, "path": "/a"}])", 400},
        Bad{R"([{"op": "copy", "path": "/a"}])", 400},
        Bad{R"([{"op": "move", "path": "/a", "from": "b"}])", 400},
        // Does not fit this object.
        Bad{R"([{"op": "test", "path": "/spec/vni", "value": 6}])", 422},
        Bad{R"([{"op": "test", "path": "/nothing", "value": 6}])", 422},
        Bad{R"([{"op": "replace", "path": "/nothing", "value": 6}])", 422},
        Bad{R"([{"op": "remove", "path": "/nothing"}])", 422}, Bad{R"([{"op": "remove", "path": ""}])", 422},
        Bad{R"([{"op": "remove", "path": "/spec/vni/x"}])", 422},
        Bad{R"([{"op": "remove", "path": "/spec/list/2"}])", 422},
        Bad{R"([{"op": "add", "path": "/spec/vni/x", "value": 1}])", 422},
        Bad{R"([{"op": "add", "path": "/metadata/name/x", "value": 1}])", 422},
        Bad{R"([{"op": "add", "path": "/nothing/x", "value": 1}])", 422},
        Bad{R"([{"op": "add", "path": "/spec/list/9", "value": 1}])", 422},
        Bad{R"([{"op": "copy", "from": "/nothing", "path": "/a"}])", 422},
        Bad{R"([{"op": "copy", "from": "/spec", "path": "/spec/vni/x"}])", 422},
        Bad{R"([{"op": "move", "from": "/spec", "path": "/spec/x"}])", 422},
        Bad{R"([{"op": "move", "from": "", "path": "/x"}])", 422}));

TEST(PatchingTest, OddIndexesAreRefusedWithoutHarm) {
  for (const char* path :
       {"/spec/list/01", "/spec/list/x", "/spec/list/-1", "/spec/list/1e0", "/spec/list/ 1",
        "/spec/list/18446744073709551616", "/spec/list/-/x", "/spec/list/"}) {
    for (const char* op : {"add", "replace", "remove", "test"}) {
      json patch = {{{"op", op}, {"path", path}, {"value", 1}}};
      EXPECT_GE(Code(ApplyPatch(kNetworks, PatchKind::kJson, Target(), patch)), 400) << op << " " << path;
    }
  }
}

TEST(PatchingTest, CopiesCannotGrowWithoutBound) {
  json patch = json::array();
  for (int i = 0; i < 60; ++i) {
    patch.push_back({{"op", "copy"}, {"from", "/spec"}, {"path", "/spec/c" + std::to_string(i)}});
  }
  EXPECT_EQ(Code(ApplyPatch(kNetworks, PatchKind::kJson, Target(), patch)), 413);
  json many = json::array();
  for (int i = 0; i < 1001; ++i) many.push_back({{"op", "test"}, {"path", "/spec/vni"}, {"value", 5}});
  EXPECT_EQ(Code(ApplyPatch(kNetworks, PatchKind::kJson, Target(), many)), 413);
}

}  // namespace
}  // namespace xpu::apiserver
