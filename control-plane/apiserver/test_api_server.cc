#include "control-plane/apiserver/test_api_server.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

namespace xpu::apiserver {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

// A test cannot go on without its server.
[[noreturn]] void Die(absl::string_view what) {
  fprintf(stderr, "TestApiServer: %.*s\n", static_cast<int>(what.size()), what.data());
  abort();
}

}  // namespace

struct TestApiServer::Running {
  EventLoop loop;
  ApiServer* server = nullptr;
  std::thread thread;
  absl::Mutex mu;
  size_t watchers ABSL_GUARDED_BY(mu) = 0;
};

TestApiServer::TestApiServer(ApiServerOptions options, Clock& clock)
    : options_(std::move(options)), clock_(clock) {
  char folder[] = "/tmp/xpu-apiserver-XXXXXX";
  if (mkdtemp(folder) == nullptr) Die("mkdtemp failed");
  folder_ = folder;
  endpoint_ = "unix:" + folder_ + "/api.sock";
  options_.listen.push_back(endpoint_);
  // Its machine does not lose power.
  options_.store.full_sync = false;
  if (options_.store.path.empty()) options_.store.path = folder_ + "/store.db";
  StartThread();
}

TestApiServer::~TestApiServer() {
  StopThread();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void TestApiServer::StartThread() {
  running_ = std::make_unique<Running>();
  absl::Notification started;
  running_->thread = std::thread([this, &started] {
    Running& running = *running_;
    absl::StatusOr<std::unique_ptr<ApiServer>> server = ApiServer::Start(options_, running.loop, clock_);
    if (!server.ok()) Die(server.status().message());
    running.server = server->get();
    endpoints_ = (*server)->endpoints();
    (*server)->OnWatchers([&running](size_t count) {
      absl::MutexLock lock(&running.mu);
      running.watchers = count;
    });
    started.Notify();
    running.loop.Run();
    server->reset();
  });
  started.WaitForNotification();
}

void TestApiServer::StopThread() {
  running_->loop.Stop();
  running_->thread.join();
  running_.reset();
}

void TestApiServer::Restart() {
  StopThread();
  StartThread();
}

void TestApiServer::Compact() {
  running_->loop.PostAndWait([this] {
    if (absl::Status status = running_->server->store().Compact(); !status.ok()) Die(status.message());
  });
}

bool TestApiServer::WaitForWatchers(size_t count) {
  Running& running = *running_;
  auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(running.mu) { return running.watchers == count; };
  absl::MutexLock lock(&running.mu);
  return running.mu.AwaitWithTimeout(absl::Condition(&there), kPatience);
}

}  // namespace xpu::apiserver
