#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "control-plane/sandbox/card/card_model.h"
#include "control-plane/sandbox/card/file_tree.h"

namespace xpu {

// sysfs as the host sees it (Documentation/ABI/testing/sysfs-bus-pci and sysfs-class-net): the functions of
// all cards, with those of their interfaces that are in the host's namespace. Pure.
FileTree HostSysfs(const std::vector<CardView>& cards);

// sysfs as one card's DPU sees it: its representors. Pure.
FileTree DpuSysfs(const CardView& card);

// The number of the card whose sriov_numvfs `path` of HostSysfs is; -1 if it is no such file.
int CardOfNumVfs(absl::string_view path);

}  // namespace xpu
