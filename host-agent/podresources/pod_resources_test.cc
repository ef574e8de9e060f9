// The contract of PodResources, run against the fake, and against the client with a kubelet's server behind
// it.

#include <stdlib.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/rpc/rpc.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/podresources/fake_pod_resources.h"
#include "host-agent/podresources/grpc_pod_resources.h"
#include "kubelet/podresources/v1/api.grpc.pb.h"

namespace xpu {
namespace {

using ::testing::AnyOf;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const PodName kWeb{"default", "web"}, kDb{"default", "db"};
const HeldDevice kHeld{"xpu.opiproject.org/vf", "0000:03:00.2", kWeb, "main"};
const HeldDevice kHeldToo{"xpu.opiproject.org/vf", "0000:03:00.3", kWeb, "sidecar"};

// Answers from a fake's books, each device in an entry of its own for its resource, as the kubelet lists them
// for each NUMA node.
class Server : public v1::PodResourcesLister::Service {
 public:
  explicit Server(FakePodResources& books) : books_(books) {}
  grpc::Status List(grpc::ServerContext*, const v1::ListPodResourcesRequest*,
                    v1::ListPodResourcesResponse* response) override {
    const absl::StatusOr<PodList> list = books_.List();
    if (!list.ok()) return ToGrpc(list.status());
    for (const PodName& name : list->pods) {
      v1::PodResources& pod = *response->add_pod_resources();
      pod.set_namespace_(name.ns);
      pod.set_name(name.name);
      for (const HeldDevice& device : list->devices) {
        if (device.pod != name) continue;
        v1::ContainerResources& container = *pod.add_containers();
        container.set_name(device.container);
        v1::ContainerDevices& devices = *container.add_devices();
        devices.set_resource_name(device.resource);
        devices.add_device_ids(device.device_id);
      }
    }
    return grpc::Status::OK;
  }

 private:
  FakePodResources& books_;
};

// A kubelet that can be told what it holds, and a view of it.
class Harness {
 public:
  virtual ~Harness() = default;
  virtual PodResources& view() = 0;
  virtual void GoAway() = 0;
  virtual void ComeBack() = 0;
  FakePodResources books;
};

class FakeHarness : public Harness {
 public:
  PodResources& view() override { return books; }
  void GoAway() override { books.GoAway(); }
  void ComeBack() override { books.ComeBack(); }
};

class GrpcHarness : public Harness {
 public:
  GrpcHarness() {
    std::string pattern = (std::filesystem::temp_directory_path() / "xpu-kubelet-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    view_ = std::make_unique<GrpcPodResources>(Socket());
    ComeBack();
  }
  ~GrpcHarness() override {
    running_ = nullptr;
    std::filesystem::remove_all(folder_);
  }
  PodResources& view() override { return *view_; }
  void GoAway() override { running_ = nullptr; }
  void ComeBack() override {
    auto server = RpcServer::Start({absl::StrCat("unix:", Socket())}, {&server_});
    ASSERT_TRUE(server.ok()) << server.status();
    running_ = *std::move(server);
  }

 private:
  std::string Socket() const { return folder_ + "/kubelet.sock"; }
  std::string folder_;
  Server server_{books};
  std::unique_ptr<RpcServer> running_;
  std::unique_ptr<GrpcPodResources> view_;
};

using MakeHarness = std::unique_ptr<Harness> (*)();

class PodResourcesContract : public ::testing::TestWithParam<MakeHarness> {
 protected:
  PodResourcesContract() : harness_(GetParam()()) { harness_->books.AddPod(kDb); }
  FakePodResources& books() { return harness_->books; }
  absl::StatusOr<PodList> List() { return harness_->view().List(); }
  std::unique_ptr<Harness> harness_;
};

INSTANTIATE_TEST_SUITE_P(Fake, PodResourcesContract, ::testing::Values([]() -> std::unique_ptr<Harness> {
                           return std::make_unique<FakeHarness>();
                         }));
INSTANTIATE_TEST_SUITE_P(Grpc, PodResourcesContract, ::testing::Values([]() -> std::unique_ptr<Harness> {
                           return std::make_unique<GrpcHarness>();
                         }));

TEST_P(PodResourcesContract, TellsPodsAndWhatTheyHold) {
  auto list = List();
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_THAT(list->pods, UnorderedElementsAre(kDb));
  EXPECT_THAT(list->devices, IsEmpty());

  books().Hold(kHeld);
  books().Hold(kHeldToo);
  list = List();
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_THAT(list->pods, UnorderedElementsAre(kDb, kWeb));
  EXPECT_THAT(list->devices, UnorderedElementsAre(kHeld, kHeldToo));

  books().RemovePod(kWeb);
  list = List();
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_THAT(list->pods, UnorderedElementsAre(kDb));
  EXPECT_THAT(list->devices, IsEmpty());
}

TEST_P(PodResourcesContract, AKubeletThatIsAwayIsAnErrorUntilItIsBack) {
  for (int round = 0; round < 3; ++round) {
    harness_->GoAway();
    EXPECT_THAT(List().status().code(), AnyOf(absl::StatusCode::kNotFound, absl::StatusCode::kUnavailable));
    harness_->ComeBack();
    const auto list = List();
    EXPECT_TRUE(list.ok()) << "by the first call: " << list.status();
  }
}

TEST_P(PodResourcesContract, AKubeletThatFailsIsUnavailable) {
  books().Fail(absl::UnavailableError("busy"));
  EXPECT_EQ(List().status().code(), absl::StatusCode::kUnavailable);
  books().Fail(absl::OkStatus());
  EXPECT_TRUE(List().ok());
}

TEST_P(PodResourcesContract, CancelEndsIt) {
  harness_->view().Cancel();
  EXPECT_EQ(List().status().code(), absl::StatusCode::kCancelled);
}

TEST(GrpcPodResources, CancelEndsACallThatRuns) {
  GrpcHarness harness;
  absl::Notification begun, ended;
  harness.books.OnList([&] {
    begun.Notify();
    ended.WaitForNotification();
  });
  std::thread asker([&] { EXPECT_EQ(harness.view().List().status().code(), absl::StatusCode::kCancelled); });
  begun.WaitForNotification();
  harness.view().Cancel();
  asker.join();
  ended.Notify();
}

TEST(GrpcPodResources, WithoutASocketThereIsNoKubelet) {
  EXPECT_EQ(GrpcPodResources("/nowhere/kubelet.sock").List().status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace xpu
