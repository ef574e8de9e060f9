#include "device-plugin/kubelet_link.h"

#include <sys/stat.h>

#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/loop_rpc/unix_socket.h"
#include "kubelet/deviceplugin/v1beta1/api.pb.h"
#include "spdlog/spdlog.h"

namespace xpu {

absl::StatusOr<std::unique_ptr<KubeletLink>> KubeletLink::Start(EventLoop& loop, const Options& options,
                                                                Serve serve, Fail fail) {
  std::unique_ptr<KubeletLink> link(new KubeletLink(loop, options, std::move(serve), std::move(fail)));
  // Watch first, then serve: a kubelet that starts in between is not missed.
  XPU_ASSIGN_OR_RETURN(link->folder_watch_, FolderWatch::Start(loop, options.folder,
                                                               [raw = link.get()](FolderWatch::Change change,
                                                                                  const std::string& name) {
                                                                 raw->OnChange(change, name);
                                                               }));
  XPU_RETURN_IF_ERROR(link->ServeAnew());
  return link;
}

KubeletLink::KubeletLink(EventLoop& loop, const Options& options, Serve serve, Fail fail)
    : loop_(loop),
      options_(options),
      serve_(std::move(serve)),
      fail_(std::move(fail)),
      backoff_(options.backoff, std::random_device()()),
      connect_backoff_(options.connect_backoff, std::random_device()()) {}

std::optional<KubeletLink::Identity> KubeletLink::Look(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return std::nullopt;
  return Identity{.device = info.st_dev,
                  .inode = info.st_ino,
                  .changed_ns = info.st_ctim.tv_sec * 1'000'000'000 + info.st_ctim.tv_nsec};
}

absl::Status KubeletLink::ServeAnew() {
  kubelet_.reset();
  XPU_RETURN_IF_ERROR(serve_());
  served_ = Look(Path(options_.plugin_socket));
  spdlog::info("serving {} on {}", options_.resource, Path(options_.plugin_socket));
  return absl::OkStatus();
}

void KubeletLink::Enable() {
  if (!std::exchange(enabled_, true)) Register();
}

void KubeletLink::OnUnwatched() {
  if (!kubelet_.has_value() || registration_ != nullptr) return;
  spdlog::warn("the kubelet has ended its stream");
  kubelet_.reset();
  RetryAfter(backoff_.Next());
}

void KubeletLink::OnChange(FolderWatch::Change change, const std::string& name) {
  const bool unknown = change == FolderWatch::Change::kUnknown;
  if (change == FolderWatch::Change::kFolderGone) return fail_(FolderGone());
  if (unknown || name == options_.plugin_socket) {
    if (absl::Status status = EnsureServed(); !status.ok()) return fail_(status);
    Register();
  }
  if (!unknown && name != options_.kubelet_socket) return;
  // The news of a kubelet can be older than what is known of it.
  if (kubelet_.has_value() && Look(Path(options_.kubelet_socket)) == kubelet_) return;
  retry_timer_.Cancel();
  backoff_.Reset();
  connect_backoff_.Reset();
  kubelet_.reset();
  if (change == FolderWatch::Change::kRemoved) {
    spdlog::info("the kubelet has stopped");
  } else {
    Register();
  }
}

absl::Status KubeletLink::FolderGone() const {
  return absl::NotFoundError(absl::StrCat("the kubelet's plugin folder ", options_.folder,
                                          " has gone; start again when it is back"));
}

absl::Status KubeletLink::EnsureServed() {
  const std::optional<Identity> there = Look(Path(options_.plugin_socket));
  if (there.has_value() && there == served_) return absl::OkStatus();
  if (there.has_value()) {
    // To take it back would start a fight that never ends.
    return absl::AlreadyExistsError(absl::StrCat(Path(options_.plugin_socket),
                                                 " was replaced: another plugin serves ", options_.resource,
                                                 "; stop one of the two"));
  }
  if (!Look(options_.folder).has_value()) return FolderGone();
  spdlog::info("{} was removed: the kubelet starts", Path(options_.plugin_socket));
  return ServeAnew();
}

void KubeletLink::Register() {
  if (!enabled_ || kubelet_.has_value()) return;
  if (registration_ != nullptr) {
    again_ = true;
    return;
  }
  // If it is not there, its coming will be told.
  if (!Look(Path(options_.kubelet_socket)).has_value()) return;
  absl::StatusOr<Connection> connection = Connect();
  if (!connection.ok()) {
    spdlog::debug("{}: {}", Path(options_.kubelet_socket), std::string(connection.status().message()));
    return RetryAfter(connect_backoff_.Next());
  }
  connect_backoff_.Reset();
  // This kubelet has cleared the folder before it made its socket, so what is there now stays, and what is
  // told of the time before is old news.
  if (absl::Status status = EnsureServed(); !status.ok()) return fail_(status);
  kubelet_ = connection->kubelet;
  v1beta1::RegisterRequest request;
  request.set_version("v1beta1");
  request.set_endpoint(options_.plugin_socket);
  request.set_resource_name(options_.resource);
  request.mutable_options()->set_get_preferred_allocation_available(true);
  registration_ = std::make_unique<LoopRpcClient>(loop_, std::move(connection->fd));
  registration_->Call("/v1beta1.Registration/Register", request.SerializeAsString(),
                      {.timeout = options_.register_timeout},
                      [this](const LoopRpcClient::Reply& reply) { OnRegistered(reply.status); });
}

absl::StatusOr<KubeletLink::Connection> KubeletLink::Connect() const {
  const std::string path = Path(options_.kubelet_socket);
  const std::optional<Identity> before = Look(path);
  XPU_ASSIGN_OR_RETURN(UniqueFd fd, ConnectToUnixSocket(path));
  // A kubelet that was replaced just now is told as such.
  if (!before.has_value() || Look(path) != before) return absl::UnavailableError("it is being restarted");
  return Connection{std::move(fd), *before};
}

void KubeletLink::OnRegistered(const absl::Status& status) {
  registration_ = nullptr;
  if (std::exchange(again_, false)) {
    kubelet_.reset();
    return Register();
  }
  if (!status.ok()) {
    kubelet_.reset();
    spdlog::warn("cannot register {} with the kubelet at {}: {}; trying again", options_.resource,
                 Path(options_.kubelet_socket), std::string(status.message()));
    return RetryAfter(backoff_.Next());
  }
  backoff_.Reset();
  spdlog::info("registered {} with the kubelet", options_.resource);
}

void KubeletLink::RetryAfter(absl::Duration delay) {
  retry_timer_ = loop_.After(delay, [this] { Register(); });
}

}  // namespace xpu
