#include "common/sys/uevent.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/unique_fd.h"
#include "common/sys/in_namespace.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "common/sys/poll_until.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

constexpr char kAddText[] =
    "add@/devices/pci0000:00/0000:00:02.0/0000:03:00.2\0"
    "ACTION=add\0"
    "DEVPATH=/devices/pci0000:00/0000:00:02.0/0000:03:00.2\0"
    "SUBSYSTEM=pci\0"
    "PCI_CLASS=20000\0"
    "PCI_SLOT_NAME=0000:03:00.2\0"
    "SEQNUM=4711";
// With the last zero.
constexpr absl::string_view kAdd(kAddText, sizeof(kAddText));

TEST(ParseUevent, ReadsWhatHappenedToWhich) {
  const auto event = ParseUevent(kAdd);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->action, "add");
  EXPECT_EQ(event->device_path, "/devices/pci0000:00/0000:00:02.0/0000:03:00.2");
  EXPECT_EQ(event->subsystem, "pci");
}

TEST(ParseUevent, TakesNothingThatIsNotWhole) {
  EXPECT_FALSE(ParseUevent("").has_value());
  EXPECT_FALSE(ParseUevent(kAdd.substr(0, kAdd.size() - 1)).has_value()) << "cut off";
  EXPECT_FALSE(ParseUevent(kAdd.substr(0, kAdd.find('\0') + 1)).has_value()) << "no variables";
  EXPECT_FALSE(ParseUevent(absl::StrCat("libudev", kAdd.substr(kAdd.find('\0')))).has_value());
}

class UeventSocketTest : public ::testing::Test {
 protected:
  // Makes an interface, of which the kernel tells in this namespace.
  void MakeInterface(const std::string& name) {
    ASSERT_TRUE(netlink_
                    ->CreateVeth(name, MacAddress({2, 0, 0, 0, 0, 1}), name + "peer",
                                 MacAddress({2, 0, 0, 0, 0, 2}), nullptr)
                    .ok());
  }
  // Reads events until one is about `device`.
  absl::Status ReadUntil(UeventSocket& socket, const std::string& device, Uevent* last = nullptr) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    for (bool found = false; !found;) {
      pollfd readable{socket.fd(), POLLIN, 0};
      if (auto status = PollUntil(&readable, 1, deadline, "an event"); !status.ok()) return status;
      const absl::Status status = socket.ReceivePending([&](const Uevent& event) {
        events_.push_back(event);
        if (!event.device_path.ends_with("/" + device)) return;
        found = true;
        if (last != nullptr) *last = event;
      });
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  std::shared_ptr<NetNamespace> ns_ = *NewNetNamespace();
  std::unique_ptr<Netlink> netlink_ = *NetlinkFactoryReal().Open(ns_);
  std::vector<Uevent> events_;
};

TEST_F(UeventSocketTest, HearsTheKernel) {
  auto socket = UeventSocket::Open(ns_);
  ASSERT_TRUE(socket.ok()) << socket.status();
  MakeInterface("made");
  Uevent event;
  const absl::Status status = ReadUntil(*socket, "made", &event);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(event.action, "add");
  EXPECT_EQ(event.subsystem, "net");
}

TEST_F(UeventSocketTest, HearsNobodyElse) {
  auto socket = UeventSocket::Open(ns_);
  ASSERT_TRUE(socket.ok()) << socket.status();
  // As udev does it, but in the kernel's group.
  UniqueFd liar;
  ASSERT_TRUE(InNamespace(ns_, [&]() -> absl::Status {
                liar.Reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT));
                return absl::OkStatus();
              }).ok());
  sockaddr_nl group{};
  group.nl_family = AF_NETLINK;
  group.nl_groups = 1;
  ASSERT_GT(
      sendto(liar.get(), kAdd.data(), kAdd.size(), 0, reinterpret_cast<sockaddr*>(&group), sizeof(group)), 0);
  MakeInterface("later");
  ASSERT_TRUE(ReadUntil(*socket, "later").ok());
  for (const Uevent& event : events_) EXPECT_NE(event.subsystem, "pci");
}

TEST_F(UeventSocketTest, SaysThatMessagesWereLostAndGoesOn) {
  auto socket = UeventSocket::Open(ns_);
  ASSERT_TRUE(socket.ok()) << socket.status();
  // As small as the kernel allows: room for a message or two.
  int room = 1;
  ASSERT_EQ(setsockopt(socket->fd(), SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
  for (int i = 0; i < 10; ++i) MakeInterface(absl::StrCat("lost", i));
  const absl::Status status = ReadUntil(*socket, "never");
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  while (!socket->ReceivePending([](const Uevent&) {}).ok()) {
  }
  room = 1024 * 1024;
  ASSERT_EQ(setsockopt(socket->fd(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), 0);
  MakeInterface("late");
  EXPECT_TRUE(ReadUntil(*socket, "late").ok());
}

}  // namespace
}  // namespace xpu
