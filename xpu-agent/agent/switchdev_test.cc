#include "xpu-agent/agent/switchdev.h"

#include <filesystem>
#include <fstream>

#include "common/sys/files.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(HasSwitchdev, IsSoOnceAnInterfaceSaysOfWhichSwitchItIs) {
  const auto folder = TemporaryDirectory::Make().value();
  EXPECT_FALSE(HasSwitchdev(folder.path()));
  const std::string eth0 = folder.path() + "/class/net/eth0";
  std::filesystem::create_directories(eth0);
  EXPECT_FALSE(HasSwitchdev(folder.path()));
  std::ofstream(eth0 + "/phys_switch_id") << "\n";
  EXPECT_FALSE(HasSwitchdev(folder.path()));
  std::ofstream(eth0 + "/phys_switch_id") << "e8ebd303009d9ffc\n";
  EXPECT_TRUE(HasSwitchdev(folder.path()));
}

}  // namespace
}  // namespace xpu
