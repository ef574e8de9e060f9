#include "control-plane/xpuctl/offload.h"

#include <sstream>

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(PrintOffload, HasALineForEachPort) {
  std::ostringstream out;
  PrintOffload({{"rep-a",
                 {.offloaded = 3,
                  .fallen_back = 2,
                  .offloaded_packets = 30,
                  .fallen_back_packets = 10,
                  .reasons = {{"is not taken by the card's driver", 1}, {"looks into ARP", 1}}}},
                {"rep-b", {}}},
               out);
  EXPECT_EQ(
      out.str(),
      "PORT    OFFLOADED  FALLEN BACK    PACKETS HW  WHY NOT\n"
      "rep-a           3            2         75.0%  1 is not taken by the card's driver; 1 looks into ARP\n"
      "rep-b           0            0             -  \n");
}

}  // namespace
}  // namespace xpu
