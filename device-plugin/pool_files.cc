#include "device-plugin/pool_files.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "common/base/function_id.h"
#include "common/base/status_macros.h"
#include "common/base/unique_fd.h"
#include "common/sys/files.h"
#include "device-plugin/container_answer.h"
#include "device-plugin/resource_name.h"
#include "nlohmann/json.hpp"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

constexpr char kCdiKind[] = "xpu.opiproject.org/function";
// Names that start with a digit came with 0.5.0.
constexpr char kCdiVersion[] = "0.5.0";
constexpr char kDeviceInfoVersion[] = "1.1.0";
constexpr char kSocketSuffix[] = ".sock";
constexpr char kCdiSuffix[] = ".json";
constexpr char kDeviceInfoSuffix[] = "-device.json";

std::string CdiFileName(const std::string& resource) {
  return absl::StrCat(absl::StripSuffix(PluginSocketName(resource), kSocketSuffix), kCdiSuffix);
}

// "<resource>-<device>-device.json", section 4.1.
std::string DeviceInfoPrefix(const std::string& resource) {
  return absl::StrCat(absl::StrReplaceAll(resource, {{"/", "-"}}), "-");
}

bool IsDeviceInfoOf(absl::string_view prefix, absl::string_view name) {
  // Another resource can begin with the name of this one.
  return absl::ConsumePrefix(&name, prefix) && absl::ConsumeSuffix(&name, kDeviceInfoSuffix) &&
         FunctionId::Parse(name).ok();
}

bool IsServed(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) return false;
  memcpy(address.sun_path, socket_path.data(), socket_path.size());
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
         errno == EAGAIN;
}

absl::Status RemoveFile(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot remove ", path));
}

}  // namespace

std::string CdiDeviceName(absl::string_view function) { return absl::StrCat(kCdiKind, "=", function); }

std::string CdiSpec(const PoolMembers& members) {
  nlohmann::json devices = nlohmann::json::array();
  for (const PoolMember& member : members) {
    nlohmann::json nodes = nlohmann::json::array();
    for (const DeviceNode& node : DeviceNodes(member)) {
      nodes.push_back({{"path", node.container_path}, {"hostPath", node.host_path}, {"permissions", "rw"}});
    }
    // A device without edits makes a specification invalid.
    if (nodes.empty()) continue;
    devices.push_back(
        {{"name", member.function.id}, {"containerEdits", {{"deviceNodes", std::move(nodes)}}}});
  }
  if (devices.empty()) return "";
  return nlohmann::ordered_json{
             {"cdiVersion", kCdiVersion}, {"kind", kCdiKind}, {"devices", std::move(devices)}}
             .dump(2) +
         "\n";
}

std::string DeviceInfo(const PoolMember& member) {
  const PluginFunction& function = member.function;
  if (function.kind != PluginFunction::Kind::kVf) return "";
  nlohmann::ordered_json pci = {{"pci-address", function.id}};
  if (member.need_vhost_net) pci["vhost-net"] = "/dev/vhost-net";
  if (member.share_rdma && !function.rdma_devices.empty()) pci["rdma-device"] = function.rdma_devices.front();
  if (!function.pf_address.empty()) pci["pf-pci-address"] = function.pf_address;
  return nlohmann::ordered_json{{"type", "pci"}, {"version", kDeviceInfoVersion}, {"pci", std::move(pci)}}
             .dump() +
         "\n";
}

absl::Status FolderMirror::Write(const std::string& name, const std::string& contents) const {
  const std::string path = absl::StrCat(folder_, "/", name);
  // Readers look at names that end in .json only.
  std::string temporary = absl::StrCat(folder_, "/.", name, ".XXXXXX");
  const UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", temporary));
  absl::Status status;
  if (write(fd.get(), contents.data(), contents.size()) != static_cast<ssize_t>(contents.size())) {
    status = absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", temporary));
  } else if (fchmod(fd.get(), 0644) != 0 || rename(temporary.c_str(), path.c_str()) != 0) {
    status = absl::ErrnoToStatus(errno, absl::StrCat("cannot replace ", path));
  }
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

absl::Status FolderMirror::Sync(const std::map<std::string, std::string>& files) {
  absl::Status result;
  const auto keep_first = [&](const absl::Status& status) {
    if (result.ok()) result = status;
    return status.ok();
  };
  if (!looked_) {
    const auto names = ListDirectory(folder_);
    if (!names.ok() && !absl::IsNotFound(names.status())) return names.status();
    looked_ = true;
    if (names.ok()) {
      for (const std::string& name : *names) {
        if (owns_(name)) files_[name] = "";
      }
    }
  }
  // First what goes, so that nobody finds a device in two files.
  for (auto it = files_.begin(); it != files_.end();) {
    const bool gone =
        !files.contains(it->first) && keep_first(RemoveFile(absl::StrCat(folder_, "/", it->first)));
    it = gone ? files_.erase(it) : std::next(it);
  }
  if (!files.empty()) XPU_RETURN_IF_ERROR(MakeDirectories(folder_));
  for (const auto& [name, contents] : files) {
    const auto there = files_.find(name);
    if (there != files_.end() && there->second == contents) continue;
    if (keep_first(Write(name, contents))) files_[name] = contents;
  }
  return result;
}

PoolFiles::PoolFiles(Options options)
    : options_(std::move(options)),
      cdi_(options_.cdi_dir,
           [own = CdiFileName(options_.resource)](const std::string& name) { return name == own; }),
      device_info_(options_.device_info_dir,
                   [prefix = DeviceInfoPrefix(options_.resource)](const std::string& name) {
                     return IsDeviceInfoOf(prefix, name);
                   }) {}

void PoolFiles::Update(const PoolMembers& members) {
  absl::MutexLock lock(&mutex_);
  if (!options_.cdi_dir.empty()) {
    std::map<std::string, std::string> files;
    if (std::string spec = options_.use_cdi ? CdiSpec(members) : ""; !spec.empty()) {
      files[CdiFileName(options_.resource)] = std::move(spec);
    }
    cdi_status_ = cdi_.Sync(files);
    if (!cdi_status_.ok()) {
      spdlog::error("{}: the CDI specification: {}", options_.resource, std::string(cdi_status_.message()));
    }
  }
  if (!options_.device_info_dir.empty()) {
    std::map<std::string, std::string> files;
    for (const PoolMember& member : members) {
      std::string info = DeviceInfo(member);
      if (info.empty()) continue;
      files[absl::StrCat(DeviceInfoPrefix(options_.resource), member.function.id, kDeviceInfoSuffix)] =
          std::move(info);
    }
    const absl::Status status = device_info_.Sync(files);
    if (!status.ok() && !device_info_failed_) {
      spdlog::warn("{}: device information for Multus: {}", options_.resource, std::string(status.message()));
    }
    device_info_failed_ = !status.ok();
  }
}

absl::Status PoolFiles::cdi_status() const {
  absl::MutexLock lock(&mutex_);
  return cdi_status_;
}

void PoolFiles::Remove(bool functions_in_use) {
  absl::MutexLock lock(&mutex_);
  absl::Status status;
  if (!options_.device_info_dir.empty()) status = device_info_.Sync({});
  if (!options_.cdi_dir.empty() && !functions_in_use) status.Update(cdi_.Sync({}));
  if (!status.ok()) spdlog::warn("{}: {}", options_.resource, std::string(status.message()));
}

void RemoveAbandonedCdiSpecs(const std::string& cdi_dir, const std::string& plugin_dir,
                             const std::vector<std::string>& resources) {
  std::set<std::string> ours;
  for (const std::string& resource : resources) ours.insert(CdiFileName(resource));
  const auto names = ListDirectory(cdi_dir);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    absl::string_view stem = name;
    if (ours.contains(name) || !absl::StartsWith(stem, "xpu-") || !absl::ConsumeSuffix(&stem, kCdiSuffix))
      continue;
    if (IsServed(absl::StrCat(plugin_dir, "/", stem, kSocketSuffix))) continue;
    if (const absl::Status status = RemoveFile(absl::StrCat(cdi_dir, "/", name)); status.ok()) {
      spdlog::info("removed {}/{}, whose resource nobody serves", cdi_dir, name);
    } else {
      spdlog::warn("{}", std::string(status.message()));
    }
  }
}

}  // namespace xpu
