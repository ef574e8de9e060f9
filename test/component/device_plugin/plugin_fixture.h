#pragma once

// The device plugin between a kubelet and a host agent, each of which comes and goes.

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "device-plugin/device_plugin.h"
#include "device-plugin/resource_name.h"
#include "gtest/gtest.h"
#include "test/component/device_plugin/fake_host_agent.h"
#include "test/lib/kubelet/kubelet.h"

namespace xpu {

inline constexpr char kVf[] = "xpu.opiproject.org/vf";
inline constexpr char kOne[] = "0000:03:00.2";
inline constexpr char kTwo[] = "0000:03:00.3";

// A plugin with a loop and a thread of its own.
class RunningPlugin {
 public:
  explicit RunningPlugin(const DevicePluginOptions& options)
      : thread_([this, options] {
          status_ = RunDevicePlugin(options, {.loop = &loop_, .serving = [this] { serving_.Notify(); }});
          if (!serving_.HasBeenNotified()) serving_.Notify();
          ended_.Notify();
        }) {
    serving_.WaitForNotification();
  }
  ~RunningPlugin() { Stop().IgnoreError(); }

  absl::Status Stop() {
    loop_.Stop();
    return Wait();
  }
  // Until it ends by itself.
  absl::Status Wait() {
    ended_.WaitForNotification();
    if (thread_.joinable()) thread_.join();
    return status_;
  }

 private:
  EventLoop loop_;
  absl::Notification serving_;
  absl::Notification ended_;
  absl::Status status_;
  std::thread thread_;
};

class DevicePluginTest : public ::testing::Test {
 protected:
  DevicePluginTest() {
    char folder[] = "/tmp/device-plugin-XXXXXX";
    folder_ = mkdtemp(folder);
    options_.plugin_dir = folder_ / "plugins";
    options_.registry_dir = folder_ / "registry";
    options_.cdi_dir = folder_ / "cdi";
    options_.device_info_dir = folder_ / "devinfo/dp";
    options_.host_agent = "unix:" + (folder_ / "host-agent.sock").string();
    std::filesystem::create_directory(options_.plugin_dir);
    std::filesystem::create_directory(options_.registry_dir);
    agent_.emplace(options_.host_agent);
  }
  ~DevicePluginTest() override {
    plugin_ = nullptr;
    kubelet_ = nullptr;
    agent_.reset();
    std::filesystem::remove_all(folder_);
  }

  void StartAgent(FakeHostAgent::Functions functions = {FakeHostAgent::Function(kOne),
                                                        FakeHostAgent::Function(kTwo)}) {
    agent_->Start();
    agent_->Set(std::move(functions));
  }
  void StartKubelet() {
    auto kubelet =
        testing::Kubelet::Start({.plugin_dir = options_.plugin_dir, .registry_dir = options_.registry_dir});
    ASSERT_TRUE(kubelet.ok()) << kubelet.status();
    kubelet_ = *std::move(kubelet);
  }
  void StartPlugin() { plugin_ = std::make_unique<RunningPlugin>(options_); }
  // All three, and the kubelet knows two healthy devices.
  void StartAll() {
    StartAgent();
    StartKubelet();
    StartPlugin();
    AwaitAllocatable(2);
  }
  testing::KubeletResource Await(const std::function<bool(const testing::KubeletResource&)>& wanted,
                                 const std::string& resource = kVf) {
    auto seen = kubelet_->Await(resource, wanted, absl::Now() + absl::Seconds(60));
    EXPECT_TRUE(seen.ok()) << seen.status();
    return seen.ok() ? *seen : testing::KubeletResource();
  }
  testing::KubeletResource AwaitAllocatable(int count, const std::string& resource = kVf) {
    return Await(
        [=](const testing::KubeletResource& seen) { return seen.connected && seen.allocatable == count; },
        resource);
  }
  // Pools of a configuration as the process reads it.
  void Configure(absl::string_view json) {
    auto configs = ParsePoolConfigs(json, {.resource_prefix = "intel.com"});
    ASSERT_TRUE(configs.ok()) << configs.status();
    options_.pools = std::move(configs->pools);
  }
  static std::set<std::string> Names(const std::string& folder) {
    std::set<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error))
      names.insert(entry.path().filename());
    return names;
  }
  std::string PluginSocket() const { return options_.plugin_dir + "/" + PluginSocketName(kVf); }
  std::string KubeletSocket() const { return options_.plugin_dir + "/kubelet.sock"; }

  std::filesystem::path folder_;
  DevicePluginOptions options_;
  std::optional<FakeHostAgent> agent_;
  std::unique_ptr<testing::Kubelet> kubelet_;
  std::unique_ptr<RunningPlugin> plugin_;
};

}  // namespace xpu
