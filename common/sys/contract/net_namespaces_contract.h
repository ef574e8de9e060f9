#pragma once

// What every NetNamespaces promises, as tests; to be instantiated as NetlinkContract is.

#include <memory>
#include <string>

#include "common/sys/net_namespaces.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {

class NetNamespacesHarness {
 public:
  virtual ~NetNamespacesHarness() = default;
  virtual NetNamespaces& namespaces() = 0;
  // Binds a new namespace at a path of its own and gives that.
  virtual std::string Create() = 0;
  // Takes the path away.
  virtual void Remove(const std::string& path) = 0;
  // The path of a file that is no namespace.
  virtual std::string OtherFile() = 0;
};

class NetNamespacesContract : public ::testing::TestWithParam<std::unique_ptr<NetNamespacesHarness> (*)()> {
 protected:
  std::unique_ptr<NetNamespacesHarness> harness_ = GetParam()();
  NetNamespaces& namespaces_ = harness_->namespaces();
};

TEST_P(NetNamespacesContract, TheSameNamespaceHasTheSameInode) {
  const std::string path = harness_->Create();
  auto one = namespaces_.Open(path);
  auto two = namespaces_.Open(path);
  ASSERT_TRUE(one.ok()) << one.status();
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_EQ((*one)->inode(), (*two)->inode());
  auto other = namespaces_.Open(harness_->Create());
  ASSERT_TRUE(other.ok());
  EXPECT_NE((*one)->inode(), (*other)->inode());
}

TEST_P(NetNamespacesContract, TheProcessHasANamespaceOfItsOwn) {
  auto current = namespaces_.Current();
  ASSERT_TRUE(current.ok()) << current.status();
  EXPECT_EQ((*current)->inode(), (*namespaces_.Current())->inode());
  EXPECT_NE((*current)->inode(), (*namespaces_.Open(harness_->Create()))->inode());
}

TEST_P(NetNamespacesContract, AHandleOutlivesThePath) {
  const std::string path = harness_->Create();
  auto handle = namespaces_.Open(path);
  ASSERT_TRUE(handle.ok());
  const uint64_t inode = (*handle)->inode();
  harness_->Remove(path);
  EXPECT_EQ((*handle)->inode(), inode);
  EXPECT_TRUE(absl::IsNotFound(namespaces_.Open(path).status()));
}

TEST_P(NetNamespacesContract, SaysWhatIsWrongWithAPath) {
  const absl::Status missing = namespaces_.Open("/nowhere/at/all").status();
  EXPECT_TRUE(absl::IsNotFound(missing)) << missing;
  EXPECT_THAT(missing.message(), ::testing::HasSubstr("/nowhere/at/all"));
  const std::string file = harness_->OtherFile();
  const absl::Status wrong = namespaces_.Open(file).status();
  EXPECT_TRUE(absl::IsInvalidArgument(wrong)) << wrong;
  EXPECT_THAT(wrong.message(), ::testing::HasSubstr(file));
}

}  // namespace xpu
