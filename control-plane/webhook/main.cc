// xpu-webhook: lets a kube-apiserver refuse Networks, Netdevs, Cards, AddressBlocks and ServiceChains by the
// rules of xpu-apiserver.

#include <csignal>
#include <string>

#include "CLI/CLI.hpp"
#include "common/base/event_loop.h"
#include "common/base/notify.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "control-plane/webhook/webhook.h"
#include "spdlog/spdlog.h"

namespace {

absl::Status Run(const xpu::webhook::WebhookOptions& options, const std::string& log_level) {
  XPU_RETURN_IF_ERROR(xpu::InitLogging("xpu-webhook", log_level));
  xpu::EventLoop loop;
  const auto stop = [&loop] { loop.Stop(); };
  const xpu::EventLoop::Handle on_term = loop.OnSignal(SIGTERM, stop);
  const xpu::EventLoop::Handle on_int = loop.OnSignal(SIGINT, stop);
  const auto serving = [](const std::string&) {
    if (const absl::Status told = xpu::NotifyReady(); !told.ok()) {
      spdlog::warn("the service manager could not be told that the webhook serves: {}", told.ToString());
    }
  };
  return xpu::webhook::RunWebhook(options, {.loop = loop, .serving = serving});
}

}  // namespace

int main(int argc, char** argv) {
  xpu::webhook::WebhookOptions options;
  std::string log_level = "info";
  CLI::App app{
      "Lets a kube-apiserver refuse objects by the rules of xpu-apiserver (validating admission webhook)."};
  app.add_option("--listen", options.listen, "ADDRESS:PORT for HTTPS")->capture_default_str();
  app.add_option("--tls-cert", options.certificate, "Certificate with its chain (PEM)")->required();
  app.add_option("--tls-key", options.key, "Key of the certificate (PEM)")->required();
  app.add_option("--client-ca", options.client_ca,
                 "Who signs the API server's own certificate (PEM); without, anybody may ask what is valid");
  app.add_option("--log-level", log_level, "debug, info, warn or error")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (const absl::Status status = Run(options, log_level); !status.ok()) {
    spdlog::error("{}", std::string(status.message()));
    return 1;
  }
  return 0;
}
