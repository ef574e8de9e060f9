#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>

#include "absl/time/time.h"
#include "common/base/notify.h"
#include "common/log/log.h"
#include "control-plane/apiserver/api_server.h"

namespace {

// Beside those of the clients' connections.
constexpr rlim_t kOwnDescriptors = 64;

// As many descriptors as the limit of connections needs, if the system allows them.
void TakeDescriptors(const xpu::HttpLimits& limits) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  const rlim_t wanted = limits.connections + kOwnDescriptors;
  if (files.rlim_cur >= wanted) return;
  files.rlim_cur = std::min(wanted, files.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < wanted) {
    spdlog::warn(
        "{} connections need {} descriptors, and {} are allowed: raise the limit (LimitNOFILE=) or lower "
        "--connections",
        limits.connections, wanted, files.rlim_cur);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Embedded store of resources that speaks the Kubernetes API"};
  xpu::apiserver::ApiServerOptions options;
  std::string log_level = "info";
  app.add_option("--listen", options.listen,
                 "unix:PATH or ADDRESS:PORT of the loopback, where everybody "
                 "on this machine may do everything, or "
                 "tls:ADDRESS:PORT, where everybody is asked who he is; may be "
                 "given more than once")
      ->required();
  app.add_option("--database", options.store.path, "SQLite file that holds the objects")->required();
  app.add_flag(
      "--full-sync,!--no-full-sync", options.store.full_sync,
      "answer only when a write survives a loss of power, as it is unless --no-full-sync is given; then it "
      "survives a kill of the process");
  app.add_option("--history", options.store.history, "changes that a watch may be behind")
      ->check(CLI::Range(100, 10'000'000))
      ->capture_default_str();
  app.add_option("--object-bytes", options.store.most_bytes,
                 "that all objects together may have as JSON; they are held in memory")
      ->check(CLI::Range(size_t{1} << 20, size_t{1} << 40))
      ->capture_default_str();
  std::string event_ttl = "1h";
  app.add_option("--event-ttl", event_ttl,
                 "how long Events stay that nobody writes any more, as 30m or 1h; 0: for ever")
      ->check([](const std::string& text) {
        absl::Duration ttl;
        return absl::ParseDuration(text, &ttl) && ttl >= absl::ZeroDuration() &&
                       ttl < absl::InfiniteDuration()
                   ? std::string()
                   : "'" + text + "' is no duration like 30m or 1h";
      })
      ->capture_default_str();
  app.add_option("--tls-certificate", options.tls.certificate,
                 "the server's certificate with its chain (PEM)");
  app.add_option("--tls-key", options.tls.key, "its key (PEM)");
  app.add_option("--client-ca", options.tls.ca,
                 "who signs clients' certificates (PEM): common name is the "
                 "user, organisations are groups");
  app.add_option("--token-file", options.token_file, "lines of token,user,uid,\"group,group\"");
  app.add_option("--requests-per-second", options.limits.requests_per_second,
                 "that a user may make in the long run")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--request-burst", options.limits.burst, "that a user may make at once")
      ->check(CLI::Range(1.0, 1e9))
      ->capture_default_str();
  app.add_option("--watches", options.limits.watches, "that run at the most")->capture_default_str();
  app.add_option("--watches-per-user", options.limits.watches_per_user, "that one user may run")
      ->capture_default_str();
  app.add_option("--connections", options.connections.connections, "open at the same time, of all clients")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--connections-per-address", options.connections.connections_per_address,
                 "open at the same time, of one address")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--log-level", log_level, "debug, info, warn or error")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  absl::ParseDuration(event_ttl, &options.event_ttl);

  if (absl::Status status = xpu::InitLogging("xpu-apiserver", log_level); !status.ok()) {
    std::cerr << status.message() << "\n";
    return 2;
  }
  TakeDescriptors(options.connections);
  // Libevent (epoll.c): what changes several times before the loop waits again is told the kernel once, of
  // four calls for each request two. Not for programs that duplicate descriptors which a loop watches.
  setenv("EVENT_EPOLL_USE_CHANGELIST", "1", /*overwrite=*/0);
  xpu::EventLoop loop;
  auto on_term = loop.OnSignal(SIGTERM, [&] { loop.Stop(); });
  auto on_int = loop.OnSignal(SIGINT, [&] { loop.Stop(); });
  signal(SIGPIPE, SIG_IGN);
  auto serving = [](const std::vector<std::string>&) {
    if (absl::Status told = xpu::NotifyReady(); !told.ok()) spdlog::warn("{}", std::string(told.message()));
  };
  absl::Status status = xpu::apiserver::RunApiServer(options, {loop, xpu::Clock::Real(), serving});
  if (!status.ok()) {
    spdlog::error("{}", std::string(status.message()));
    return 1;
  }
  return 0;
}
