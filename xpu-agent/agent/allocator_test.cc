#include "xpu-agent/agent/allocator.h"

#include <malloc.h>

#include <cstdlib>
#include <vector>

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(SetUpAllocator, KeepsNothingOfWhatWasFreedInPieces) {
  SetUpAllocator();
  std::vector<void*> pieces(10'000);
  for (void*& piece : pieces) {
    piece = std::malloc(64);
    ASSERT_NE(piece, nullptr);
  }
  for (void* piece : pieces) std::free(piece);
  // Bytes in "fast bins", the pieces that are still to be put together.
  EXPECT_EQ(mallinfo2().fsmblks, 0u);
}

}  // namespace
}  // namespace xpu
