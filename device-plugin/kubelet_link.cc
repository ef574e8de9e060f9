#include "device-plugin/kubelet_link.h"

#include <sys/stat.h>

#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/rpc.h"
#include "grpcpp/grpcpp.h"
#include "kubelet/deviceplugin/v1beta1/api.grpc.pb.h"
#include "spdlog/spdlog.h"

namespace xpu {

// One Register call, with a channel of its own: one that failed before would wait before it tries again.
struct KubeletLink::Registration {
  std::unique_ptr<v1beta1::Registration::Stub> stub;
  grpc::ClientContext context;
  v1beta1::RegisterRequest request;
  v1beta1::Empty response;
};

absl::StatusOr<std::unique_ptr<KubeletLink>> KubeletLink::Start(EventLoop& loop, const Options& options, Serve serve,
                                                                Fail fail) {
  std::unique_ptr<KubeletLink> link(new KubeletLink(loop, options, std::move(serve), std::move(fail)));
  // Watch first, then serve: a kubelet that starts in between is not missed.
  XPU_ASSIGN_OR_RETURN(
      link->folder_watch_,
      FolderWatch::Start(loop, options.folder, [raw = link.get()](FolderWatch::Change change, const std::string& name) {
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
      inbox_(loop) {}

KubeletLink::~KubeletLink() {
  if (registration_ != nullptr) registration_->context.TryCancel();
}

std::optional<KubeletLink::Identity> KubeletLink::Look(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return std::nullopt;
  return Identity{.device = info.st_dev,
                  .inode = info.st_ino,
                  .changed_ns = info.st_ctim.tv_sec * 1'000'000'000 + info.st_ctim.tv_nsec};
}

absl::Status KubeletLink::ServeAnew() {
  registered_ = false;
  XPU_RETURN_IF_ERROR(serve_());
  served_ = Look(Path(options_.plugin_socket));
  spdlog::info("serving {} on {}", options_.resource, Path(options_.plugin_socket));
  return absl::OkStatus();
}

void KubeletLink::Enable() {
  enabled_ = true;
  Register();
}

void KubeletLink::OnUnwatched() {
  if (!std::exchange(registered_, false)) return;
  spdlog::warn("the kubelet has ended its stream");
  RetryLater();
}

void KubeletLink::OnChange(FolderWatch::Change change, const std::string& name) {
  const bool unknown = change == FolderWatch::Change::kUnknown;
  if (change == FolderWatch::Change::kFolderGone) {
    return fail_(absl::NotFoundError(
        absl::StrCat("the kubelet's plugin folder ", options_.folder, " has gone; start again when it is back")));
  }
  if (unknown || name == options_.plugin_socket) CheckPluginSocket();
  if (!unknown && name != options_.kubelet_socket) return;
  retry_timer_.Cancel();
  backoff_.Reset();
  registered_ = false;
  if (change == FolderWatch::Change::kRemoved) {
    spdlog::info("the kubelet has stopped");
  } else {
    Register();
  }
}

void KubeletLink::CheckPluginSocket() {
  const std::optional<Identity> there = Look(Path(options_.plugin_socket));
  if (there.has_value() && there == served_) return;
  if (there.has_value()) {
    // To take it back would start a fight that ends never.
    return fail_(absl::AlreadyExistsError(absl::StrCat(Path(options_.plugin_socket), " was replaced: another plugin ",
                                                       "serves ", options_.resource, "; stop one of the two")));
  }
  spdlog::info("{} was removed: the kubelet starts", Path(options_.plugin_socket));
  if (absl::Status status = ServeAnew(); !status.ok()) return fail_(status);
  Register();
}

void KubeletLink::Register() {
  if (!enabled_ || registered_) return;
  if (registration_ != nullptr) {
    again_ = true;
    return;
  }
  // Its coming will be told.
  if (!Look(Path(options_.kubelet_socket)).has_value()) return;
  auto channel = MakeChannel(absl::StrCat("unix:", Path(options_.kubelet_socket)));
  if (!channel.ok()) return fail_(channel.status());
  registration_ = std::make_shared<Registration>();
  registration_->stub = v1beta1::Registration::NewStub(*channel);
  registration_->context.set_deadline(absl::ToChronoTime(absl::Now() + options_.register_timeout));
  registration_->request.set_version("v1beta1");
  registration_->request.set_endpoint(options_.plugin_socket);
  registration_->request.set_resource_name(options_.resource);
  registration_->request.mutable_options()->set_get_preferred_allocation_available(true);
  registration_->stub->async()->Register(
      &registration_->context, &registration_->request, &registration_->response,
      [this, post = inbox_.post(), keep = registration_](const grpc::Status& status) {
        post([this, status = FromGrpc(status)] { OnRegistered(status); });
      });
}

void KubeletLink::OnRegistered(const absl::Status& status) {
  registration_ = nullptr;
  if (std::exchange(again_, false)) return Register();
  if (!status.ok()) {
    spdlog::warn("cannot register {} with the kubelet at {}: {}; trying again", options_.resource,
                 Path(options_.kubelet_socket), std::string(status.message()));
    return RetryLater();
  }
  registered_ = true;
  backoff_.Reset();
  spdlog::info("registered {} with the kubelet", options_.resource);
}

void KubeletLink::RetryLater() {
  retry_timer_ = loop_.After(backoff_.Next(), [this] { Register(); });
}

}  // namespace xpu
