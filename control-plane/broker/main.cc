// xpu-broker: copies what a tenant's cluster asks for to the cluster of the DPUs, and brings its status back.

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "common/base/event_loop.h"
#include "common/base/notify.h"
#include "common/base/status_macros.h"
#include "common/http/http_server.h"
#include "common/kube/kube_client.h"
#include "common/log/log.h"
#include "common/sys/files.h"
#include "control-plane/broker/broker.h"
#include "nlohmann/json.hpp"
#include "spdlog/spdlog.h"

namespace {

// A probe that is waited for longer has its answer.
constexpr absl::Duration kProbeDeadline = absl::Seconds(5);

struct Flags {
  std::string config = "/etc/xpu/broker.yaml";
  std::string log_level = "info";
  bool check = false;
  std::string health;
  bool probe = false;
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

// What another process with the same --health says of itself.
absl::Status Probe(const Flags& flags) {
  if (flags.health.empty()) return absl::InvalidArgumentError("--probe needs to be told where: --health");
  XPU_ASSIGN_OR_RETURN(const auto client, xpu::KubeClient::Make({.server = flags.health}, kProbeDeadline));
  XPU_ASSIGN_OR_RETURN(const nlohmann::json answer, client->GetPath("/healthz"));
  printf("%s\n", answer.value("copies", false) ? "copies" : "stands by");
  return absl::OkStatus();
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
  // Answered by the loop, and so only while it turns.
  bool copies = false;
  xpu::HttpServer health(loop, {}, [&copies](const xpu::HttpRequest& request) {
    xpu::HttpReply reply;
    reply.code = request.path == std::vector<std::string>{"healthz"} ? 200 : 404;
    reply.body = nlohmann::json({{"copies", copies}}).dump();
    return reply;
  });
  if (!flags.health.empty()) XPU_RETURN_IF_ERROR(health.Listen(flags.health).status());
  if (const absl::Status told = xpu::NotifyReady(); !told.ok()) {
    spdlog::warn("the service manager could not be told that the broker runs: {}", told.ToString());
  }
  return xpu::broker::RunBroker(
      options,
      {.loop = loop, .source = *source, .target = *target, .changed = [&copies](bool now) { copies = now; }});
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
  app.add_option("--health", flags.health,
                 "unix:/PATH to answer GET /healthz on, as probes ask; without, nobody can");
  app.add_flag("--probe", flags.probe, "Ask the process that has --health there, say what it does, and end");
  app.add_option("--log-level", flags.log_level, "debug, info, warn or error")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (const absl::Status status = flags.probe ? Probe(flags) : Run(flags); !status.ok()) {
    spdlog::error("{}", std::string(status.message()));
    return 1;
  }
  return 0;
}
