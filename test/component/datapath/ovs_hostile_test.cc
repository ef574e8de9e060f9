// Peers that do not speak as they should: the switch stays unavailable, says why, and lives.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "common/base/unique_fd.h"
#include "test/component/datapath/ovs_fixture.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

// Accepts connections on a unix socket, sends each of them `greeting` and reads until the other side closes,
// or closes at once.
class HostilePeer {
 public:
  HostilePeer(const std::string& path, std::string greeting, bool close_at_once = false)
      : greeting_(std::move(greeting)), close_at_once_(close_at_once), stop_(eventfd(0, EFD_CLOEXEC)) {
    listener_.Reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_.get(), 8), 0);
    thread_ = std::thread([this] { Serve(); });
  }
  ~HostilePeer() {
    const uint64_t one = 1;
    EXPECT_EQ(write(stop_.get(), &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
    thread_.join();
  }

  // Whether so many connections have ended, within 30 seconds.
  bool AwaitHangups(int n) {
    absl::MutexLock lock(&mutex_);
    const auto reached = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return hangups_ >= n; };
    return mutex_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(30));
  }

 private:
  // False when it is time to stop.
  bool Readable(int fd) {
    pollfd fds[] = {{.fd = fd, .events = POLLIN, .revents = 0},
                    {.fd = stop_.get(), .events = POLLIN, .revents = 0}};
    EXPECT_GT(poll(fds, 2, -1), 0);
    return fds[1].revents == 0;
  }

  void Serve() {
    while (Readable(listener_.get())) {
      UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      (void)!send(connection.get(), greeting_.data(), greeting_.size(), MSG_NOSIGNAL);
      char buffer[4096];
      while (!close_at_once_) {
        if (!Readable(connection.get())) return;
        if (read(connection.get(), buffer, sizeof(buffer)) <= 0) break;
      }
      absl::MutexLock lock(&mutex_);
      ++hangups_;
    }
  }

  const std::string greeting_;
  const bool close_at_once_;
  UniqueFd stop_;
  UniqueFd listener_;
  absl::Mutex mutex_;
  int hangups_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

std::string Bytes(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes.push_back(static_cast<char>(value));
  return bytes;
}

// OpenFlow: version, type, length of 2 octets, transaction id of 4 octets.
const std::string kHello14 = Bytes({5, 0, 0, 8, 0, 0, 0, 1});

class OvsHostileOpenFlowTest : public OvsSwitchTest {
 protected:
  // Runs the switch against an OpenFlow peer that sends `greeting`.
  void Run(const std::string& greeting, const std::string& reason, bool close_at_once = false) {
    const std::string dir = ovs_->dir() + "/hostile";
    std::filesystem::create_directory(dir);
    HostilePeer peer(dir + "/" + kBridge + ".mgmt", greeting, close_at_once);
    OvsSwitchOptions options = Options();
    options.openflow_dir = dir;
    options.deadline = absl::Milliseconds(100);
    StartSwitch(options);
    EXPECT_TRUE(peer.AwaitHangups(3)) << switch_->Snapshot().status();
    std::string message;
    EXPECT_TRUE(observer_->AwaitStatus([&](const auto& snapshot) {
      message = std::string(snapshot.status().message());
      return absl::IsUnavailable(snapshot.status()) && message.find("OpenFlow") != std::string::npos;
    }));
    EXPECT_THAT(message, HasSubstr(reason));
    EXPECT_TRUE(absl::IsUnavailable(switch_->Apply({.flow_puts = {{{0, 0, ""}, "drop"}}}).flows));
    switch_.reset();
  }
};

TEST_F(OvsHostileOpenFlowTest, Garbage) { Run(std::string(64, '\0'), "cannot connect"); }

TEST_F(OvsHostileOpenFlowTest, AMessageThatNeverEnds) { Run("GET / HTTP/1.1\r\n\r\n", "no answer in time"); }

TEST_F(OvsHostileOpenFlowTest, Silence) { Run("", "no answer in time"); }

TEST_F(OvsHostileOpenFlowTest, SilenceAfterTheHello) { Run(kHello14, "no answer in time"); }

TEST_F(OvsHostileOpenFlowTest, AnotherVersion) {
  Run(Bytes({1, 0, 0, 8, 0, 0, 0, 1}), "does the bridge allow OpenFlow14");
}

TEST_F(OvsHostileOpenFlowTest, ALengthShorterThanTheHeader) {
  Run(kHello14 + Bytes({5, 2, 0, 1, 0, 0, 0, 2}), "connection lost");
}

TEST_F(OvsHostileOpenFlowTest, APeerThatIsGoneBeforeItIsAnswered) { Run(kHello14, "OpenFlow socket", true); }

TEST_F(OvsHostileOpenFlowTest, FlowsThatCannotBeDecoded) {
  // A multipart reply (19) of the flow monitor (16) whose one entry claims more than there is.
  Run(kHello14 + Bytes({5, 19, 0, 24, 0, 0, 0, 1, 0, 16, 0, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0}),
      "cannot be decoded");
}

TEST_F(OvsHostileOpenFlowTest, ARefusalToReportFlows) {
  // Errors (1): bad request (1), bad type (1), for the first transactions of the connection.
  std::string errors;
  for (int xid = 1; xid < 100; ++xid) errors += Bytes({5, 1, 0, 12, 0, 0, 0, xid, 0, 1, 0, 1});
  Run(kHello14 + errors, "refuses to report");
}

TEST_F(OvsHostileOpenFlowTest, ASwitchWithoutFlowMonitorIsReadOnce) {
  const std::string dir = ovs_->dir() + "/old";
  std::filesystem::create_directory(dir);
  // Errors for the requests for meters and flows, and for the next a multipart reply (19) with one flow (1):
  // table 10, priority 7, our cookie, an empty match, no instructions.
  const std::string flow = Bytes({0, 56, 10, 0}) + std::string(8, '\0') + Bytes({0, 7}) +
                           std::string(10, '\0') + Bytes({0x78, 0x70, 0x75, 0, 0, 0, 0, 0}) +
                           std::string(16, '\0') + Bytes({0, 1, 0, 4, 0, 0, 0, 0});
  HostilePeer peer(dir + "/" + kBridge + ".mgmt",
                   kHello14 + Bytes({5, 1, 0, 12, 0, 0, 0, 4, 0, 1, 0, 2}) +
                       Bytes({5, 1, 0, 12, 0, 0, 0, 5, 0, 1, 0, 2}) +
                       Bytes({5, 19, 0, 72, 0, 0, 0, 6, 0, 1, 0, 0, 0, 0, 0, 0}) + flow);
  OvsSwitchOptions options = Options();
  options.openflow_dir = dir;
  StartSwitch(options);
  ASSERT_TRUE(observer_->AwaitReady());
  EXPECT_EQ(Snapshot().flows, (FlowTable{{{10, 7, ""}, "drop"}}));
  EXPECT_FALSE(Snapshot().abilities.meter);
  switch_.reset();
}

TEST_F(OvsSwitchTest, SurvivesAnOvsdbServerThatTalksNonsense) {
  for (const std::string& greeting : {std::string("}{ this is not JSON"),
                                      std::string(R"({"method":"update3","params":[1,2],"id":null,"x":})"),
                                      std::string(R"({"id":5})"), std::string(100000, '[')}) {
    const std::string path = ovs_->dir() + "/hostile.sock";
    std::filesystem::remove(path);
    HostilePeer peer(path, greeting);
    OvsSwitchOptions options = Options();
    options.ovsdb_remote = "unix:" + path;
    StartSwitch(options);
    EXPECT_TRUE(peer.AwaitHangups(1)) << greeting;
    EXPECT_TRUE(absl::IsUnavailable(switch_->Snapshot().status()));
    switch_.reset();
  }
}

}  // namespace
}  // namespace xpu
