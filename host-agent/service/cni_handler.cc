#include "host-agent/service/cni_handler.h"

#include <memory>
#include <optional>

#include "host-agent/cni/cni_result.h"

namespace xpu {
namespace {

absl::StatusOr<AttachRequest> ReadAdd(const CniHandler::Request& request, std::string* cni_version) {
  absl::Status status = CheckParameters(request.parameters, /*netns_needed=*/true);
  if (!status.ok()) return status;
  const absl::StatusOr<CniArgs> args = ParseCniArgs(request.parameters.args);
  if (!args.ok()) return args.status();
  const absl::StatusOr<CniConfig> config = ParseCniConfig(request.config, *args);
  if (!config.ok()) return config.status();
  *cni_version = config->cni_version;
  return AttachRequest{.function = config->device,
                       .attachment = {.container_id = request.parameters.container_id,
                                      .ifname = request.parameters.ifname,
                                      .netns = request.parameters.netns,
                                      .pod_namespace = args->pod_namespace,
                                      .pod_name = args->pod_name,
                                      .cni_network = config->name,
                                      .network_namespace = config->network_namespace,
                                      .network = config->network},
                       .mac = config->mac,
                       .addresses = config->addresses};
}

absl::StatusOr<std::string> FormatRow(const ClaimRow& row, const std::string& cni_version) {
  return ConvertCniResult(FormatCniResult({.ifname = row.attachment->ifname,
                                           .mac = row.mac,
                                           .sandbox = row.attachment->netns,
                                           .addresses = row.addresses,
                                           .gateways = row.gateways,
                                           .routes = DefaultRoutes(row.gateways)}),
                          /*prev_result=*/"", cni_version);
}

// The function that the configuration of a DEL names. DEL needs none, so one that cannot be read is no error.
std::optional<FunctionId> DeviceOf(const CniHandler::Request& request) {
  const absl::StatusOr<CniConfig> config = ParseCniConfig(request.config, CniArgs());
  if (!config.ok()) return std::nullopt;
  return config->device;
}

// Answers when every part of a DEL is done.
class DelInParts {
 public:
  DelInParts(size_t parts, CniHandler::Done done) : left_(parts), done_(std::move(done)) {}
  void PartDone(const absl::Status& status) {
    bool last;
    {
      absl::MutexLock lock(&mu_);
      status_.Update(status);
      last = --left_ == 0;
    }
    if (!last) return;
    done_(status_.ok() ? absl::StatusOr<std::string>("") : absl::StatusOr<std::string>(status_));
  }

 private:
  absl::Mutex mu_;
  size_t left_;
  absl::Status status_;
  const CniHandler::Done done_;
};

}  // namespace

CniHandler::CniHandler(Allocator& allocator, Attacher& attacher, KeyedExecutor& executor)
    : allocator_(allocator), attacher_(attacher), executor_(executor) {}

void CniHandler::Add(const Request& request, Done done) {
  std::string cni_version;
  const absl::StatusOr<AttachRequest> wanted = ReadAdd(request, &cni_version);
  if (!wanted.ok()) {
    done(wanted.status());
    return;
  }
  const AttachmentKey key{wanted->attachment.container_id, wanted->attachment.ifname};
  {
    absl::MutexLock lock(&mu_);
    adding_[key].insert(wanted->function);
  }
  executor_.Run(wanted->function, [this, wanted = *wanted, key, cni_version, done = std::move(done)] {
    const absl::StatusOr<ClaimRow> row = attacher_.Add(wanted);
    {
      absl::MutexLock lock(&mu_);
      const auto it = adding_.find(key);
      it->second.erase(it->second.find(wanted.function));
      if (it->second.empty()) adding_.erase(it);
    }
    done(row.ok() ? FormatRow(*row, cni_version) : absl::StatusOr<std::string>(row.status()));
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
  if (const std::optional<ClaimRow> row = allocator_.FindAttachment(key.first, key.second)) {
    functions.insert(row->function);
  }
  // A claim whose ADD never came has no attachment to be found by; only the configuration names its function.
  const std::optional<FunctionId> device = DeviceOf(request);
  if (device) functions.insert(*device);
  if (functions.empty()) {
    done("");
    return;
  }
  const auto parts = std::make_shared<DelInParts>(functions.size(), std::move(done));
  for (const FunctionId& function : functions) {
    executor_.Run(function, [this, function, key, device, parts] {
      absl::Status status = attacher_.Del(function, key.first, key.second);
      if (device == function) status.Update(attacher_.ReleaseUnused(function));
      parts->PartDone(status);
    });
  }
}

}  // namespace xpu
