#include "device-plugin/container_answer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "device-plugin/resource_name.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

constexpr char kVfio[] = "/dev/vfio/vfio";
constexpr char kVhostNet[] = "/dev/vhost-net";
constexpr char kTun[] = "/dev/net/tun";

bool UsesVfio(const PluginFunction& function) { return function.driver == "vfio-pci"; }

// Without an IOMMU the host's node has another name than the one that DPDK looks for.
std::string InContainer(const std::string& vfio_node) {
  return absl::StrReplaceAll(vfio_node, {{"/noiommu-", "/"}});
}

// By what programs know a function.
const std::string& NameOf(const PluginFunction& function) {
  return function.kind == PluginFunction::Kind::kSf && !function.auxiliary_device.empty()
             ? function.auxiliary_device
             : function.id;
}

// As JSON has it.
std::string Quoted(const std::string& text) {
  const auto plain = [](char c) { return absl::ascii_isalnum(c) || absl::StrContains(":.-_/", c); };
  if (std::all_of(text.begin(), text.end(), plain)) return absl::StrCat("\"", text, "\"");
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

nlohmann::json RdmaInfo(const PluginFunction& function) {
  nlohmann::json info = nlohmann::json::object();
  for (const std::string& node : function.rdma_nodes) {
    for (const char* kind : std::array{"uverbs", "umad", "issm", "rdma_cm"}) {
      if (absl::StrContains(node, kind)) info[kind] = node;
    }
  }
  if (!function.rdma_devices.empty()) info["rdma_dev"] = function.rdma_devices.front();
  return info;
}

nlohmann::json Info(const PoolConfig& pool, const PoolMember& member) {
  const PluginFunction& function = member.function;
  nlohmann::json info;
  info["generic"] = {{"deviceID", NameOf(function)}};
  if (UsesVfio(function)) {
    info["vfio"] = {{"mount", kVfio}};
    if (!function.vfio_node.empty()) info["vfio"]["dev-mount"] = InContainer(function.vfio_node);
  }
  if (member.share_rdma) info["rdma"] = RdmaInfo(function);
  if (member.need_vhost_net) info["vhost"] = {{"net-mount", kVhostNet}, {"tun-mount", kTun}};
  if (!pool.additional_info.empty()) {
    nlohmann::json extra = nlohmann::json::object();
    // What is said of one function goes before what is said of all.
    for (const std::string& key : {std::string("*"), function.id, NameOf(function)}) {
      const auto found = pool.additional_info.find(key);
      if (found == pool.additional_info.end()) continue;
      for (const auto& [name, value] : found->second) extra[name] = value;
    }
    info["extra"] = std::move(extra);
  }
  return info;
}

// The text of that, which for most functions is one line that needs no tree.
std::string InfoText(const PoolConfig& pool, const PoolMember& member) {
  if (!UsesVfio(member.function) && !member.share_rdma && !member.need_vhost_net &&
      pool.additional_info.empty()) {
    return absl::StrCat("{\"generic\":{\"deviceID\":", Quoted(NameOf(member.function)), "}}");
  }
  return Info(pool, member).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::vector<DeviceNode> DeviceNodes(const PoolMember& member) {
  std::vector<DeviceNode> nodes;
  const auto add = [&](const std::string& path) { nodes.push_back({path, path}); };
  const PluginFunction& function = member.function;
  if (UsesVfio(function)) {
    add(kVfio);
    if (!function.vfio_node.empty()) nodes.push_back({function.vfio_node, InContainer(function.vfio_node)});
  }
  if (member.share_rdma) {
    for (const std::string& node : function.rdma_nodes) add(node);
  }
  if (member.need_vhost_net) {
    add(kVhostNet);
    add(kTun);
  }
  return nodes;
}

std::map<std::string, std::string> ContainerVariables(const PoolConfig& pool,
                                                      const std::vector<const PoolMember*>& members) {
  std::vector<absl::string_view> names;
  // Sorted, each once.
  std::map<std::string, const PoolMember*> sorted;
  for (const PoolMember* member : members) {
    names.push_back(NameOf(member->function));
    sorted[NameOf(member->function)] = member;
  }
  std::string info = "{";
  for (const auto& [name, member] : sorted) {
    absl::StrAppend(&info, info.size() > 1 ? "," : "", Quoted(name), ":", InfoText(pool, *member));
  }
  info += '}';
  std::string variable = DeviceVariableName(pool.resource);
  std::string info_variable = absl::StrCat(variable, "_INFO");
  return {{std::move(variable), absl::StrJoin(names, ",")}, {std::move(info_variable), std::move(info)}};
}

}  // namespace xpu
