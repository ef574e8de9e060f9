#include "common/api/kinds.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>

#include "common/api/schema.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu::api {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

TEST(KindsTest, ADeclarationBecomesAKind) {
  const KindInfo& kind = KindOf<v1alpha1::Network>();
  EXPECT_EQ(kind.resource, (ResourceKind{"xpu.opiproject.org", "v1alpha1", "Network", "networks"}));
  EXPECT_EQ(kind.resource.ApiVersion(), "xpu.opiproject.org/v1alpha1");
  EXPECT_EQ(kind.singular, "network");
  EXPECT_EQ(kind.short_names, std::vector<std::string>{"xnet"});
  EXPECT_TRUE(kind.namespaced);
  ASSERT_GE(kind.columns.size(), 2u);
  EXPECT_EQ(kind.columns[0].name, "VNI");
  EXPECT_EQ(kind.columns[0].path, ".spec.vni");
}

TEST(KindsTest, AKindIsFoundByEveryNameThatAPersonMayWrite) {
  const KindInfo* network = &KindOf<v1alpha1::Network>();
  for (const char* name : {"network", "Network", "networks", "xnet", "XNET", "networks.xpu.opiproject.org"}) {
    EXPECT_EQ(FindByName(name), network) << name;
  }
  for (const char* name : {"", "net", "networks.example.org", "networkss"}) {
    EXPECT_EQ(FindByName(name), nullptr) << name;
  }
}

TEST(KindsTest, ObjectsAndUrlsFindTheirKindExactly) {
  const KindInfo* network = &KindOf<v1alpha1::Network>();
  EXPECT_EQ(FindKind("xpu.opiproject.org/v1alpha1", "Network"), network);
  EXPECT_EQ(FindKind("xpu.opiproject.org/v1", "Network"), nullptr);
  EXPECT_EQ(FindKind("xpu.opiproject.org/v1alpha1", "network"), nullptr);
  EXPECT_EQ(FindPlural("xpu.opiproject.org", "v1alpha1", "networks"), network);
  EXPECT_EQ(FindPlural("xpu.opiproject.org", "v1alpha1", "Network"), nullptr);
}

TEST(KindsTest, NamespaceBelongsToTheCluster) {
  const KindInfo* kind = FindKind("v1", "Namespace");
  ASSERT_NE(kind, nullptr);
  EXPECT_FALSE(kind->namespaced);
  EXPECT_EQ(kind, FindByName("ns"));
}

TEST(KindsTest, NoNameMeansTwoKinds) {
  std::set<std::string> seen;
  for (const KindInfo& kind : AllKinds()) {
    std::set<std::string> names(kind.short_names.begin(), kind.short_names.end());
    names.insert(kind.singular);
    names.insert(kind.resource.plural);
    for (const std::string& name : names) EXPECT_TRUE(seen.insert(name).second) << name;
  }
}

void ExpectUsableFields(const Descriptor& type) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    SCOPED_TRACE(field.full_name());
    EXPECT_FALSE(field.is_map());
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        ExpectUsableFields(*field.message_type());
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        EXPECT_EQ(field.type(), FieldDescriptor::TYPE_STRING);
        break;
      default:
        EXPECT_TRUE(field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL ||
                    field.cpp_type() == FieldDescriptor::CPPTYPE_INT32 ||
                    field.cpp_type() == FieldDescriptor::CPPTYPE_INT64);
    }
    const std::string& text = RulesOf(field).default_json();
    EXPECT_TRUE(text.empty() || nlohmann::json::accept(text)) << text;
  }
}

// The codec has a form in JSON for strings, booleans, integers, messages and lists of these.
TEST(KindsTest, EveryKindUsesOnlyTypesThatTheCodecKnows) {
  ASSERT_FALSE(AllKinds().empty());
  for (const KindInfo& kind : AllKinds()) {
    if (kind.open) continue;
    EXPECT_NE(kind.message->FindFieldByName("spec"), nullptr) << kind.singular;
    EXPECT_EQ(kind.message->FindFieldByName("status") != nullptr, kind.has_status) << kind.singular;
    EXPECT_FALSE(kind.resource.version.empty());
    EXPECT_FALSE(kind.resource.plural.empty());
    ExpectUsableFields(*kind.message);
  }
}

}  // namespace
}  // namespace xpu::api
