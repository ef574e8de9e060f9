#include "control-plane/sandbox/card/file_tree.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(FileTree, MakesTheFoldersAbove) {
  FileTree tree;
  tree.AddFile("/a/b/file", "text\n");
  tree.AddLink("/a/link", "b/file");
  tree.AddFolder("/c");
  EXPECT_EQ(tree.ToString(),
            "/\n"
            "/a/\n"
            "/a/b/\n"
            "/a/b/file = text\n"
            "/a/link -> b/file\n"
            "/c/\n");
}

TEST(FileTree, FindsByPathAndKnowsWhatIsInAFolder) {
  FileTree tree;
  tree.AddFile("/a/one", "1", /*writable=*/true);
  tree.AddFile("/a/two", "2");
  ASSERT_NE(tree.Find("/"), nullptr);
  EXPECT_THAT(tree.Find("/")->children, ::testing::ElementsAre("a"));
  EXPECT_THAT(tree.Find("/a")->children, ::testing::ElementsAre("one", "two"));
  EXPECT_EQ(tree.Find("/a/two")->text, "2");
  EXPECT_TRUE(tree.Find("/a/one")->writable);
  EXPECT_FALSE(tree.Find("/a/two")->writable);
  EXPECT_EQ(tree.Find("/a/three"), nullptr);
  EXPECT_EQ(tree.Find("/b/one"), nullptr);
}

}  // namespace
}  // namespace xpu
