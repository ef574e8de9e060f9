// What a server does while the disk takes its time, and when that fails.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/http/test_http.h"
#include "control-plane/apiserver/api_server.h"
#include "control-plane/apiserver/test_watch.h"

namespace {

// The disk as the thread sees it that waits for it; others see the real one.
struct Disk {
  absl::Mutex mu;
  std::thread::id others ABSL_GUARDED_BY(mu);
  bool holds ABSL_GUARDED_BY(mu) = false;
  bool broken ABSL_GUARDED_BY(mu) = false;
  int waits ABSL_GUARDED_BY(mu) = 0;

  void Set(bool hold, bool is_broken) {
    absl::MutexLock lock(&mu);
    holds = hold;
    broken = is_broken;
  }
  // Until it has been waited for so often since the test began.
  void AwaitWaits(int count) {
    const auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu) { return waits >= count; };
    absl::MutexLock lock(&mu);
    mu.Await(absl::Condition(&there));
  }
};
Disk* g_disk = nullptr;

}  // namespace

extern "C" int fdatasync(int fd) {
  if (Disk* disk = g_disk) {
    absl::MutexLock lock(&disk->mu);
    if (disk->others != std::this_thread::get_id()) {
      ++disk->waits;
      const auto free = [&]() ABSL_SHARED_LOCKS_REQUIRED(disk->mu) { return !disk->holds; };
      disk->mu.Await(absl::Condition(&free));
      if (disk->broken) {
        errno = EIO;
        return -1;
      }
    }
  }
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr char kMaps[] = "/api/v1/namespaces/default/configmaps";

json Map(const std::string& name) {
  return {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", name}}}};
}

class DiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/xpu-disk-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    Start();
  }
  void TearDown() override {
    disk_.Set(/*hold=*/false, /*is_broken=*/false);
    Stop().IgnoreError();
    std::filesystem::remove_all(folder_);
  }
  void Start() {
    loop_.emplace();
    absl::Notification serving;
    thread_ = std::thread([this, &serving] {
      {
        absl::MutexLock lock(&disk_.mu);
        disk_.others = std::this_thread::get_id();
        disk_.waits = 0;
      }
      g_disk = &disk_;
      ApiServerOptions options;
      options.listen = {endpoint()};
      options.store.path = folder_ + "/store.db";
      ended_ = RunApiServer(options, {*loop_, Clock::Real(), [&](const auto&) { serving.Notify(); }});
    });
    serving.WaitForNotification();
  }
  absl::Status Stop() {
    if (!thread_.joinable()) return ended_;
    loop_->Stop();
    thread_.join();
    g_disk = nullptr;
    return ended_;
  }
  std::string endpoint() const { return "unix:" + folder_ + "/api.sock"; }

  std::string folder_;
  Disk disk_;
  std::optional<EventLoop> loop_;
  std::thread thread_;
  absl::Status ended_;
};

TEST_F(DiskTest, NobodyHearsOfAWriteBeforeTheDiskHasItAndTheLoopGoesOn) {
  TestWatch watch(endpoint(), absl::StrCat(kMaps, "?watch=true&resourceVersion=1"));
  ASSERT_EQ(watch.code(), 200);
  std::atomic<bool> released = false;
  disk_.Set(/*hold=*/true, /*is_broken=*/false);
  const auto after_release = [&](std::function<void()> work) {
    return std::thread([&released, work = std::move(work)] {
      work();
      EXPECT_TRUE(released) << "somebody was told too early";
    });
  };
  std::thread first =
      after_release([&] { EXPECT_EQ(TestHttp(endpoint()).Post(kMaps, Map("first")).code, 201); });
  disk_.AwaitWaits(1);
  bool went_on = false;
  loop_->PostAndWait([&] { went_on = true; });
  EXPECT_TRUE(went_on);
  std::thread reader =
      after_release([&] { EXPECT_EQ(TestHttp(endpoint()).Get(absl::StrCat(kMaps, "/first")).code, 200); });
  std::thread watcher = after_release([&] { EXPECT_EQ(watch.Lines(1).size(), 1u); });
  std::thread second =
      after_release([&] { EXPECT_EQ(TestHttp(endpoint()).Post(kMaps, Map("second")).code, 201); });
  loop_->PostAndWait([] {});

  released = true;
  disk_.Set(/*hold=*/false, /*is_broken=*/false);
  for (std::thread* each : {&first, &reader, &watcher, &second}) each->join();
  // It came while the disk was waited for, and was no part of what that was about.
  disk_.AwaitWaits(2);
  EXPECT_EQ(TestHttp(endpoint()).Get(kMaps).json["items"].size(), 2u);
  EXPECT_TRUE(Stop().ok());
}

TEST_F(DiskTest, TheEndOfTheServerWaitsForTheDisk) {
  disk_.Set(/*hold=*/true, /*is_broken=*/false);
  // The connection may end before the answer is on it.
  std::thread writer(
      [&] { EXPECT_THAT(TestHttp(endpoint()).Post(kMaps, Map("first")).code, AnyOf(201, 0)); });
  disk_.AwaitWaits(1);
  // The end of the server: what was begun is brought to its end.
  loop_->Stop();
  disk_.Set(/*hold=*/false, /*is_broken=*/false);
  writer.join();
  EXPECT_TRUE(Stop().ok());
  Start();
  EXPECT_EQ(TestHttp(endpoint()).Get(absl::StrCat(kMaps, "/first")).code, 200);
}

TEST_F(DiskTest, TheServerEndsWhenTheDiskFailsAndANewOneServesWhatWasAnswered) {
  TestHttp http(endpoint());
  ASSERT_EQ(http.Post(kMaps, Map("kept")).code, 201);
  disk_.Set(/*hold=*/false, /*is_broken=*/true);
  EXPECT_NE(http.Post(kMaps, Map("lost")).code, 201);
  thread_.join();
  EXPECT_TRUE(absl::IsUnavailable(ended_)) << ended_;
  EXPECT_THAT(std::string(ended_.message()), HasSubstr("Input/output error"));
  disk_.Set(/*hold=*/false, /*is_broken=*/false);
  Start();
  EXPECT_EQ(TestHttp(endpoint()).Get(absl::StrCat(kMaps, "/kept")).code, 200);
  EXPECT_EQ(TestHttp(endpoint()).Post(kMaps, Map("more")).code, 201);
}

}  // namespace
}  // namespace xpu::apiserver
