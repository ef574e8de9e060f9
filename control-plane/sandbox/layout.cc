#include "control-plane/sandbox/layout.h"

#include <limits.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

bool IsDnsLabel(const std::string& name) {
  return !name.empty() && name.size() <= 63 && name.front() != '-' && name.back() != '-' &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

std::string OwnFolder() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  const std::string program(path, std::max<ssize_t>(length, 0));
  return program.substr(0, program.rfind('/'));
}

}  // namespace

absl::Status SandboxOptions::Complete() {
  if (!IsDnsLabel(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--name \"", name, "\": use lower-case letters, digits and '-', at most 63"));
  }
  if (cards < 1 || cards > 8) {
    return absl::InvalidArgumentError(absl::StrCat("--cards ", cards, ": a sandbox has 1 to 8 cards"));
  }
  if (vfs < 1 || vfs > 250) {
    return absl::InvalidArgumentError(absl::StrCat("--vfs ", vfs, ": an emulated card has 1 to 250 VFs"));
  }
  if (clusters < 1 || clusters > 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("--clusters ", clusters, ": a sandbox has 1 to 3 API servers"));
  }
  if (dir.empty()) dir = "/run/xpu-sandbox/" + name;
  if (dir.front() != '/')
    return absl::InvalidArgumentError(absl::StrCat("--dir ", dir, ": give an absolute path"));
  // The longest socket: ovs-vswitchd's control socket, with a pid in its name.
  const size_t longest = SandboxLayout(dir).ovs_dir(0).size() + sizeof("/ovs-vswitchd.4194304.ctl");
  if (longest > sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dir ", dir, " is too long for the sockets below it: at most ",
                     dir.size() - (longest - sizeof(sockaddr_un::sun_path)), " characters"));
  }
  if (bin_dir.empty()) bin_dir = OwnFolder();
  if (ovs_dir.empty()) ovs_dir = XPU_OVS_DIR;
  return absl::OkStatus();
}

std::vector<std::string> SandboxOptions::ClusterNames() const {
  std::vector<std::string> names = {SandboxLayout::tenant_cluster()};
  if (clusters > 2) names.push_back("broker");
  if (clusters > 1) names.push_back("infra");
  return names;
}

std::string SandboxOptions::ToJson() const {
  return nlohmann::json{{"name", name}, {"cards", cards},    {"vfs", vfs},        {"clusters", clusters},
                        {"dir", dir},   {"binDir", bin_dir}, {"ovsDir", ovs_dir}, {"logLevel", log_level}}
      .dump(2);
}

absl::StatusOr<SandboxOptions> SandboxOptions::FromJson(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    SandboxOptions options;
    options.name = json.at("name");
    options.cards = json.at("cards");
    options.vfs = json.at("vfs");
    options.clusters = json.at("clusters");
    options.dir = json.at("dir");
    options.bin_dir = json.at("binDir");
    options.ovs_dir = json.at("ovsDir");
    options.log_level = json.at("logLevel");
    if (absl::Status status = options.Complete(); !status.ok()) return status;
    return options;
  } catch (const nlohmann::json::exception& error) {
    return absl::DataLossError(absl::StrCat("the sandbox's options cannot be read: ", error.what()));
  }
}

}  // namespace xpu
