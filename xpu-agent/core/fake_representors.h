#pragma once

#include <map>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "xpu-agent/core/representors.h"

namespace xpu {

// Representors of a card that a test holds in its hands. Safe from any thread.
class FakeRepresentors : public Representors {
 public:
  // Interfaces "pf0vf0" and so on, named as their ports, with the indices 1 and so on. What is added gets the
  // next.
  explicit FakeRepresentors(int vfs = 8);

  void Add(const std::string& phys_port_name, const std::string& interface);
  void Remove(const std::string& phys_port_name);
  // It is away, as in another namespace, and comes back as it was.
  void Hide(const std::string& phys_port_name, bool hidden);
  // As somebody on the DPU does it by hand.
  void SetUp(const std::string& interface, bool up);
  // Prepare() of this interface fails; OK takes that back.
  void FailPrepare(const std::string& interface, const absl::Status& status);
  // Those that were prepared, with the largest MTU that was asked for.
  std::map<std::string, uint32_t> prepared() const;

  absl::StatusOr<std::string> Find(const std::string& phys_port_name) override;
  absl::StatusOr<std::map<std::string, std::string>> List() override;
  absl::Status SetFunctionMac(const std::string& interface, const MacAddress& mac) override;
  // Of a card that does that, which it is not at first: what the functions behind the interfaces were given.
  void SetFunctionMacs(bool possible);
  std::map<std::string, MacAddress> function_macs() const;
  absl::StatusOr<Prepared> Prepare(const std::string& interface, uint32_t mtu, int ready_index) override;
  absl::StatusOr<std::unique_ptr<Watcher>> Watch(EventLoop& loop, std::function<void()> changed) override;

 private:
  class FakeWatcher;
  void Changed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  std::map<std::string, std::string> interfaces_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, int> indices_ ABSL_GUARDED_BY(mu_);
  // What List() and Find() pass over.
  std::set<std::string> hidden_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> up_ ABSL_GUARDED_BY(mu_);
  bool sets_macs_ ABSL_GUARDED_BY(mu_) = false;
  std::map<std::string, MacAddress> macs_ ABSL_GUARDED_BY(mu_);
  int last_index_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<std::string, absl::Status> failures_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, uint32_t> prepared_ ABSL_GUARDED_BY(mu_);
  EventLoop* loop_ ABSL_GUARDED_BY(mu_) = nullptr;
  std::function<void()> changed_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
