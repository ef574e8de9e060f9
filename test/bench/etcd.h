#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/event_loop.h"
#include "common/loop_rpc/loop_rpc_client.h"
#include "common/sys/files.h"
#include "test/lib/ovs/child_process.h"

namespace xpu::testing {

// Debian's etcd, one member on a unix socket in a folder of its own, and a client of it that costs as little
// as a client can. It answers a put once that is on the disk, as etcd does. One thread.
class Etcd {
 public:
  // Starts it and waits until it leads itself. NotFound if the package etcd-server is missing.
  static absl::StatusOr<std::unique_ptr<Etcd>> Start();

  // So many puts, of key(i) and value(i), `at_once` of them at a time.
  absl::Status Put(size_t count, int at_once, const std::function<std::string(size_t)>& key,
                   const std::function<std::string(size_t)>& value);
  // So many reads of one key each.
  absl::Status Get(size_t count, int at_once, const std::function<std::string(size_t)>& key);
  // Begins so many watches of all keys that begin with `prefix`, and waits until they run.
  absl::Status Watch(int count, const std::string& prefix);
  // Events that all watches together have got since the last call of this, once they are `count`.
  absl::Status AwaitEvents(uint64_t count);

 private:
  explicit Etcd(TemporaryDirectory folder) : folder_(std::move(folder)) {}
  absl::Status Calls(const std::string& method, size_t count, int at_once,
                     const std::function<std::string(size_t)>& request);
  // Runs the loop until `done`, asked after each answer.
  absl::Status RunUntil(const std::function<bool()>& done);

  TemporaryDirectory folder_;
  ChildProcess process_;
  EventLoop loop_;
  std::unique_ptr<LoopRpcClient> client_;
  absl::Status failed_;
  int watches_ = 0;
  uint64_t events_ = 0;
};

}  // namespace xpu::testing
