#include "control-plane/sandbox/card/sysfs_view.h"

#include "absl/strings/str_cat.h"
#include "common/sys/vpd.h"

namespace xpu {
namespace {

constexpr char kDriver[] = "mlx5_core";
constexpr char kRootComplex[] = "/devices/pci0000:00/";

std::string DeviceFolder(const CardPort& port) { return absl::StrCat(kRootComplex, port.pci.ToString()); }

// One interface below the folder of its device, and its entry in class/net.
void AddInterface(const std::string& device, const Link& link, FileTree& tree) {
  const std::string folder = absl::StrCat(device, "/net/", link.name);
  tree.AddFile(folder + "/address", link.mac.ToString() + "\n");
  tree.AddFile(folder + "/ifindex", absl::StrCat(link.ifindex, "\n"));
  tree.AddFile(folder + "/ifalias", link.alias + "\n");
  tree.AddFile(folder + "/mtu", absl::StrCat(link.mtu, "\n"));
  tree.AddFile(folder + "/type", "1\n");  // ARPHRD_ETHER
  tree.AddFile(folder + "/operstate", link.up ? (link.carrier ? "up\n" : "lowerlayerdown\n") : "down\n");
  tree.AddLink(folder + "/device", "../..");
  tree.AddLink("/class/net/" + link.name, "../.." + folder);
}

void AddPhysicalFunction(const CardView& card, const std::string& folder, FileTree& tree) {
  tree.AddFile(folder + "/device", "0xa2dc\n");  // BlueField-3
  tree.AddFile(folder + "/sriov_totalvfs", absl::StrCat(card.total_vfs, "\n"));
  tree.AddFile(folder + "/sriov_numvfs", absl::StrCat(card.ports.size() - 1, "\n"), /*writable=*/true);
  tree.AddFile(folder + "/sriov_offset", absl::StrCat(kVfOffset, "\n"));
  tree.AddFile(folder + "/sriov_stride", absl::StrCat(kVfStride, "\n"));
  tree.AddFile(folder + "/vpd", MakeVpd("Emulated card of the xpu sandbox", CardSerial(card.index)));
  for (const CardView::Port& port : card.ports) {
    if (port.port.vf_index < 0) continue;
    tree.AddLink(absl::StrCat(folder, "/virtfn", port.port.vf_index), "../" + port.port.pci.ToString());
  }
}

void AddFunction(const CardView& card, const CardView::Port& port, FileTree& tree) {
  const std::string address = port.port.pci.ToString();
  const std::string folder = DeviceFolder(port.port);
  tree.AddLink("/bus/pci/devices/" + address, "../../.." + folder);
  tree.AddLink(absl::StrCat("/bus/pci/drivers/", kDriver, "/", address), "../../../.." + folder);
  tree.AddLink(folder + "/driver", absl::StrCat("../../../bus/pci/drivers/", kDriver));
  tree.AddFile(folder + "/vendor", "0x15b3\n");
  tree.AddFile(folder + "/class", "0x020000\n");
  tree.AddFile(folder + "/numa_node", "-1\n");
  tree.AddFile(folder + "/uevent",
               absl::StrCat("DRIVER=", kDriver, "\nPCI_CLASS=20000\nPCI_SLOT_NAME=", address, "\n"));
  tree.AddFolder(folder + "/net");
  if (port.port.vf_index < 0) {
    AddPhysicalFunction(card, folder, tree);
  } else {
    tree.AddFile(folder + "/device", "0x101e\n");  // a virtual function of that family
    tree.AddLink(folder + "/physfn", "../" + card.ports.front().port.pci.ToString());
  }
  if (port.netdev) AddInterface(folder, *port.netdev, tree);
}

}  // namespace

FileTree HostSysfs(const std::vector<CardView>& cards) {
  FileTree tree;
  tree.AddFolder("/bus/pci/devices");
  tree.AddFolder("/class/net");
  for (const CardView& card : cards) {
    for (const CardView::Port& port : card.ports) AddFunction(card, port, tree);
  }
  return tree;
}

FileTree DpuSysfs(const CardView& card) {
  FileTree tree;
  tree.AddFolder("/class/net");
  const std::string device = DeviceFolder(card.ports.front().port);
  for (const CardView::Port& port : card.ports) {
    if (!port.representor) continue;
    AddInterface(device, *port.representor, tree);
    const std::string folder = absl::StrCat(device, "/net/", port.representor->name);
    tree.AddFile(folder + "/phys_port_name", port.port.phys_port_name + "\n");
    tree.AddFile(folder + "/phys_switch_id", CardSwitchId(card.index) + "\n");
  }
  return tree;
}

int CardOfNumVfs(absl::string_view path) {
  for (int card = 0; card < kMaxCards; ++card) {
    if (path == DeviceFolder(MakeCardPort(card, -1)) + "/sriov_numvfs") return card;
  }
  return -1;
}

}  // namespace xpu
