// NetNamespaces' contract, run against the kernel and against the fake, and the making of namespaces.

#include <memory>
#include <string>

#include "common/sys/contract/net_namespaces_contract.h"
#include "common/sys/fake/fake_kernel.h"
#include "common/sys/files.h"
#include "common/sys/net_namespaces_real.h"

namespace xpu {
namespace {

class RealHarness final : public NetNamespacesHarness {
 public:
  ~RealHarness() override {
    for (int i = 0; i < made_; ++i) RemoveBoundNamespace(Path(i)).IgnoreError();
  }
  NetNamespaces& namespaces() override { return namespaces_; }
  std::string Create() override {
    const std::string path = Path(made_++);
    EXPECT_TRUE(CreateBoundNamespace(path).ok());
    return path;
  }
  void Remove(const std::string& path) override { EXPECT_TRUE(RemoveBoundNamespace(path).ok()); }
  std::string OtherFile() override { return "/proc/self/ns/uts"; }

 private:
  std::string Path(int i) const { return absl::StrCat(folder_.path(), "/", i); }
  TemporaryDirectory folder_ = *TemporaryDirectory::Make();
  int made_ = 0;
  NetNamespacesReal namespaces_;
};

class FakeHarness final : public NetNamespacesHarness {
 public:
  NetNamespaces& namespaces() override { return namespaces_; }
  std::string Create() override {
    const std::string path = absl::StrCat("/netns/", made_++);
    kernel_.AddNamespace(path);
    return path;
  }
  void Remove(const std::string& path) override { kernel_.RemoveNamespace(path); }
  std::string OtherFile() override {
    kernel_.AddOtherFile("/etc/passwd");
    return "/etc/passwd";
  }

 private:
  FakeKernel kernel_;
  FakeNetNamespaces namespaces_{kernel_};
  int made_ = 0;
};

template <class T>
std::unique_ptr<NetNamespacesHarness> Make() {
  return std::make_unique<T>();
}

INSTANTIATE_TEST_SUITE_P(Kernel, NetNamespacesContract, ::testing::Values(&Make<RealHarness>));
INSTANTIATE_TEST_SUITE_P(Fake, NetNamespacesContract, ::testing::Values(&Make<FakeHarness>));

TEST(BoundNamespace, IsRemovedAsOftenAsAsked) {
  const TemporaryDirectory folder = *TemporaryDirectory::Make();
  const std::string path = folder.path() + "/ns";
  ASSERT_TRUE(CreateBoundNamespace(path).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(CreateBoundNamespace(path)));
  EXPECT_TRUE(RemoveBoundNamespace(path).ok());
  EXPECT_TRUE(RemoveBoundNamespace(path).ok());
  EXPECT_TRUE(ListDirectory(folder.path())->empty());
}

TEST(BoundNamespace, AFileLeftByAKillIsRemovedToo) {
  const TemporaryDirectory folder = *TemporaryDirectory::Make();
  const std::string path = folder.path() + "/ns";
  ASSERT_TRUE(WriteFileAtomic(path, "").ok());
  EXPECT_TRUE(RemoveBoundNamespace(path).ok());
  EXPECT_TRUE(ListDirectory(folder.path())->empty());
}

TEST(BoundNamespace, RemovingATreeStopsAtAMount) {
  const TemporaryDirectory folder = *TemporaryDirectory::Make();
  const std::string path = folder.path() + "/ns";
  ASSERT_TRUE(CreateBoundNamespace(path).ok());
  const absl::Status status = RemoveTree(folder.path());
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_TRUE(NetNamespacesReal().Open(path).ok());
  ASSERT_TRUE(RemoveBoundNamespace(path).ok());
}

}  // namespace
}  // namespace xpu
