// What a monitor of functions makes of the kernel's events. That they are heard at all is in uevent_test.cc
// and, with a real card that is unplugged, in the virtual machine's tests.

#include "common/sys/pci_monitor.h"

#include <string>
#include <utility>
#include <vector>

#include "common/sys/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PciMonitorTest : public ::testing::Test {
 protected:
  void Plug(const std::string& address, const std::string& pci_class = "0x020000\n") {
    ASSERT_TRUE(MakeDirectories(folder_.path() + "/" + address).ok());
    ASSERT_TRUE(WriteFileAtomic(folder_.path() + "/" + address + "/class", pci_class).ok());
  }
  void Pull(const std::string& address) { ASSERT_TRUE(RemoveTree(folder_.path() + "/" + address).ok()); }
  void Happen(const std::string& action, const std::string& path, const std::string& subsystem = "pci") {
    monitor_.OnEvent({action, "/devices/pci0000:00/" + path, subsystem});
  }
  // "+0000:03:00.2" for what is there, "-" for what is gone; and forgets them.
  std::vector<std::string> Told() { return std::exchange(told_, {}); }

  TemporaryDirectory folder_ = *TemporaryDirectory::Make();
  std::vector<std::string> told_;
  PciMonitor monitor_{folder_.path(), [this](const PciAddress& address, bool gone) {
                        told_.push_back((gone ? "-" : "+") + address.ToString());
                      }};
};

TEST_F(PciMonitorTest, TellsOfFunctionsThatComeChangeAndGo) {
  Plug("0000:03:00.2");
  Happen("add", "0000:03:00.2");
  EXPECT_THAT(Told(), ElementsAre("+0000:03:00.2"));
  Happen("bind", "0000:03:00.2");
  EXPECT_THAT(Told(), ElementsAre("+0000:03:00.2"));
  // The kernel says so before the folder goes.
  Happen("remove", "0000:03:00.2");
  EXPECT_THAT(Told(), ElementsAre("-0000:03:00.2"));
  Pull("0000:03:00.2");
  Happen("remove", "0000:03:00.2");
  Happen("change", "0000:03:00.2");
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(PciMonitorTest, SubfunctionsAreAChangeOfTheirParent) {
  Plug("0000:03:00.0");
  Happen("add", "0000:03:00.0/mlx5_core.sf.4", "auxiliary");
  EXPECT_THAT(Told(), ElementsAre("+0000:03:00.0"));
  Happen("remove", "0000:03:00.0/mlx5_core.sf.4", "auxiliary");
  EXPECT_THAT(Told(), ElementsAre("+0000:03:00.0"));
}

TEST_F(PciMonitorTest, LeavesAloneWhatIsNoNetworkFunction) {
  Plug("0000:00:1f.2", "0x010601\n");
  Happen("add", "0000:00:1f.2");
  Happen("remove", "0000:00:1f.2");
  Happen("add", "0000:00:1f.2/snd.0", "auxiliary");
  Happen("add", "0000:03:00.2/net/p0", "net");
  Happen("add", "pci0000:00", "pci");
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(PciMonitorTest, ALookAtAllTellsWhatIsThereAndWhatHasGone) {
  Plug("0000:03:00.0");
  Plug("0000:03:00.2");
  Plug("0000:00:1f.2", "0x010601\n");
  monitor_.Resync();
  EXPECT_THAT(Told(), ElementsAre("+0000:03:00.0", "+0000:03:00.2"));
  Pull("0000:03:00.2");
  Plug("0000:03:00.3");
  monitor_.Resync();
  EXPECT_THAT(Told(), ElementsAre("-0000:03:00.2", "+0000:03:00.0", "+0000:03:00.3"));
}

}  // namespace
}  // namespace xpu
