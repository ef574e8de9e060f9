#include "xpu-agent/core/fake_representors.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace xpu {

FakeRepresentors::FakeRepresentors(int vfs) {
  for (int vf = 0; vf < vfs; ++vf) {
    std::string name = absl::StrCat("pf0vf", vf);
    interfaces_[name] = name;
    indices_[name] = ++last_index_;
  }
}

void FakeRepresentors::Add(const std::string& phys_port_name, const std::string& interface) {
  absl::MutexLock lock(&mu_);
  interfaces_[phys_port_name] = interface;
  indices_[interface] = ++last_index_;
  up_.erase(interface);
  Changed();
}

void FakeRepresentors::Remove(const std::string& phys_port_name) {
  absl::MutexLock lock(&mu_);
  if (const auto it = interfaces_.find(phys_port_name); it != interfaces_.end()) {
    indices_.erase(it->second);
    interfaces_.erase(it);
  }
  Changed();
}

void FakeRepresentors::Hide(const std::string& phys_port_name, bool hidden) {
  absl::MutexLock lock(&mu_);
  if (hidden) {
    hidden_.insert(phys_port_name);
  } else {
    hidden_.erase(phys_port_name);
  }
  Changed();
}

void FakeRepresentors::SetUp(const std::string& interface, bool up) {
  absl::MutexLock lock(&mu_);
  if (up) {
    up_.insert(interface);
  } else {
    up_.erase(interface);
  }
  Changed();
}

void FakeRepresentors::FailPrepare(const std::string& interface, const absl::Status& status) {
  absl::MutexLock lock(&mu_);
  failures_[interface] = status;
}

void FakeRepresentors::SetFunctionMacs(bool possible) {
  absl::MutexLock lock(&mu_);
  sets_macs_ = possible;
}

std::map<std::string, MacAddress> FakeRepresentors::function_macs() const {
  absl::MutexLock lock(&mu_);
  return macs_;
}

absl::Status FakeRepresentors::SetFunctionMac(const std::string& interface, const MacAddress& mac) {
  absl::MutexLock lock(&mu_);
  if (!sets_macs_) return absl::UnimplementedError("this card does not set the addresses of functions");
  macs_[interface] = mac;
  return absl::OkStatus();
}

std::map<std::string, uint32_t> FakeRepresentors::prepared() const {
  absl::MutexLock lock(&mu_);
  return prepared_;
}

void FakeRepresentors::Changed() {
  if (loop_ != nullptr) loop_->Post(changed_);
}

absl::StatusOr<std::string> FakeRepresentors::Find(const std::string& phys_port_name) {
  absl::MutexLock lock(&mu_);
  auto it = interfaces_.find(phys_port_name);
  if (it == interfaces_.end() || hidden_.contains(phys_port_name))
    return absl::NotFoundError(absl::StrCat("no interface is port ", phys_port_name));
  return it->second;
}

absl::StatusOr<std::map<std::string, std::string>> FakeRepresentors::List() {
  absl::MutexLock lock(&mu_);
  std::map<std::string, std::string> there = interfaces_;
  std::erase_if(there, [this](const auto& entry) {
    mu_.AssertHeld();
    return hidden_.contains(entry.first);
  });
  return there;
}

absl::StatusOr<Representors::Prepared> FakeRepresentors::Prepare(const std::string& interface, uint32_t mtu,
                                                                 int ready_index) {
  absl::MutexLock lock(&mu_);
  if (auto it = failures_.find(interface); it != failures_.end() && !it->second.ok()) return it->second;
  if (!indices_.contains(interface))
    return absl::NotFoundError(absl::StrCat("there is no interface ", interface));
  uint32_t& prepared = prepared_[interface];
  prepared = std::max(prepared, mtu);
  const int index = indices_[interface];
  if (index != ready_index) up_.insert(interface);
  return Prepared{.index = index, .up = up_.contains(interface)};
}

class FakeRepresentors::FakeWatcher : public Watcher {
 public:
  explicit FakeWatcher(FakeRepresentors& fake) : fake_(fake) {}
  ~FakeWatcher() override {
    absl::MutexLock lock(&fake_.mu_);
    fake_.loop_ = nullptr;
    fake_.changed_ = nullptr;
  }

 private:
  FakeRepresentors& fake_;
};

absl::StatusOr<std::unique_ptr<Representors::Watcher>> FakeRepresentors::Watch(
    EventLoop& loop, std::function<void()> changed) {
  absl::MutexLock lock(&mu_);
  loop_ = &loop;
  changed_ = std::move(changed);
  return std::make_unique<FakeWatcher>(*this);
}

}  // namespace xpu
