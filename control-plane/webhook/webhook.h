#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "common/base/event_loop.h"

namespace xpu::webhook {

struct WebhookOptions {
  // ADDRESS:PORT.
  std::string listen = "0.0.0.0:9443";
  // PEM files: the server's certificate with its chain, and its key. They are read again when they are
  // renewed, as a Secret's volume is.
  std::string certificate;
  std::string key;
  // Who signs the certificate that an asking API server shows; empty: anybody may ask.
  std::string client_ca;
};

struct WebhookDeps {
  // Runs until Stop().
  EventLoop& loop;
  // Called on the loop once requests are served, with the address and its real port.
  std::function<void(const std::string& endpoint)> serving;
};

// The whole process: answers the AdmissionReviews that are posted to /validate over HTTPS, and /healthz,
// until the loop is stopped. Errors, before anything is served: those of reading the files and of listening.
absl::Status RunWebhook(const WebhookOptions& options, const WebhookDeps& deps);

}  // namespace xpu::webhook
