#include "control-plane/sandbox/named_namespace.h"

#include "common/sys/files.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(NamedNamespaceTest, IsANamespaceOfItsOwnWithOnlyALoopbackThatIsUp) {
  const TemporaryDirectory folder = *TemporaryDirectory::Make();
  const std::string path = folder.path() + "/ns";
  ASSERT_TRUE(MakeNamedNamespace(path).ok());
  {
    NetNamespacesReal namespaces;
    const auto ns = namespaces.Open(path);
    ASSERT_TRUE(ns.ok()) << ns.status();
    EXPECT_NE((*ns)->inode(), (*namespaces.Current())->inode());
    NetlinkFactoryReal factory;
    auto links = (*factory.Open(*ns))->ListLinks();
    ASSERT_TRUE(links.ok());
    ASSERT_EQ(links->size(), 1u);
    EXPECT_EQ(links->front().name, "lo");
    EXPECT_TRUE(links->front().up);
  }
  EXPECT_EQ(MakeNamedNamespace(path).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(RemoveNamedNamespace(path).ok());
  EXPECT_EQ(ReadFile(path).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(RemoveNamedNamespace(path).ok());
}

TEST(NamedNamespaceTest, LeavesNothingWhereItCannotBeMade) {
  EXPECT_EQ(MakeNamedNamespace("/nonexistent/ns").code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace xpu
