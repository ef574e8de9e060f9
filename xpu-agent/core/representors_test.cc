#include "xpu-agent/core/representors.h"

#include <filesystem>
#include <fstream>

#include "common/sys/fake/fake_kernel.h"
#include "common/sys/files.h"
#include "xpu-agent/core/fake_representors.h"
#include "xpu-agent/core/representors_contract.h"
#include "xpu-agent/core/sysfs_representors.h"

namespace xpu {
namespace {

namespace fs = std::filesystem;

void PutFile(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << text << "\n";
}

class FakeHarness : public RepresentorsHarness {
 public:
  Representors& representors() override { return fake_; }
  void Add(const std::string& port, const std::string& interface) override { fake_.Add(port, interface); }
  void Remove(const std::string& port, const std::string&) override { fake_.Remove(port); }
  void SetUp(const std::string& interface, bool up) override { fake_.SetUp(interface, up); }

 private:
  FakeRepresentors fake_{0};
};

// A sysfs tree of plain files beside a kernel in memory.
class SysfsHarness : public RepresentorsHarness {
 public:
  SysfsHarness() : folder_(TemporaryDirectory::Make().value()) {
    fs::create_directories(folder_.path() + "/sys/class/net/lo");
    SysfsRepresentors::Options options{.sysfs = folder_.path() + "/sys",
                                       .proc_sys = folder_.path() + "/proc"};
    representors_ =
        std::make_unique<SysfsRepresentors>(options, FakeNetlinkFactory(kernel_).Open(nullptr).value());
  }
  Representors& representors() override { return *representors_; }
  void Add(const std::string& port, const std::string& interface) override {
    PutFile(absl::StrCat(folder_.path(), "/sys/class/net/", interface, "/phys_port_name"), port);
    PutFile(absl::StrCat(folder_.path(), "/proc/net/ipv6/conf/", interface, "/disable_ipv6"), "0");
    PutFile(absl::StrCat(folder_.path(), "/proc/net/ipv4/conf/", interface, "/arp_ignore"), "0");
    macs_[interface] = MacAddress({2, 0, 0, 0, 0, ++last_});
    kernel_.AddLink(kernel_.root(), interface, macs_[interface]);
  }
  void Remove(const std::string&, const std::string& interface) override {
    fs::remove_all(absl::StrCat(folder_.path(), "/sys/class/net/", interface));
    kernel_.UnplugLink(macs_[interface]);
  }
  void SetUp(const std::string& interface, bool up) override {
    LinkChange change;
    change.up = up;
    EXPECT_TRUE(FakeNetlinkFactory(kernel_)
                    .Open(nullptr)
                    .value()
                    ->ChangeLink(GetLink(interface).ifindex, change)
                    .ok());
  }
  std::string Setting(const std::string& path) {
    return ReadTrimmed(absl::StrCat(folder_.path(), "/proc/", path)).value_or("none");
  }
  Link GetLink(const std::string& interface) { return kernel_.FindLink(macs_[interface]).value().link; }

 private:
  TemporaryDirectory folder_;
  FakeKernel kernel_;
  std::map<std::string, MacAddress> macs_;
  uint8_t last_ = 0;
  std::unique_ptr<SysfsRepresentors> representors_;
};

std::unique_ptr<RepresentorsHarness> MakeFake() { return std::make_unique<FakeHarness>(); }
std::unique_ptr<RepresentorsHarness> MakeSysfs() { return std::make_unique<SysfsHarness>(); }
INSTANTIATE_TEST_SUITE_P(Fake, RepresentorsContract, testing::Values(&MakeFake));
INSTANTIATE_TEST_SUITE_P(Sysfs, RepresentorsContract, testing::Values(&MakeSysfs));

TEST(SysfsRepresentors, PrepareBringsTheInterfaceUpWithoutTheKernelOnIt) {
  SysfsHarness harness;
  harness.Add("pf0vf3", "eth3");
  EXPECT_FALSE(harness.GetLink("eth3").up);
  ASSERT_EQ(harness.representors().Prepare("eth3", 9000, 0).status(), absl::OkStatus());
  EXPECT_TRUE(harness.GetLink("eth3").up);
  EXPECT_EQ(harness.GetLink("eth3").mtu, 9000u);
  // Never smaller: another network of a trunk may need it.
  ASSERT_EQ(harness.representors().Prepare("eth3", 1500, 0).status(), absl::OkStatus());
  EXPECT_EQ(harness.GetLink("eth3").mtu, 9000u);
  EXPECT_EQ(harness.Setting("net/ipv6/conf/eth3/disable_ipv6"), "1");
  EXPECT_EQ(harness.Setting("net/ipv4/conf/eth3/arp_ignore"), "8");
}

TEST(SysfsRepresentors, PrepareOfAnInterfaceThatIsGoneIsNotFound) {
  SysfsHarness harness;
  EXPECT_EQ(harness.representors().Prepare("eth3", 0, 0).status().code(), absl::StatusCode::kNotFound);
}

TEST(SysfsRepresentors, TwoInterfacesOfOnePortAreNotGuessedBetween) {
  SysfsHarness harness;
  harness.Add("pf0vf3", "eth3");
  harness.Add("pf0vf3", "eth4");
  absl::Status status = harness.representors().Find("pf0vf3").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("eth3 and eth4"));
  EXPECT_THAT(harness.representors().List().value(), testing::IsEmpty());
}

TEST(SysfsRepresentors, FindsTheHostsFunctionsWhateverTheirInterfacesAreCalled) {
  SysfsHarness harness;
  harness.Add("p0", "p0");
  harness.Add("c1pf0vf3", "enp3s0f0npf0vf3");
  harness.Add("c1pf0sf88", "en3f0c1pf0sf88");
  // The DPU's own, and those of another host.
  harness.Add("pf0vf3", "local3");
  harness.Add("pf0sf4", "local-sf4");
  harness.Add("c2pf0vf3", "second-host");
  EXPECT_EQ(harness.representors().Find("pf0vf3").value(), "enp3s0f0npf0vf3");
  EXPECT_THAT(
      harness.representors().List().value(),
      testing::ElementsAre(testing::Pair("c2pf0vf3", "second-host"), testing::Pair("p0", "p0"),
                           testing::Pair("pf0sf4", "local-sf4"), testing::Pair("pf0sf88", "en3f0c1pf0sf88"),
                           testing::Pair("pf0vf3", "enp3s0f0npf0vf3")));
}

TEST(SysfsRepresentors, FindsByDevlinkWhatSaysNothingInSysfsAndSetsItsAddress) {
  FakeKernel kernel;
  const auto folder = TemporaryDirectory::Make().value();
  for (const char* interface : {"eth7", "eth8", "eth9", "p0"})
    fs::create_directories(absl::StrCat(folder.path(), "/sys/class/net/", interface));
  // What an interface says itself counts before what devlink says of it.
  PutFile(folder.path() + "/sys/class/net/eth9/phys_port_name", "pf0vf9");
  const auto port = [](uint32_t index, DevlinkPort::Flavour flavour, uint32_t number, const char* interface) {
    return DevlinkPort{.bus = "pci",
                       .device = "0000:03:00.0",
                       .index = index,
                       .flavour = flavour,
                       .controller = 1,
                       .number = number,
                       .interface = interface,
                       .mac = MacAddress()};
  };
  using Flavour = DevlinkPort::Flavour;
  std::vector<DevlinkPort> ports = {port(1, Flavour::kVf, 3, "eth7"), port(2, Flavour::kSf, 88, "eth8"),
                                    port(3, Flavour::kVf, 5, "eth9"), port(4, Flavour::kVf, 6, "")};
  kernel.SetDevlinkPorts(ports);
  SysfsRepresentors representors({.sysfs = folder.path() + "/sys", .proc_sys = folder.path() + "/proc"},
                                 FakeNetlinkFactory(kernel).Open(nullptr).value(),
                                 std::make_unique<FakeDevlink>(kernel));
  EXPECT_EQ(representors.Find("pf0vf3").value(), "eth7");
  EXPECT_THAT(representors.List().value(),
              testing::ElementsAre(testing::Pair("pf0sf88", "eth8"), testing::Pair("pf0vf3", "eth7"),
                                   testing::Pair("pf0vf9", "eth9")));
  const MacAddress mac({2, 0, 0, 0, 0, 9});
  EXPECT_EQ(representors.SetFunctionMac("eth7", mac), absl::OkStatus());
  EXPECT_EQ(FakeDevlink(kernel).ListPorts()->at(0).mac, mac);
  EXPECT_TRUE(absl::IsUnimplemented(representors.SetFunctionMac("p0", mac)));
  // A card that does not do it.
  ports[0].mac.reset();
  kernel.SetDevlinkPorts(ports);
  ASSERT_TRUE(representors.List().ok());
  EXPECT_TRUE(absl::IsUnimplemented(representors.SetFunctionMac("eth7", mac)));
  // It came back under another name.
  ports[0].interface = "p0";
  kernel.SetDevlinkPorts(ports);
  EXPECT_EQ(representors.List()->at("pf0vf3"), "p0");
}

TEST(SysfsRepresentors, AMissingTreeIsSaidSo) {
  FakeKernel kernel;
  SysfsRepresentors representors({.sysfs = "/nowhere"}, FakeNetlinkFactory(kernel).Open(nullptr).value());
  absl::Status status = representors.Find("pf0vf3").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("/nowhere/class/net"));
}

}  // namespace
}  // namespace xpu
