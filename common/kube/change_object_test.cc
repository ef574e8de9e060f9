#include "common/kube/change_object.h"

#include "common/kube/fake_store.h"
#include "common/kube/metadata.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using Call = FakeStore::Call;

class ChangeObjectTest : public ::testing::Test {
 protected:
  ChangeObjectTest() {
    Resource object = MakeResource(kind_, name_);
    object["spec"]["n"] = 0;
    first_ = store_.Create(kind_, object).value();
  }
  static bool Count(Resource* object) {
    (*object)["spec"]["n"] = (*object)["spec"]["n"].get<int>() + 1;
    return true;
  }
  absl::StatusOr<Resource> Add(const Resource& object) {
    return ChangeObject(store_, kind_, object, ObjectPart::kAllButStatus, Count);
  }

  const ResourceKind kind_ = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};
  const ResourceName name_ = {"ns", "blue"};
  FakeStore store_;
  Resource first_;
};

TEST_F(ChangeObjectTest, WritesTheChange) {
  EXPECT_EQ((*Add(first_))["spec"]["n"], 1);
  EXPECT_EQ(store_.calls(Call::kGet), 0);
}

TEST_F(ChangeObjectTest, NoChangeIsNotWritten) {
  const auto same = ChangeObject(store_, kind_, first_, ObjectPart::kStatus, [](Resource*) { return false; });
  EXPECT_EQ(*same, first_);
  EXPECT_EQ(store_.calls(Call::kUpdateStatus), 0);
}

TEST_F(ChangeObjectTest, StartsAgainFromWhatAnotherWrote) {
  ASSERT_TRUE(Add(first_).ok());
  ASSERT_TRUE(Add(first_).ok());
  EXPECT_EQ(store_.Get(kind_, name_).value()["spec"]["n"], 2);
}

TEST_F(ChangeObjectTest, WritesStatusAlone) {
  const auto written = ChangeObject(store_, kind_, first_, ObjectPart::kStatus, [](Resource* object) {
    (*object)["status"]["x"] = 1;
    return Count(object);
  });
  ASSERT_TRUE(written.ok());
  EXPECT_EQ((*written)["status"]["x"], 1);
  EXPECT_EQ((*written)["spec"]["n"], 0);
}

TEST_F(ChangeObjectTest, AnotherObjectOfThatNameIsNotTouched) {
  ASSERT_TRUE(store_.Delete(kind_, name_).ok());
  EXPECT_TRUE(absl::IsNotFound(Add(first_).status()));
  Resource second = MakeResource(kind_, name_);
  second["spec"]["n"] = 10;
  ASSERT_TRUE(store_.Create(kind_, second).ok());
  EXPECT_TRUE(absl::IsNotFound(Add(first_).status()));
  EXPECT_EQ(store_.Get(kind_, name_).value()["spec"]["n"], 10);
}

TEST_F(ChangeObjectTest, OtherErrorsComeThrough) {
  store_.FailNext(Call::kUpdate, {absl::UnavailableError("down")});
  EXPECT_TRUE(absl::IsUnavailable(Add(first_).status()));
  store_.FailNext(Call::kUpdate, {absl::AbortedError("changed")}, 1000);
  EXPECT_TRUE(absl::IsAborted(Add(first_).status()));
}

}  // namespace
}  // namespace xpu
