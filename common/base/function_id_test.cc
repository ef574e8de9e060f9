#include "common/base/function_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace xpu {
namespace {

TEST(FunctionId, IsWrittenAsItIsRead) {
  for (const char* text :
       {"0000:03:00.2", "0000:03:00.0-sf0", "0000:03:00.0-sf4294967295", "10000:e1:1f.7-sf88"}) {
    const absl::StatusOr<FunctionId> id = FunctionId::Parse(text);
    ASSERT_TRUE(id.ok()) << id.status();
    EXPECT_EQ(id->ToString(), text);
  }
}

TEST(FunctionId, APciAddressIsAFunctionAndASubfunctionIsAnother) {
  const PciAddress pci{0, 3, 0, 0};
  EXPECT_EQ(*FunctionId::Parse("0000:03:00.0"), FunctionId(pci));
  EXPECT_EQ(*FunctionId::Parse("0000:03:00.0-sf88"), FunctionId(pci, 88));
  EXPECT_EQ((std::set<FunctionId>{pci, FunctionId(pci, 0), FunctionId(pci, 1), FunctionId(pci, 1)}).size(),
            3u);
  EXPECT_LT(FunctionId(pci), FunctionId(pci, 0));
}

TEST(FunctionId, RefusesWhatHasAnotherSpellingOrNone) {
  for (const char* text : {"", "-sf1", "0000:03:00.0-sf", "0000:03:00.0-sf01", "0000:03:00.0-sf+1",
                           "0000:03:00.0-sf 1", "0000:03:00.0-sf-1", "0000:03:00.0-sf4294967296",
                           "0000:03:00.0-sf1-sf2", "0000:03:00.0-s1", "mlx5_core.sf.4"}) {
    const absl::StatusOr<FunctionId> id = FunctionId::Parse(text);
    EXPECT_EQ(id.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(id.status().message()), testing::HasSubstr(text));
  }
}

}  // namespace
}  // namespace xpu
