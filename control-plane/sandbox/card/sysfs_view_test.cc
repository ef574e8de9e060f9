#include "control-plane/sandbox/card/sysfs_view.h"

#include "absl/strings/str_cat.h"
#include "common/sys/vpd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

Link NetdevOf(const CardPort& port, int ifindex) {
  Link link;
  link.ifindex = ifindex;
  link.name = port.name;
  link.mac = port.mac;
  link.mtu = 1500;
  return link;
}

// Card 1 with 8 virtual functions at most, of which it has `vfs`, all interfaces at home.
CardView View(int vfs) {
  CardView view;
  view.index = 1;
  view.total_vfs = 8;
  for (int i = -1; i < vfs; ++i) {
    CardView::Port port;
    port.port = MakeCardPort(1, i);
    port.netdev = NetdevOf(port.port, 10 + i);
    port.representor = NetdevOf(port.port, 30 + i);
    port.representor->name = port.port.representor;
    port.representor->mac = port.port.representor_mac;
    view.ports.push_back(port);
  }
  return view;
}

std::string Text(const FileTree& tree, const std::string& path) {
  const FileTree::Node* node = tree.Find(path);
  return node == nullptr ? "(nothing at " + path + ")" : node->text;
}

TEST(CardModel, NumbersFunctionsAsACardDoes) {
  EXPECT_EQ(MakeCardPort(0, -1).pci.ToString(), "0000:03:00.0");
  EXPECT_EQ(MakeCardPort(0, 0).pci.ToString(), "0000:03:00.2");
  EXPECT_EQ(MakeCardPort(0, 6).pci.ToString(), "0000:03:01.0");
  EXPECT_EQ(MakeCardPort(2, 0).pci.ToString(), "0000:05:00.2");
  EXPECT_EQ(MakeCardPort(0, kMaxVfs - 1).pci.bus, 3);
  EXPECT_EQ(MakeCardPort(1, 3).name, "p1v3");
  EXPECT_EQ(MakeCardPort(1, 3).representor, "pf0vf3");
  EXPECT_EQ(MakeCardPort(1, -1).name, "p1");
}

TEST(CardModel, NoTwoInterfacesShareAMac) {
  std::set<MacAddress> macs;
  for (int card = 0; card < kMaxCards; ++card) {
    for (int vf = -1; vf < kMaxVfs; ++vf) {
      const CardPort port = MakeCardPort(card, vf);
      EXPECT_TRUE(port.mac.IsUnicast() && port.representor_mac.IsUnicast());
      macs.insert(port.mac);
      macs.insert(port.representor_mac);
    }
  }
  EXPECT_EQ(macs.size(), 2u * kMaxCards * (kMaxVfs + 1));
}

TEST(HostSysfs, ShowsFunctionsAndHowTheyHangTogether) {
  const FileTree tree = HostSysfs({View(2)});
  EXPECT_THAT(tree.Find("/bus/pci/devices")->children,
              ::testing::ElementsAre("0000:04:00.0", "0000:04:00.2", "0000:04:00.3"));
  EXPECT_EQ(Text(tree, "/bus/pci/devices/0000:04:00.2"), "../../../devices/pci0000:00/0000:04:00.2");
  const std::string pf = "/devices/pci0000:00/0000:04:00.0";
  EXPECT_EQ(Text(tree, pf + "/sriov_totalvfs"), "8\n");
  EXPECT_EQ(Text(tree, pf + "/sriov_numvfs"), "2\n");
  EXPECT_TRUE(tree.Find(pf + "/sriov_numvfs")->writable);
  EXPECT_EQ(Text(tree, pf + "/virtfn1"), "../0000:04:00.3");
  EXPECT_EQ(VpdSerial(Text(tree, pf + "/vpd")), "XPUEMU0001");
  const std::string vf = "/devices/pci0000:00/0000:04:00.3";
  EXPECT_EQ(Text(tree, vf + "/physfn"), "../0000:04:00.0");
  EXPECT_EQ(Text(tree, vf + "/class"), "0x020000\n");
  EXPECT_EQ(tree.Find(vf + "/sriov_totalvfs"), nullptr);
  EXPECT_EQ(Text(tree, vf + "/net/p1v1/address"), MakeCardPort(1, 1).mac.ToString() + "\n");
  EXPECT_EQ(Text(tree, "/class/net/p1v1"), "../../devices/pci0000:00/0000:04:00.3/net/p1v1");
}

TEST(HostSysfs, AFunctionWhoseInterfaceIsElsewhereHasAnEmptyNetFolder) {
  CardView view = View(1);
  view.ports[1].netdev.reset();
  const FileTree tree = HostSysfs({view});
  const FileTree::Node* net = tree.Find("/devices/pci0000:00/0000:04:00.2/net");
  ASSERT_NE(net, nullptr);
  EXPECT_THAT(net->children, ::testing::IsEmpty());
  EXPECT_THAT(tree.Find("/class/net")->children, ::testing::ElementsAre("p1"));
}

TEST(HostSysfs, WithoutCardsTheFoldersAreThere) {
  const FileTree tree = HostSysfs({});
  EXPECT_NE(tree.Find("/bus/pci/devices"), nullptr);
  EXPECT_NE(tree.Find("/class/net"), nullptr);
}

// Every link of the tree leads to something in it.
TEST(HostSysfs, NoLinkDangles) {
  const FileTree tree = HostSysfs({View(3)});
  int links = 0;
  const std::function<void(const std::string&)> visit = [&](const std::string& path) {
    const FileTree::Node* node = tree.Find(path);
    for (const std::string& name : node->children) visit(absl::StrCat(path, "/", name));
    if (node->kind != FileTree::Node::Kind::kLink) return;
    ++links;
    std::string at = path.substr(0, path.rfind('/'));
    std::string rest = node->text + "/";
    for (size_t slash = rest.find('/'); slash != std::string::npos; slash = rest.find('/')) {
      const std::string step = rest.substr(0, slash);
      rest = rest.substr(slash + 1);
      at = step == ".." ? at.substr(0, at.rfind('/')) : absl::StrCat(at, "/", step);
    }
    EXPECT_NE(tree.Find(at), nullptr) << path << " -> " << node->text;
  };
  visit("");
  EXPECT_GT(links, 10);
}

TEST(DpuSysfs, ShowsRepresentorsByPortAndSwitch) {
  CardView view = View(2);
  view.ports[2].representor.reset();
  const FileTree tree = DpuSysfs(view);
  EXPECT_THAT(tree.Find("/class/net")->children, ::testing::ElementsAre("pf0hpf", "pf0vf0"));
  const std::string representor = "/devices/pci0000:00/0000:04:00.0/net/pf0vf0";
  EXPECT_EQ(Text(tree, representor + "/phys_port_name"), "pf0vf0\n");
  EXPECT_EQ(Text(tree, representor + "/phys_switch_id"), "0278780000000002\n");
  EXPECT_EQ(Text(tree, representor + "/address"), MakeCardPort(1, 0).representor_mac.ToString() + "\n");
}

TEST(CardOfNumVfs, KnowsItsFileAndNoOther) {
  EXPECT_EQ(CardOfNumVfs("/devices/pci0000:00/0000:04:00.0/sriov_numvfs"), 1);
  EXPECT_EQ(CardOfNumVfs("/devices/pci0000:00/0000:04:00.0/vendor"), -1);
  EXPECT_EQ(CardOfNumVfs("/devices/pci0000:00/0000:04:00.2/sriov_numvfs"), -1);
}

}  // namespace
}  // namespace xpu
