// How devlink is spoken, byte for byte, and as much of it as a kernel without a card can answer. What a card
// makes of it is in contract/devlink_contract.h.

#include "common/sys/devlink_real.h"

#include <linux/devlink.h>
#include <linux/genetlink.h>

#include <string>

#include "common/sys/devlink_message.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

constexpr int kFamily = 0x1f;
const PciAddress kParent{0, 3, 0, 1};
const std::string kMacBytes("\x02\x00\x00\x00\x0b\x01", 6);

// In the machine's byte order, as netlink has it.
template <class T>
std::string Raw(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}
std::string U16(uint16_t value) { return Raw(value); }
std::string U32(uint32_t value) { return Raw(value); }
std::string Text(const std::string& text) { return text + '\0'; }

std::string Attribute(int type, const std::string& payload) {
  std::string bytes =
      U16(static_cast<uint16_t>(payload.size() + 4)) + U16(static_cast<uint16_t>(type)) + payload;
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes;
}

const std::string kDevice =
    Attribute(DEVLINK_ATTR_BUS_NAME, Text("pci")) + Attribute(DEVLINK_ATTR_DEV_NAME, Text("0000:03:00.1"));

// Command, version, two reserved bytes, and the attributes.
std::string Payload(const NetlinkMessage& message) {
  EXPECT_EQ(message.header()->nlmsg_type, kFamily);
  return std::string(reinterpret_cast<const char*>(message.header()), message.header()->nlmsg_len)
      .substr(NLMSG_HDRLEN);
}
std::string Command(int command) { return std::string{static_cast<char>(command), 1, 0, 0}; }

std::optional<DevlinkSf> Parse(const std::string& attributes) {
  nlmsghdr header{};
  header.nlmsg_type = kFamily;
  const std::string payload = Command(DEVLINK_CMD_PORT_NEW) + attributes;
  header.nlmsg_len = static_cast<uint32_t>(NLMSG_HDRLEN + payload.size());
  const std::string text = Raw(header) + payload;
  return ParseSf(reinterpret_cast<const nlmsghdr*>(text.data()), kParent);
}

std::string Port(int flavour, uint32_t number) {
  return kDevice + Attribute(DEVLINK_ATTR_PORT_INDEX, U32(32768)) +
         Attribute(DEVLINK_ATTR_PORT_FLAVOUR, U16(static_cast<uint16_t>(flavour))) +
         Attribute(DEVLINK_ATTR_PORT_PCI_SF_NUMBER, U32(number));
}

TEST(DevlinkMessages, AddASubfunction) {
  EXPECT_EQ(Payload(AddSfMessage(kFamily, kParent, 88)),
            Command(DEVLINK_CMD_PORT_NEW) + kDevice +
                Attribute(DEVLINK_ATTR_PORT_FLAVOUR, U16(DEVLINK_PORT_FLAVOUR_PCI_SF)) +
                Attribute(DEVLINK_ATTR_PORT_PCI_PF_NUMBER, U16(1)) +
                Attribute(DEVLINK_ATTR_PORT_PCI_SF_NUMBER, U32(88)));
}

TEST(DevlinkMessages, SetWhatIsToBeSet) {
  const std::string port = kDevice + Attribute(DEVLINK_ATTR_PORT_INDEX, U32(32768));
  const int function = DEVLINK_ATTR_PORT_FUNCTION | NLA_F_NESTED;
  EXPECT_EQ(Payload(SetSfMessage(kFamily, kParent, 32768, *MacAddress::FromBytes(kMacBytes), {})),
            Command(DEVLINK_CMD_PORT_SET) + port +
                Attribute(function, Attribute(DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, kMacBytes)));
  EXPECT_EQ(Payload(SetSfMessage(kFamily, kParent, 32768, {}, true)),
            Command(DEVLINK_CMD_PORT_SET) + port +
                Attribute(function, Attribute(DEVLINK_PORT_FN_ATTR_STATE, "\x01")));
}

TEST(DevlinkMessages, SetTheAddressOfAnyFunction) {
  const DevlinkPort port{.bus = "pci", .device = "0000:03:00.1", .index = 5};
  EXPECT_EQ(Payload(SetFunctionMacMessage(kFamily, port, *MacAddress::FromBytes(kMacBytes))),
            Command(DEVLINK_CMD_PORT_SET) + kDevice + Attribute(DEVLINK_ATTR_PORT_INDEX, U32(5)) +
                Attribute(DEVLINK_ATTR_PORT_FUNCTION | NLA_F_NESTED,
                          Attribute(DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, kMacBytes)));
}

TEST(DevlinkMessages, RemoveASubfunction) {
  EXPECT_EQ(Payload(RemoveSfMessage(kFamily, kParent, 32768)),
            Command(DEVLINK_CMD_PORT_DEL) + kDevice + Attribute(DEVLINK_ATTR_PORT_INDEX, U32(32768)));
}

TEST(ParseSf, ReadsASubfunctionsPort) {
  const auto sf = Parse(Port(DEVLINK_PORT_FLAVOUR_PCI_SF, 88) +
                        Attribute(DEVLINK_ATTR_PORT_NETDEV_NAME, Text("en3f1pf1sf88")) +
                        Attribute(DEVLINK_ATTR_PORT_FUNCTION | NLA_F_NESTED,
                                  Attribute(DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, kMacBytes) +
                                      Attribute(DEVLINK_PORT_FN_ATTR_STATE, "\x01") +
                                      Attribute(DEVLINK_PORT_FN_ATTR_OPSTATE, "\x01")));
  ASSERT_TRUE(sf.has_value());
  EXPECT_EQ(sf->number, 88u);
  EXPECT_EQ(sf->port_index, 32768u);
  EXPECT_EQ(sf->representor, "en3f1pf1sf88");
  EXPECT_EQ(sf->mac, *MacAddress::FromBytes(kMacBytes));
  EXPECT_TRUE(sf->active);
  EXPECT_TRUE(sf->attached);
}

// The port of a function, without the number that only some flavours have.
std::string FunctionPort(int flavour, uint32_t controller) {
  return kDevice + Attribute(DEVLINK_ATTR_PORT_INDEX, U32(7)) +
         Attribute(DEVLINK_ATTR_PORT_FLAVOUR, U16(static_cast<uint16_t>(flavour))) +
         Attribute(DEVLINK_ATTR_PORT_CONTROLLER_NUMBER, U32(controller)) +
         Attribute(DEVLINK_ATTR_PORT_PCI_PF_NUMBER, U16(1));
}

std::optional<DevlinkPort> ParseAny(const std::string& attributes) {
  nlmsghdr header{};
  header.nlmsg_type = kFamily;
  const std::string payload = Command(DEVLINK_CMD_PORT_NEW) + attributes;
  header.nlmsg_len = static_cast<uint32_t>(NLMSG_HDRLEN + payload.size());
  const std::string text = Raw(header) + payload;
  return ParsePort(reinterpret_cast<const nlmsghdr*>(text.data()));
}

TEST(ParsePort, ReadsThePortOfAFunctionWhateverItsInterfaceIsCalled) {
  DevlinkPort port{.bus = "pci",
                   .device = "0000:03:00.1",
                   .index = 7,
                   .flavour = DevlinkPort::Flavour::kVf,
                   .controller = 1,
                   .pf = 1,
                   .number = 300,
                   .interface = "eth9",
                   .mac = *MacAddress::FromBytes(kMacBytes)};
  const std::string rest = Attribute(DEVLINK_ATTR_PORT_NETDEV_NAME, Text("eth9")) +
                           Attribute(DEVLINK_ATTR_PORT_FUNCTION | NLA_F_NESTED,
                                     Attribute(DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, kMacBytes));
  EXPECT_EQ(ParseAny(FunctionPort(DEVLINK_PORT_FLAVOUR_PCI_VF, 1) +
                     Attribute(DEVLINK_ATTR_PORT_PCI_VF_NUMBER, U16(300)) + rest),
            port);
  port.flavour = DevlinkPort::Flavour::kSf;
  port.number = 70000;
  EXPECT_EQ(ParseAny(FunctionPort(DEVLINK_PORT_FLAVOUR_PCI_SF, 1) +
                     Attribute(DEVLINK_ATTR_PORT_PCI_SF_NUMBER, U32(70000)) + rest),
            port);
  port.flavour = DevlinkPort::Flavour::kPf;
  port.number = 0;
  EXPECT_EQ(ParseAny(FunctionPort(DEVLINK_PORT_FLAVOUR_PCI_PF, 1) + rest), port);
}

TEST(ParsePort, LeavesOutWhatIsNoFunctionsOrSaysTooLittle) {
  EXPECT_FALSE(ParseAny(FunctionPort(DEVLINK_PORT_FLAVOUR_PHYSICAL, 0)).has_value());
  EXPECT_FALSE(ParseAny(FunctionPort(DEVLINK_PORT_FLAVOUR_PCI_VF, 1)).has_value());
  EXPECT_FALSE(ParseAny(kDevice).has_value());
  EXPECT_FALSE(ParseAny("").has_value());
  // No interface in this namespace, and a card that tells no address.
  const auto bare = ParseAny(FunctionPort(DEVLINK_PORT_FLAVOUR_PCI_PF, 0));
  ASSERT_TRUE(bare.has_value());
  EXPECT_EQ(bare->interface, "");
  EXPECT_FALSE(bare->mac.has_value());
}

TEST(ParseSf, LeavesOutOtherPorts) {
  EXPECT_TRUE(Parse(Port(DEVLINK_PORT_FLAVOUR_PCI_SF, 88)).has_value());
  EXPECT_FALSE(Parse(Port(DEVLINK_PORT_FLAVOUR_PHYSICAL, 88)).has_value());
  EXPECT_FALSE(Parse(Port(DEVLINK_PORT_FLAVOUR_PCI_SF, 88) + Attribute(DEVLINK_ATTR_PORT_EXTERNAL, "\x01"))
                   .has_value())
      << "it is that of another host";
  EXPECT_FALSE(Parse(Attribute(DEVLINK_ATTR_BUS_NAME, Text("pci")) +
                     Attribute(DEVLINK_ATTR_DEV_NAME, Text("0000:03:00.0")) +
                     Port(DEVLINK_PORT_FLAVOUR_PCI_SF, 88).substr(kDevice.size()))
                   .has_value());
  EXPECT_FALSE(Parse("").has_value());
}

TEST(ResolveFamily, AsksTheKernel) {
  auto socket = NetlinkSocket::Open(nullptr, NETLINK_GENERIC);
  ASSERT_TRUE(socket.ok()) << socket.status();
  const auto control = ResolveFamily(*socket, "nlctrl");
  ASSERT_TRUE(control.ok()) << control.status();
  EXPECT_EQ(*control, GENL_ID_CTRL);
  EXPECT_TRUE(absl::IsNotFound(ResolveFamily(*socket, "xpu-no-such").status()));
}

TEST(DevlinkReal, AnUnknownDeviceIsNotFoundAndAKernelWithoutDevlinkSaysSo) {
  auto socket = NetlinkSocket::Open(nullptr, NETLINK_GENERIC);
  ASSERT_TRUE(socket.ok()) << socket.status();
  const absl::StatusCode expected = ResolveFamily(*socket, DEVLINK_GENL_NAME).ok()
                                        ? absl::StatusCode::kNotFound
                                        : absl::StatusCode::kUnimplemented;
  DevlinkReal devlink;
  const PciAddress nowhere{0x0fff, 0xfe, 0x1f, 7};
  for (const absl::Status& status : {devlink.ListSfs(nowhere).status(), devlink.AddSf(nowhere, 88),
                                     devlink.ConfigureSf(nowhere, 88, *MacAddress::FromBytes(kMacBytes)),
                                     devlink.ActivateSf(nowhere, 88), devlink.RemoveSf(nowhere, 88)}) {
    EXPECT_EQ(status.code(), expected) << status;
    EXPECT_THAT(status.message(), ::testing::HasSubstr("0fff:fe:1f.7"));
  }
  EXPECT_EQ(
      devlink.SetFunctionMac({.bus = "pci", .device = nowhere.ToString()}, *MacAddress::FromBytes(kMacBytes))
          .code(),
      expected);
  EXPECT_EQ(devlink.ListPorts().status().code(),
            expected == absl::StatusCode::kNotFound ? absl::StatusCode::kOk : expected);
}

}  // namespace
}  // namespace xpu
