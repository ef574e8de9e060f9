// xpu-broker: copies what a tenant's cluster asks for to the cluster of the DPUs, and brings its status back.

#include <unistd.h>

#include <csignal>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "common/base/event_loop.h"
#include "common/base/notify.h"
#include "common/base/status_macros.h"
#include "common/kube/kube_client.h"
#include "common/log/log.h"
#include "common/sys/files.h"
#include "control-plane/broker/broker.h"
#include "spdlog/spdlog.h"

namespace {

struct Flags {
  std::string config = "/etc/xpu/broker.yaml";
  std::string log_level = "info";
  bool check = false;
};

std::string Identity() {
  char host[256] = {};
  if (gethostname(host, sizeof(host) - 1) != 0) return absl::StrCat("pid-", getpid());
  return absl::StrCat(host, "-", getpid());
}

absl::StatusOr<std::unique_ptr<xpu::KubeClient>> Connect(const xpu::KubeFlags& flags, const char* side) {
  absl::StatusOr<xpu::KubeEndpoint> endpoint = xpu::EndpointFromFlags(flags);
  XPU_RETURN_IF_ERROR(xpu::Annotate(endpoint.status(), side));
  return xpu::KubeClient::Make(*endpoint);
}

absl::Status Run(const Flags& flags) {
  XPU_RETURN_IF_ERROR(xpu::InitLogging("xpu-broker", flags.log_level));
  XPU_ASSIGN_OR_RETURN(const std::string text, xpu::ReadFile(flags.config));
  xpu::broker::BrokerOptions options;
  XPU_ASSIGN_OR_RETURN(options.config, xpu::broker::ReadBrokerConfig(text, flags.config));
  if (flags.check) return absl::OkStatus();
  options.identity = Identity();

  xpu::EventLoop loop;
  const auto stop = [&loop] { loop.Stop(); };
  const xpu::EventLoop::Handle on_term = loop.OnSignal(SIGTERM, stop);
  const xpu::EventLoop::Handle on_int = loop.OnSignal(SIGINT, stop);
  signal(SIGPIPE, SIG_IGN);
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<xpu::KubeClient> source,
                       Connect(options.config.source, "source"));
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<xpu::KubeClient> target,
                       Connect(options.config.target, "target"));
  if (const absl::Status told = xpu::NotifyReady(); !told.ok()) {
    spdlog::warn("the service manager could not be told that the broker runs: {}", told.ToString());
  }
  return xpu::broker::RunBroker(options, {.loop = loop, .source = *source, .target = *target, .changed = {}});
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app{
      "Copies what a tenant's cluster asks for to the cluster of the DPUs, and brings its status back. "
      "Several may run "
      "with one configuration: the one that holds the Lease works."};
  app.add_option("--config", flags.config, "YAML file: the two clusters, and what is copied between them")
      ->capture_default_str();
  app.add_flag("--check", flags.check, "Read the configuration, say what is wrong with it, and end");
  app.add_option("--log-level", flags.log_level, "debug, info, warn or error")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (const absl::Status status = Run(flags); !status.ok()) {
    spdlog::error("{}", std::string(status.message()));
    return 1;
  }
  return 0;
}
