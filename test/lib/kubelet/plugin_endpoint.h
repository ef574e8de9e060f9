#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kubelet/deviceplugin/v1beta1/api.pb.h"

namespace xpu::testing {

// The kubelet's side of one registered plugin (pkg/kubelet/cm/devicemanager, plugin/v1beta1/client.go and
// endpoint.go). Safe from any thread.
class PluginEndpoint {
 public:
  // Connects and asks for the plugin's options, as the kubelet does before it answers Register. Unavailable
  // if the plugin does not accept the connection within `timeout`.
  static absl::StatusOr<std::unique_ptr<PluginEndpoint>> Connect(const std::string& socket,
                                                                 absl::Duration timeout);
  // Ends the stream and waits for it.
  ~PluginEndpoint();

  // Begins the ListAndWatch stream: `received` for each list, `ended` once, both on a thread of its own.
  void Run(std::function<void(const v1beta1::ListAndWatchResponse&)> received, std::function<void()> ended);
  // Ends the stream without waiting.
  void Cancel();

  const v1beta1::DevicePluginOptions& options() const { return options_; }
  // The kubelet sets no limit to these two.
  absl::StatusOr<v1beta1::ContainerAllocateResponse> Allocate(const std::vector<std::string>& ids);
  absl::StatusOr<std::vector<std::string>> GetPreferredAllocation(const std::vector<std::string>& available,
                                                                  int count);
  // And 30 s to this one.
  absl::Status PreStartContainer(const std::vector<std::string>& ids);

 private:
  struct Connection;
  PluginEndpoint();

  std::unique_ptr<Connection> connection_;
  v1beta1::DevicePluginOptions options_;
  std::thread stream_;
};

}  // namespace xpu::testing
