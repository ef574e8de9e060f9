#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/sys/files.h"
#include "common/sys/process.h"
#include "test/bench/http_load.h"

namespace xpu::testing {

// xpu-apiserver as a process of its own, with a store of its own that survives a loss of power, on a unix
// socket.
class KubeServer {
 public:
  // Returns when it serves.
  static absl::StatusOr<std::unique_ptr<KubeServer>> Start(const std::string& bin_dir);

  // A path.
  std::string socket() const { return folder_.path() + "/api.sock"; }
  // As KubeEndpoint::server.
  std::string endpoint() const { return "unix:" + socket(); }
  // Makes so many Netdevs of the namespace "default".
  absl::Status FillWithNetdevs(int count);

 private:
  explicit KubeServer(TemporaryDirectory folder) : folder_(std::move(folder)) {}
  TemporaryDirectory folder_;
  std::unique_ptr<Process> process_;
};

// Starts a program that says when it serves (sd_notify(3)), and waits for that.
absl::StatusOr<std::unique_ptr<Process>> StartReady(const std::vector<std::string>& argv,
                                                    const std::string& folder);

// The i-th Netdev as a client writes it, under its `claim`; and as a server keeps it, with what that adds.
std::string NetdevJson(int i, int claim, bool stored = false);
std::string NetworkJson(int i, int mtu, bool stored = false);
// Their URLs, and that of all of them.
std::string NetdevPath(int i);
std::string NetworkPath(int i);
inline constexpr char kNetdevsPath[] = "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/netdevs";
inline constexpr char kNetworksPath[] = "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/networks";

}  // namespace xpu::testing
