// The program itself, killed in the middle of its work.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/unique_fd.h"
#include "common/http/test_http.h"
#include "control-plane/apiserver/test_watch.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

const std::string kNetworks = "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/networks";

class CrashTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/xpu-crash-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    endpoint_ = "unix:" + folder_ + "/api.sock";
    // systemd's protocol: the program says READY=1 on this socket.
    ready_ = UniqueFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, (folder_ + "/ready").c_str(), sizeof(address.sun_path) - 1);
    ASSERT_EQ(bind(ready_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    timeval patience{20, 0};
    setsockopt(ready_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  void TearDown() override {
    Kill();
    std::filesystem::remove_all(folder_);
  }

  void Start(bool full_sync = false) {
    std::string notify = "NOTIFY_SOCKET=" + folder_ + "/ready";
    std::string database = folder_ + "/store.db";
    const char* argv[] = {XPU_APISERVER,
                          "--listen",
                          endpoint_.c_str(),
                          "--database",
                          database.c_str(),
                          "--log-level",
                          "warn",
                          full_sync ? nullptr : "--no-full-sync",
                          nullptr};
    const char* environment[] = {notify.c_str(), nullptr};
    pid_ = fork();
    if (pid_ == 0) {
      execve(XPU_APISERVER, const_cast<char**>(argv), const_cast<char**>(environment));
      _exit(127);
    }
    char message[64] = {};
    ASSERT_GT(recv(ready_.get(), message, sizeof(message) - 1, 0), 0) << "the server did not get ready";
    ASSERT_EQ(absl::StripAsciiWhitespace(message), "READY=1");
  }
  int End(int signal) {
    int status = 0;
    kill(pid_, signal);
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  void Kill() {
    if (pid_ > 0) End(SIGKILL);
  }

  std::string folder_;
  std::string endpoint_;
  UniqueFd ready_;
  pid_t pid_ = -1;
};

// What a writer was told last of each of its objects.
struct Acknowledged {
  absl::Mutex mu;
  std::map<std::string, json> objects ABSL_GUARDED_BY(mu);
  int count ABSL_GUARDED_BY(mu) = 0;

  void Note(const TestReply& reply) {
    absl::MutexLock lock(&mu);
    objects[reply.json["metadata"]["name"]] = reply.json;
    ++count;
  }
};

// Creates and changes objects until the server is gone.
void WriteUntilGone(const std::string& endpoint, const std::string& prefix, Acknowledged& acknowledged) {
  TestHttp http(endpoint);
  for (int i = 0;; ++i) {
    std::string name = absl::StrCat(prefix, "-", i);
    TestReply reply = http.Post(kNetworks, {{"apiVersion", "xpu.opiproject.org/v1alpha1"},
                                            {"kind", "Network"},
                                            {"metadata", {{"name", name}}},
                                            {"spec", {{"vni", 5}, {"prefixes", {"10.0.0.0/24"}}}}});
    if (reply.code != 201) return;
    acknowledged.Note(reply);
    for (int mtu : {1400, 1401, 1402}) {
      reply = http.Merge(absl::StrCat(kNetworks, "/", name), {{"spec", {{"mtu", mtu}}}});
      if (reply.code != 200) return;
      acknowledged.Note(reply);
    }
  }
}

TEST_F(CrashTest, WhatWasAcknowledgedSurvivesAKill) {
  for (int round = 0; round < 4; ++round) {
    Start(/*full_sync=*/round % 2 == 1);
    Acknowledged acknowledged;
    std::vector<std::thread> writers;
    for (int w = 0; w < 3; ++w) {
      writers.emplace_back(
          [&, w] { WriteUntilGone(endpoint_, absl::StrCat("r", round, "w", w), acknowledged); });
    }
    auto enough = [&]() ABSL_SHARED_LOCKS_REQUIRED(acknowledged.mu) {
      return acknowledged.count >= 60 + 17 * round;
    };
    acknowledged.mu.LockWhenWithTimeout(absl::Condition(&enough), absl::Seconds(20));
    EXPECT_TRUE(enough());
    acknowledged.mu.Unlock();
    Kill();
    for (std::thread& writer : writers) writer.join();

    Start();
    TestHttp http(endpoint_);
    json list = http.Get(kNetworks).json;
    ASSERT_TRUE(list.is_object());
    std::map<std::string, json> stored;
    int64_t newest = 0;
    for (const json& object : list["items"]) {
      EXPECT_TRUE(object["spec"].contains("mtu") && object["metadata"].contains("uid")) << object;
      newest =
          std::max<int64_t>(newest, std::stoll(object["metadata"]["resourceVersion"].get<std::string>()));
      stored[object["metadata"]["name"]] = object;
    }
    absl::MutexLock lock(&acknowledged.mu);
    for (const auto& [name, object] : acknowledged.objects) {
      ASSERT_TRUE(stored.contains(name)) << name;
      // The one write that was under way may have been done without being answered.
      EXPECT_EQ(stored[name]["metadata"]["uid"], object["metadata"]["uid"]);
      EXPECT_GE(stored[name]["metadata"]["generation"], object["metadata"]["generation"]);
      EXPECT_LE(stored[name]["metadata"]["generation"], object["metadata"]["generation"].get<int>() + 1);
    }
    EXPECT_GE(std::stoll(list["metadata"]["resourceVersion"].get<std::string>()), newest);
    // The history tells the same story as the objects.
    TestWatch watch(endpoint_, "/apis/xpu.opiproject.org/v1alpha1/networks?watch=1&resourceVersion=1");
    std::map<std::string, json> told;
    while (told != stored) {
      std::optional<json> event = watch.Next();
      ASSERT_TRUE(event) << "the history ends before it has made what is stored";
      told[(*event)["object"]["metadata"]["name"]] = (*event)["object"];
    }
    Kill();
  }
}

TEST_F(CrashTest, ATermEndsItWithinReasonAndRemovesTheSocket) {
  Start();
  TestWatch watch(endpoint_, "/apis/xpu.opiproject.org/v1alpha1/networks?watch=1");
  int status = End(SIGTERM);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_FALSE(watch.Next());
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/api.sock"));
}

TEST_F(CrashTest, ASecondServerOnTheSameFileSaysWhatIsWrong) {
  Start();
  pid_t second = fork();
  if (second == 0) {
    std::string database = folder_ + "/store.db";
    std::string listen = "unix:" + folder_ + "/other.sock";
    freopen((folder_ + "/stderr").c_str(), "w", stderr);
    execl(XPU_APISERVER, XPU_APISERVER, "--listen", listen.c_str(), "--database", database.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(second, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_GT(std::filesystem::file_size(folder_ + "/stderr"), 0u);
}

}  // namespace
}  // namespace xpu::apiserver
