#include "host-agent/service/cni_handler.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/cni.h"
#include "common/base/status_macros.h"
#include "host-agent/cni/cni_error.h"
#include "host-agent/cni/cni_result.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

// Before the version that brought a command, configurations do not know it (CNI specification 1.1.0, section
// 2, "CNI operations").
absl::Status CheckVersionHas(const char* command, std::string_view since, const std::string& version) {
  if (IsCniVersionSince(version, since)) return absl::OkStatus();
  return CniErrorStatus(CniCode::kIncompatibleVersion,
                        absl::StrCat("cniVersion \"", version, "\" has no ", command),
                        absl::StrCat("set cniVersion to ", std::string(since), " or newer"));
}

// Plugins of a chain are all given the same name for their interface; one that has made it leaves none for
// this one.
absl::Status CheckChain(const CniConfig& config, const CniParameters& parameters) {
  if (config.prev_result.empty()) return absl::OkStatus();
  const auto prev = nlohmann::json::parse(config.prev_result, nullptr, /*allow_exceptions=*/false);
  if (!prev.is_object() || !prev.contains("interfaces") || !prev["interfaces"].is_array()) {
    return absl::OkStatus();
  }
  const auto text = [](const nlohmann::json& object, const char* key) {
    const auto it = object.find(key);
    return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  for (const nlohmann::json& interface : prev["interfaces"]) {
    if (text(interface, "name") != parameters.ifname || text(interface, "sandbox").empty()) continue;
    return CniErrorStatus(CniCode::kInvalidConfig,
                          absl::StrCat("the interface ", parameters.ifname,
                                       " is that of a plugin before this one in the chain"),
                          "put this plugin first, or give it a network definition of its own");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> FormatRow(const ClaimRow& row, const CniConfig& config,
                                      const std::string& version) {
  std::string result = row.result;
  if (result.empty()) {
    result = FormatCniResult({.ifname = row.attachment->ifname,
                              .mac = row.mac,
                              .sandbox = row.attachment->netns,
                              .mtu = row.mtu,
                              .addresses = row.addresses,
                              .gateways = row.gateways,
                              .routes = DefaultRoutes(row.gateways)});
  }
  return ConvertCniResult(result, config.prev_result, version);
}

// dpu-operator's plugin converts the result to the configuration's version by itself, and reads only those of
// 1.0.0 and newer.
std::string VersionOfResult(const CniConfig& config, CniDialect dialect) {
  if (dialect != CniDialect::kDpuOperator || IsCniVersionSince(config.cni_version, "1.0.0")) {
    return config.cni_version;
  }
  return "1.0.0";
}

// Calls `done` with the first error, when all parts have been told of.
class Countdown {
 public:
  Countdown(size_t parts, std::function<void(const absl::Status&)> done)
      : left_(parts), done_(std::move(done)) {}
  void PartDone(const absl::Status& status) {
    bool last;
    {
      absl::MutexLock lock(&mu_);
      status_.Update(status);
      last = --left_ == 0;
    }
    if (last) done_(status_);
  }

 private:
  absl::Mutex mu_;
  size_t left_;
  absl::Status status_;
  const std::function<void(const absl::Status&)> done_;
};

// What commands without a result answer.
void Answer(const CniHandler::Done& done, const absl::Status& status) {
  done(status.ok() ? absl::StatusOr<std::string>("") : absl::StatusOr<std::string>(status));
}

IpamCall ToIpamCall(const std::string& type, const CniHandler::Request& request) {
  return {.type = type,
          .path = request.parameters.path,
          .args = request.parameters.args,
          .config = request.config};
}

}  // namespace

absl::StatusOr<AttachRequest> CniHandler::ToAttachRequest(const Request& request, const CniArgs& args,
                                                          const CniConfig& config) const {
  const absl::StatusOr<FunctionId> function = parts_.inventory.Resolve(config.device);
  if (!function.ok()) return WithCniCode(function.status(), CniCode::kFunctionUnknown);
  AttachRequest wanted{.function = *function,
                       .attachment = {.container_id = request.parameters.container_id,
                                      .ifname = request.parameters.ifname,
                                      .netns = request.parameters.netns,
                                      .pod_namespace = args.pod_namespace,
                                      .pod_name = args.pod_name,
                                      .cni_network = config.name,
                                      .network_namespace = config.network_namespace,
                                      .network = config.network,
                                      .vlan = config.vlan,
                                      .bandwidth = config.bandwidth},
                       .mac = config.mac,
                       .addresses = config.addresses,
                       .settings = config.settings,
                       .mtu = config.mtu,
                       .routes = config.routes,
                       .dns = config.dns};
  if (config.ipam) wanted.ipam = ToIpamCall(*config.ipam, request);
  return wanted;
}

CniDialect CniHandler::DialectOf(const Request& request) const {
  if (request.dialect != CniDialect::kXpu) return request.dialect;
  const absl::StatusOr<FunctionId> function = parts_.inventory.Resolve(ReadCniHints(request.config).device);
  if (!function.ok()) return request.dialect;
  const absl::StatusOr<HostFunction> found = parts_.inventory.Find(*function);
  return found.ok() && !found->has_agent ? CniDialect::kPlainNic : request.dialect;
}

void CniHandler::Add(const Request& request, Done done) {
  const auto read = [&]() -> absl::StatusOr<std::pair<CniConfig, AttachRequest>> {
    XPU_RETURN_IF_ERROR(CheckParameters(request.parameters, /*netns_needed=*/true));
    XPU_ASSIGN_OR_RETURN(const CniArgs args, ParseCniArgs(request.parameters.args));
    XPU_ASSIGN_OR_RETURN(CniConfig config, ParseCniConfig(request.config, args, DialectOf(request)));
    XPU_RETURN_IF_ERROR(CheckChain(config, request.parameters));
    XPU_ASSIGN_OR_RETURN(AttachRequest wanted, ToAttachRequest(request, args, config));
    return std::pair(std::move(config), std::move(wanted));
  }();
  if (!read.ok()) {
    done(read.status());
    return;
  }
  const auto& [config, wanted] = *read;
  const AttachmentKey key{wanted.attachment.container_id, wanted.attachment.ifname};
  {
    absl::MutexLock lock(&mu_);
    adding_[key].insert(wanted.function);
  }
  parts_.executor.Run(
      wanted.function, [this, config = config, wanted = wanted, key,
                        version = VersionOfResult(config, request.dialect), done = std::move(done)] {
        const absl::StatusOr<ClaimRow> row = parts_.attacher.Add(wanted);
        {
          absl::MutexLock lock(&mu_);
          const auto it = adding_.find(key);
          it->second.erase(it->second.find(wanted.function));
          if (it->second.empty()) adding_.erase(it);
        }
        done(row.ok() ? FormatRow(*row, config, version) : absl::StatusOr<std::string>(row.status()));
      });
}

void CniHandler::Del(const Request& request, Done done) {
  if (const absl::Status status = CheckParameters(request.parameters, /*netns_needed=*/false); !status.ok()) {
    done(status);
    return;
  }
  const AttachmentKey key{request.parameters.container_id, request.parameters.ifname};
  std::set<FunctionId> functions;
  {
    absl::MutexLock lock(&mu_);
    if (const auto it = adding_.find(key); it != adding_.end()) {
      functions.insert(it->second.begin(), it->second.end());
    }
  }
  // After the above: an ADD is in the journal before it is no longer under way.
  if (const std::optional<ClaimRow> row = parts_.allocator.FindAttachment(key.first, key.second)) {
    functions.insert(row->function);
  }
  // Of one that was found again after the journal was lost, only the namespace is known.
  const std::string unknown = UnknownContainer(request.parameters.netns);
  if (const std::optional<ClaimRow> row = parts_.allocator.FindAttachment(unknown, key.second)) {
    functions.insert(row->function);
  }
  // A claim whose ADD never came has no attachment to be found by; only the configuration names its function.
  std::optional<FunctionId> device;
  if (const auto named = parts_.inventory.Resolve(ReadCniHints(request.config).device); named.ok()) {
    device = *named;
    functions.insert(*named);
  }
  if (functions.empty()) {
    done("");
    return;
  }
  const auto parts = std::make_shared<Countdown>(
      functions.size(), [done = std::move(done)](const absl::Status& status) { Answer(done, status); });
  for (const FunctionId& function : functions) {
    parts_.executor.Run(function, [this, function, key, unknown, device, parts] {
      absl::Status status = parts_.attacher.Del(function, key.first, key.second);
      status.Update(parts_.attacher.Del(function, unknown, key.second));
      if (device == function) status.Update(parts_.attacher.ReleaseUnused(function));
      parts->PartDone(status);
    });
  }
}

void CniHandler::Check(const Request& request, Done done) {
  const auto read = [&]() -> absl::StatusOr<std::pair<CniConfig, AttachRequest>> {
    XPU_RETURN_IF_ERROR(CheckParameters(request.parameters, /*netns_needed=*/true));
    XPU_ASSIGN_OR_RETURN(const CniArgs args, ParseCniArgs(request.parameters.args));
    XPU_ASSIGN_OR_RETURN(CniConfig config, ParseCniConfig(request.config, args, DialectOf(request)));
    XPU_RETURN_IF_ERROR(CheckVersionHas("CHECK", kCniVersionOfCheck, config.cni_version));
    if (config.prev_result.empty()) {
      return CniErrorStatus(CniCode::kInvalidConfig, "CNI configuration: prevResult is missing",
                            "CHECK compares with the result of the ADD: the runtime has to pass it");
    }
    XPU_ASSIGN_OR_RETURN(AttachRequest wanted, ToAttachRequest(request, args, config));
    return std::pair(std::move(config), std::move(wanted));
  }();
  if (!read.ok()) {
    done(read.status());
    return;
  }
  const auto& [config, wanted] = *read;
  parts_.executor.Run(wanted.function,
                      [this, prev_result = config.prev_result, wanted = wanted, done = std::move(done)] {
                        Answer(done, parts_.attacher.Check(wanted, prev_result));
                      });
}

bool CniHandler::IsBeingAdded(const AttachmentKey& key) const {
  absl::MutexLock lock(&mu_);
  return adding_.contains(key);
}

void CniHandler::Gc(const Request& request, Done done) {
  absl::StatusOr<CniNetworkConfig> config = ParseCniNetworkConfig(request.config);
  absl::Status status = config.status();
  if (status.ok()) status = CheckVersionHas("GC", kCniVersionOfGcAndStatus, config->cni_version);
  if (status.ok() && !config->valid_attachments) {
    status =
        CniErrorStatus(CniCode::kInvalidConfig, "CNI configuration: cni.dev/valid-attachments is missing",
                       "GC takes back what is not in it: the runtime has to pass it, if only as an empty "
                       "list");
  }
  if (!status.ok()) {
    done(status);
    return;
  }
  const std::set<AttachmentKey> valid(config->valid_attachments->begin(), config->valid_attachments->end());
  std::vector<ClaimRow> stale;
  for (ClaimRow& row : parts_.allocator.Rows()) {
    if (!row.attachment || row.attachment->cni_network != config->name) continue;
    const AttachmentKey key{row.attachment->container_id, row.attachment->ifname};
    // One that is just coming may be missing in a list that was made a moment ago.
    if (valid.contains(key) || IsBeingAdded(key)) continue;
    stale.push_back(std::move(row));
  }
  // One part more for the plugin, which goes last: the addresses of what is stale are given back with it.
  const auto finish = [this, request, ipam = config->ipam, done](const absl::Status& released) {
    if (!ipam || parts_.ipam == nullptr) {
      Answer(done, released);
      return;
    }
    ipam_workers_.Run([this, call = ToIpamCall(*ipam, request), released, done] {
      absl::Status all = released;
      all.Update(parts_.ipam->Gc(call));
      Answer(done, all);
    });
  };
  if (stale.empty()) {
    finish(absl::OkStatus());
    return;
  }
  const auto parts = std::make_shared<Countdown>(stale.size(), finish);
  for (const ClaimRow& row : stale) {
    parts_.executor.Run(row.function, [this, row, parts] {
      parts->PartDone(parts_.attacher.Release(row.function, *row.attachment));
    });
  }
}

void CniHandler::Status(const Request& request, Done done) {
  absl::StatusOr<CniNetworkConfig> config = ParseCniNetworkConfig(request.config);
  absl::Status status = config.status();
  if (status.ok()) status = CheckVersionHas("STATUS", kCniVersionOfGcAndStatus, config->cni_version);
  if (status.ok()) {
    // Functions in pods count too: that they are all given away is for the scheduler to know.
    const std::vector<HostFunction> functions = parts_.inventory.List();
    const bool ready = std::any_of(functions.begin(), functions.end(),
                                   [](const HostFunction& function) { return function.healthy; });
    if (!ready) {
      // What is attached goes on without the card's agent: its flows are on the switch.
      status = CniErrorStatus(
          CniCode::kNotAvailable, "none of this host's functions is fit for use",
          functions.empty()
              ? "there are none: see the cards in the host agent's configuration"
              : absl::StrCat("function ", functions[0].id.ToString(), ": ", functions[0].reason));
    }
  }
  if (!status.ok() || !config->ipam || parts_.ipam == nullptr) {
    Answer(done, status);
    return;
  }
  ipam_workers_.Run([this, call = ToIpamCall(*config->ipam, request), done = std::move(done)] {
    Answer(done, parts_.ipam->Status(call));
  });
}

}  // namespace xpu
