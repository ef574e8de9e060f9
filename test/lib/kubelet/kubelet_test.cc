#include "test/lib/kubelet/kubelet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/synchronization/mutex.h"
#include "common/rpc/rpc.h"
#include "kubelet/deviceplugin/v1beta1/api.grpc.pb.h"
#include "test/lib/kubelet/kubelet_standin.h"
#include "xpu/kubelet_standin/v1/control.grpc.pb.h"

namespace xpu::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

constexpr char kVf[] = "example.org/vf";
constexpr char kEndpoint[] = "plugin.sock";

// A plugin that lists two devices and prefers the last of what is available.
class FakePlugin : public v1beta1::DevicePlugin::Service {
 public:
  // Ends streams; before the server of the plugin is stopped.
  void End() {
    absl::MutexLock lock(&mutex_);
    ended_ = true;
  }
  bool fail_allocate = false;
  bool empty_answer = false;
  bool prefer = false;

 private:
  grpc::Status GetDevicePluginOptions(grpc::ServerContext*, const v1beta1::Empty*,
                                      v1beta1::DevicePluginOptions* options) override {
    options->set_get_preferred_allocation_available(prefer);
    return grpc::Status::OK;
  }
  grpc::Status ListAndWatch(grpc::ServerContext*, const v1beta1::Empty*,
                            grpc::ServerWriter<v1beta1::ListAndWatchResponse>* writer) override {
    v1beta1::ListAndWatchResponse list;
    for (const char* id : {"a", "b"}) {
      list.add_devices()->set_id(id);
      list.mutable_devices()->rbegin()->set_health("Healthy");
    }
    writer->Write(list);
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&ended_));
    return grpc::Status::OK;
  }
  grpc::Status GetPreferredAllocation(grpc::ServerContext*,
                                      const v1beta1::PreferredAllocationRequest* request,
                                      v1beta1::PreferredAllocationResponse* response) override {
    const auto& available = request->container_requests(0).available_deviceids();
    // Ids that the kubelet did not offer are to be ignored.
    response->add_container_responses()->add_deviceids("invented");
    response->mutable_container_responses(0)->add_deviceids(*available.rbegin());
    return grpc::Status::OK;
  }
  grpc::Status Allocate(grpc::ServerContext*, const v1beta1::AllocateRequest* request,
                        v1beta1::AllocateResponse* response) override {
    if (fail_allocate) return grpc::Status(grpc::StatusCode::INTERNAL, "no");
    if (empty_answer) return grpc::Status::OK;
    (*response->add_container_responses()->mutable_envs())["DEVICE"] =
        request->container_requests(0).devices_ids(0);
    return grpc::Status::OK;
  }

  absl::Mutex mutex_;
  bool ended_ = false;
};

class KubeletTest : public ::testing::Test {
 protected:
  KubeletTest() {
    char folder[] = "/tmp/kubelet-XXXXXX";
    folder_ = mkdtemp(folder);
    Start();
  }
  ~KubeletTest() override {
    StopPlugin();
    kubelet_ = nullptr;
    fs::remove_all(folder_);
  }

  void Start(absl::Duration dial_timeout = absl::Seconds(60)) {
    kubelet_ = nullptr;
    auto kubelet = Kubelet::Start({.plugin_dir = folder_, .dial_timeout = dial_timeout});
    ASSERT_TRUE(kubelet.ok()) << kubelet.status();
    kubelet_ = *std::move(kubelet);
  }
  void StartPlugin() {
    plugin_ = std::make_unique<FakePlugin>();
    auto server = RpcServer::Start({"unix:" + (folder_ / kEndpoint).string()}, {plugin_.get()});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void StopPlugin() {
    if (plugin_ != nullptr) plugin_->End();
    server_ = nullptr;
    plugin_ = nullptr;
  }
  grpc::Status Register(const std::string& version, const std::string& endpoint,
                        const std::string& resource) {
    const auto channel = MakeChannel("unix:" + (folder_ / "kubelet.sock").string());
    grpc::ClientContext context;
    v1beta1::RegisterRequest request;
    request.set_version(version);
    request.set_endpoint(endpoint);
    request.set_resource_name(resource);
    v1beta1::Empty response;
    return v1beta1::Registration::NewStub(*channel)->Register(&context, request, &response);
  }
  void StartAndRegister() {
    StartPlugin();
    const grpc::Status status = Register("v1beta1", kEndpoint, kVf);
    ASSERT_TRUE(status.ok()) << status.error_message();
    Await([](const KubeletResource& seen) { return seen.allocatable == 2; });
  }
  void Await(const std::function<bool(const KubeletResource&)>& wanted) {
    const auto seen = kubelet_->Await(kVf, wanted, absl::Now() + absl::Seconds(60));
    ASSERT_TRUE(seen.ok()) << seen.status();
  }

  fs::path folder_;
  std::unique_ptr<Kubelet> kubelet_;
  std::unique_ptr<FakePlugin> plugin_;
  std::unique_ptr<RpcServer> server_;
};

TEST_F(KubeletTest, ARegistrationIsCheckedBeforeThePluginIsCalled) {
  StartPlugin();
  EXPECT_EQ(Register("v1alpha1", kEndpoint, kVf).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Register("v1beta1", kEndpoint, "vf").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Register("v1beta1", "../" + std::string(kEndpoint), kVf).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Register("v1beta1", "", kVf).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(kubelet_->Look(kVf).registrations, 0);
  Start(absl::Milliseconds(50));
  EXPECT_EQ(Register("v1beta1", "nobody.sock", kVf).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(kubelet_->Look(kVf).registrations, 0);
}

TEST_F(KubeletTest, DevicesOfARegisteredPluginAreAllocatable) {
  StartAndRegister();
  const auto admission = kubelet_->Admit("pod", kVf, 1);
  ASSERT_TRUE(admission.ok()) << admission.status();
  EXPECT_EQ(admission->response.envs().at("DEVICE"), "a");
  EXPECT_THAT(kubelet_->Look(kVf).held, ElementsAre("a"));
  EXPECT_THAT(kubelet_->Admit("other", kVf, 1)->device_ids, ElementsAre("b"));
  EXPECT_EQ(kubelet_->Admit("third", kVf, 1).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(kubelet_->Remove("pod").ok());
  EXPECT_THAT(kubelet_->Admit("third", kVf, 1)->device_ids, ElementsAre("a"));
}

TEST_F(KubeletTest, ThePluginsPreferenceCountsAsFarAsItGoes) {
  StartPlugin();
  plugin_->prefer = true;
  ASSERT_TRUE(Register("v1beta1", kEndpoint, kVf).ok());
  Await([](const KubeletResource& seen) { return seen.allocatable == 2; });
  EXPECT_THAT(kubelet_->Admit("pod", kVf, 1)->device_ids, ElementsAre("b"));
}

TEST_F(KubeletTest, AFailedAllocateHoldsNothing) {
  StartAndRegister();
  plugin_->fail_allocate = true;
  EXPECT_EQ(kubelet_->Admit("pod", kVf, 1).status().code(), absl::StatusCode::kInternal);
  plugin_->fail_allocate = false;
  plugin_->empty_answer = true;
  EXPECT_EQ(kubelet_->Admit("pod", kVf, 1).status().code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(kubelet_->Look(kVf).held.empty());
}

TEST_F(KubeletTest, DevicesOfAPluginThatEndsAreUnhealthy) {
  StartAndRegister();
  StopPlugin();
  Await([](const KubeletResource& seen) { return !seen.connected; });
  EXPECT_EQ(kubelet_->Look(kVf).capacity, 2);
  EXPECT_EQ(kubelet_->Look(kVf).allocatable, 0);
  EXPECT_FALSE(kubelet_->Admit("pod", kVf, 1).ok());
}

TEST_F(KubeletTest, ARestartRemovesSocketsOnlyAndKeepsTheBooks) {
  StartAndRegister();
  ASSERT_TRUE(kubelet_->Admit("pod", kVf, 1).ok());
  std::ofstream(folder_ / "other-file") << "stays";
  kubelet_ = nullptr;
  EXPECT_FALSE(fs::exists(folder_ / "kubelet.sock"));
  Start();
  EXPECT_FALSE(fs::exists(folder_ / kEndpoint));
  EXPECT_TRUE(fs::exists(folder_ / "other-file"));
  const KubeletResource seen = kubelet_->Look(kVf);
  EXPECT_THAT(seen.held, ElementsAre("a"));
  EXPECT_EQ(seen.capacity, 0);
}

TEST_F(KubeletTest, ADamagedCheckpointDoesNotKeepItFromServing) {
  kubelet_ = nullptr;
  std::ofstream(folder_ / "kubelet_internal_checkpoint") << "{";
  Start();
  StartAndRegister();
  EXPECT_TRUE(kubelet_->Admit("pod", kVf, 1).ok());
}

TEST_F(KubeletTest, AWaitEndsWithItsDeadlineOrTheKubelet) {
  const auto never = [](const KubeletResource&) { return false; };
  EXPECT_EQ(kubelet_->Await(kVf, never, absl::Now()).status().code(), absl::StatusCode::kDeadlineExceeded);
  kubelet_->CancelWaits();
  EXPECT_EQ(kubelet_->Await(kVf, never).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(KubeletTest, TheControlApiDrivesIt) {
  StartAndRegister();
  const auto control = MakeKubeletControl(*kubelet_);
  const std::string address = "unix:" + (folder_ / "control").string();
  auto server = RpcServer::Start({address}, {control.get()});
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = kubelet_standin::v1::KubeletControl::NewStub(*MakeChannel(address));

  kubelet_standin::v1::AdmitContainerRequest admit;
  kubelet_standin::v1::AdmitContainerResponse admitted;
  admit.set_resource_name(kVf);
  admit.set_count(2);
  EXPECT_EQ(
      stub->AdmitContainer(std::make_unique<grpc::ClientContext>().get(), admit, &admitted).error_code(),
      grpc::StatusCode::INVALID_ARGUMENT);
  admit.set_container("pod");
  ASSERT_TRUE(stub->AdmitContainer(std::make_unique<grpc::ClientContext>().get(), admit, &admitted).ok());
  EXPECT_THAT(admitted.device_ids(), ElementsAre("a", "b"));
  EXPECT_EQ(admitted.response().envs().at("DEVICE"), "a");

  kubelet_standin::v1::GetDevicesRequest get;
  kubelet_standin::v1::GetDevicesResponse devices;
  get.set_resource_name(kVf);
  get.set_at_least(2);
  ASSERT_TRUE(stub->GetDevices(std::make_unique<grpc::ClientContext>().get(), get, &devices).ok());
  EXPECT_EQ(devices.devices_size(), 2);
  EXPECT_THAT(devices.held_ids(), ElementsAre("a", "b"));
  EXPECT_EQ(devices.capacity(), 2);
  EXPECT_TRUE(devices.connected());
  get.set_at_least(3);
  grpc::ClientContext hurried;
  hurried.set_deadline(absl::ToChronoTime(absl::Now() + absl::Milliseconds(20)));
  EXPECT_EQ(stub->GetDevices(&hurried, get, &devices).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);

  kubelet_standin::v1::RemoveContainerRequest remove;
  google::protobuf::Empty nothing;
  remove.set_container("pod");
  ASSERT_TRUE(stub->RemoveContainer(std::make_unique<grpc::ClientContext>().get(), remove, &nothing).ok());
  EXPECT_TRUE(kubelet_->Look(kVf).held.empty());
}

}  // namespace
}  // namespace xpu::testing
