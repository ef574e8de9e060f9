#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/event_loop.h"
#include "common/http/http_server.h"
#include "host-agent/service/cni_handler.h"

namespace xpu {

// Where openshift/dpu-operator's daemon serves its CNI plugin.
inline constexpr char kDpuOperatorSocket[] = "/var/run/dpu-daemon/dpu-cni/dpu-cni-server.sock";

// Serves openshift/dpu-operator's CNI plugin in place of its daemon: POST /cni on a unix socket (mode 0600),
// with a ShimRequest as body. What it answers is {"Result": <CNI result>}, as version 1.0.0 of the
// specification or newer has it, or 400 with the error as text.
//
// All on the loop's thread; calls are the handler's, which does not block. Must go before the loop, after
// whatever still answers calls, with the loop not running or on its thread.
class DpuOperatorEndpoint {
 public:
  // Makes the socket's folder if it is not there (mode 0700). Loop and handler are not owned. Errors of
  // HttpServer::Listen, and PermissionDenied or Internal if the folder cannot be made.
  static absl::StatusOr<std::unique_ptr<DpuOperatorEndpoint>> Start(EventLoop& loop, CniHandler& handler,
                                                                    const std::string& path);

  // Refuses calls from now on (503). `drained` is called on the loop when those that run have been answered,
  // and not before Drain() has returned.
  void Drain(std::function<void()> drained);

 private:
  DpuOperatorEndpoint(EventLoop& loop, CniHandler& handler);
  HttpReply Handle(const HttpRequest& request);
  void CallEnded();

  EventLoop& loop_;
  CniHandler& handler_;
  int running_ = 0;
  std::function<void()> drained_;
  bool draining_ = false;
  EventLoop::Handle written_;
  // For what is posted to the loop.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  HttpServer server_;
};

}  // namespace xpu
