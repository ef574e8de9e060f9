#include "control-plane/apiserver/store/field_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control-plane/apiserver/store/kind_table.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

json Network() {
  return json::parse(R"({"apiVersion": "xpu.opiproject.org/v1alpha1", "kind": "Network",
      "metadata": {"name": "blue", "uid": "u", "labels": {"app": "a"}},
      "spec": {"vni": 5, "prefixes": ["10.0.0.0/24"]},
      "status": {"conditions": [{"type": "Ready", "status": "True"}]}})");
}

class FieldSetTest : public ::testing::Test {
 protected:
  KindTable table_;
  MergeSchema schema_{*table_.FindKind("xpu.opiproject.org/v1alpha1", "Network")};
};

TEST_F(FieldSetTest, FieldsAreWrittenAsKubernetesWritesThem) {
  const FieldSet set = schema_.Fields(Network());
  EXPECT_EQ(set.ToJson(), json::parse(R"({
      "f:metadata": {"f:labels": {"f:app": {}}},
      "f:spec": {"f:prefixes": {}, "f:vni": {}},
      "f:status": {"f:conditions": {"k:{\"type\":\"Ready\"}": {".": {}, "f:status": {}, "f:type": {}}}}})"));
  EXPECT_EQ(FieldSet::FromJson(set.ToJson()), set);
  EXPECT_THAT(
      set.Paths(),
      ElementsAre(".metadata.labels.app", ".spec.prefixes", ".spec.vni", ".status.conditions[type=\"Ready\"]",
                  ".status.conditions[type=\"Ready\"].status", ".status.conditions[type=\"Ready\"].type"));
}

TEST_F(FieldSetTest, SetsAreSets) {
  const FieldSet a = FieldSet::FromJson(json::parse(R"({"f:x": {}, "f:y": {".": {}, "f:z": {}}})"));
  const FieldSet b = FieldSet::FromJson(json::parse(R"({"f:y": {"f:z": {}}, "f:w": {}})"));
  EXPECT_EQ(a.And(b).ToJson(), json::parse(R"({"f:y": {"f:z": {}}})"));
  EXPECT_EQ(a.Or(b).ToJson(), json::parse(R"({"f:w": {}, "f:x": {}, "f:y": {".": {}, "f:z": {}}})"));
  EXPECT_EQ(a.Without(b).ToJson(), json::parse(R"({"f:x": {}, "f:y": {}})"));
  EXPECT_TRUE(a.Without(a).empty());
}

TEST_F(FieldSetTest, ComparingSaysWhatIsNewAndWhatIsGone) {
  json after = Network();
  after["spec"]["mtu"] = 1400;
  after["spec"]["vni"] = 6;
  after["metadata"]["labels"] = {{"tier", "b"}};
  after["status"]["conditions"][0]["status"] = "False";
  after["status"]["conditions"].push_back({{"type", "Other"}});
  const MergeSchema::Difference difference = schema_.Compare(Network(), after);
  EXPECT_THAT(
      difference.changed.Paths(),
      ElementsAre(".metadata.labels.tier", ".spec.mtu", ".spec.vni", ".status.conditions[type=\"Other\"]",
                  ".status.conditions[type=\"Other\"].type", ".status.conditions[type=\"Ready\"].status"));
  EXPECT_THAT(difference.removed.Paths(), ElementsAre(".metadata.labels.app"));
  EXPECT_THAT(schema_.Compare(after, after).changed.Paths(), IsEmpty());
}

TEST_F(FieldSetTest, MergingPutsFieldsInAndRemovingTakesThemOut) {
  const json merged = schema_.Merge(
      Network(),
      json::parse(R"({"metadata": {"labels": {"tier": "b"}, "name": "other"}, "spec": {"mtu": 9000},
                                 "status": {"conditions": [{"type": "Ready", "reason": "x"}, {"type": "New"}]}})"));
  EXPECT_EQ(merged["metadata"],
            json::parse(R"({"name": "blue", "uid": "u", "labels": {"app": "a", "tier": "b"}})"));
  EXPECT_EQ(merged["spec"], json::parse(R"({"vni": 5, "prefixes": ["10.0.0.0/24"], "mtu": 9000})"));
  EXPECT_EQ(merged["status"]["conditions"],
            json::parse(R"([{"type": "Ready", "status": "True", "reason": "x"}, {"type": "New"}])"));
  json rest = merged;
  schema_.Remove(
      FieldSet::FromJson(json::parse(R"({"f:metadata": {"f:labels": {"f:tier": {}}}, "f:spec": {"f:mtu": {}},
      "f:status": {"f:conditions": {"k:{\"type\":\"Ready\"}": {"f:reason": {}}, "k:{\"type\":\"New\"}": {".": {}}}}})")),
      &rest);
  EXPECT_EQ(rest, Network());
}

TEST_F(FieldSetTest, WithoutASchemaListsAreOneField) {
  const MergeSchema open(*table_.FindKind("v1", "Service"));
  const json service = json::parse(R"({"spec": {"ports": [{"port": 80}], "type": "ClusterIP"}})");
  EXPECT_THAT(open.Fields(service).Paths(), ElementsAre(".spec.ports", ".spec.type"));
}

}  // namespace
}  // namespace xpu::apiserver
