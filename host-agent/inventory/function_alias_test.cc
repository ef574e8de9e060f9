#include "host-agent/inventory/function_alias.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(FunctionAlias, TheKernelsWordCountsMoreThanTheAlias) {
  Link link;
  EXPECT_EQ(FunctionOf(link), std::nullopt);
  link.alias = FunctionAlias(PciAddress{0, 3, 0, 2});
  EXPECT_EQ(link.alias, "xpu:0000:03:00.2");
  EXPECT_EQ(FunctionOf(link), (PciAddress{0, 3, 0, 2}));
  link.parent_device = "0000:05:00.1";
  EXPECT_EQ(FunctionOf(link), (PciAddress{0, 5, 0, 1}));
  link.parent_device = "virtio0";
  EXPECT_EQ(FunctionOf(link), std::nullopt);
}

}  // namespace
}  // namespace xpu
