#pragma once

// Places for journals in tests, and rows to be in them.

#include <stdlib.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "host-agent/alloc/journal.h"

namespace xpu {

// Goes with all that is in it.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "xpu-journal-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  const std::string& Path() const { return path_; }
  std::string File() const { return path_ + "/journal.db"; }
  // Files whose names begin so.
  int Count(const std::string& prefix) const {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      if (entry.path().filename().string().rfind(prefix, 0) == 0) ++count;
    }
    return count;
  }

 private:
  std::string path_;
};

// A file system with little space.
class SmallDisk {
 public:
  explicit SmallDisk(const TempFolder& folder, const char* options) : path_(folder.Path() + "/disk") {
    std::filesystem::create_directory(path_);
    mounted_ = mount("xpu-test", path_.c_str(), "tmpfs", 0, options) == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  std::string File() const { return path_ + "/journal.db"; }
  // Leaves no space at all.
  void Fill() {
    std::ofstream out(path_ + "/ballast", std::ios::binary | std::ios::app);
    const std::string page(4096, 'b');
    while (out.write(page.data(), static_cast<std::streamsize>(page.size())).flush()) {
    }
  }
  void MakeRoom() { std::filesystem::remove(path_ + "/ballast"); }

 private:
  std::string path_;
  bool mounted_;
};

inline FunctionId Function(int n) {
  return PciAddress{0, 3, static_cast<uint8_t>(n / 8), static_cast<uint8_t>(n % 8)};
}

// Something in every field.
inline ClaimRow FullRow(const FunctionId& function) {
  ClaimRow row;
  row.function = function;
  row.state = ClaimState::kAttached;
  row.card = "card0";
  row.port = "host0-3";
  row.host_ifname = "p0v3";
  row.host_mac = *MacAddress::Parse("02:00:00:00:00:03");
  row.host_mtu = 1500;
  row.known_by_alias = true;
  row.mac = *MacAddress::Parse("02:00:00:00:00:99");
  row.vfio = true;
  row.settings_before = {.mac = MacAddress::Parse("02:00:00:00:00:07").value(),
                         .vlan = VfSettings::Vlan{.id = 4094, .qos = 7, .protocol = 0x88a8},
                         .spoof_check = true,
                         .trust = false,
                         .link_state = VfSettings::LinkState::kDisable,
                         .min_tx_rate = 100,
                         .max_tx_rate = 4'000'000'000};
  row.attachment = Attachment{.container_id = "container",
                              .ifname = "net1",
                              .netns = "/run/netns/it's \"x\"",
                              .pod_namespace = "ns",
                              .pod_name = "pod",
                              .cni_network = "blue-net",
                              .network_namespace = "tenant",
                              .network = "blue",
                              .vlan = 0,
                              .bandwidth = {.ingress = {.rate = 10'000'000, .burst = 2'147'483'647},
                                            .egress = {.rate = kMostBandwidth, .burst = kMostBandwidth}}};
  row.ipam = IpamCall{.type = "host-local",
                      .path = "/opt/cni/bin",
                      .args = "K8S_POD_NAME=pod;IgnoreUnknown=1",
                      .config = R"({"ipam": {"type": "host-local"}})"};
  row.confirmed = true;
  row.addresses = {*InterfaceAddress::Parse("10.0.0.5/24"), *InterfaceAddress::Parse("2001:db8::5/64")};
  row.gateways = {*IpAddress::Parse("10.0.0.1"), *IpAddress::Parse("2001:db8::1")};
  row.mtu = 9000;
  row.result = R"({"cniVersion": "1.1.0"})";
  return row;
}

}  // namespace xpu
