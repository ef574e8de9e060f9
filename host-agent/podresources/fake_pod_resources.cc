#include "host-agent/podresources/fake_pod_resources.h"

#include <algorithm>
#include <utility>

namespace xpu {

absl::StatusOr<PodList> FakePodResources::List() {
  std::function<void()> begun;
  {
    absl::MutexLock lock(&mu_);
    ++lists_;
    begun = begun_;
  }
  if (begun) begun();
  absl::MutexLock lock(&mu_);
  if (cancelled_) return absl::CancelledError("the kubelet is asked no more");
  if (!failure_.ok()) return failure_;
  if (!there_) return absl::NotFoundError("there is no kubelet");
  return books_;
}

void FakePodResources::Cancel() {
  absl::MutexLock lock(&mu_);
  cancelled_ = true;
}

void FakePodResources::AddPod(const PodName& pod) {
  absl::MutexLock lock(&mu_);
  there_ = true;
  books_.pods.insert(pod);
}

void FakePodResources::Hold(const HeldDevice& device) {
  AddPod(device.pod);
  absl::MutexLock lock(&mu_);
  books_.devices.push_back(device);
}

void FakePodResources::RemovePod(const PodName& pod) {
  absl::MutexLock lock(&mu_);
  books_.pods.erase(pod);
  std::erase_if(books_.devices, [&pod](const HeldDevice& device) { return device.pod == pod; });
}

void FakePodResources::GoAway() {
  absl::MutexLock lock(&mu_);
  there_ = false;
}

void FakePodResources::ComeBack() {
  absl::MutexLock lock(&mu_);
  there_ = true;
}

void FakePodResources::Fail(absl::Status status) {
  absl::MutexLock lock(&mu_);
  failure_ = std::move(status);
}

void FakePodResources::OnList(std::function<void()> begun) {
  absl::MutexLock lock(&mu_);
  begun_ = std::move(begun);
}

int FakePodResources::lists() const {
  absl::MutexLock lock(&mu_);
  return lists_;
}

void FakePodResources::AwaitLists(int count) const {
  const auto enough = [this, count] {
    mu_.AssertReaderHeld();
    return lists_ >= count;
  };
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(&enough));
}

}  // namespace xpu
