#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "xpu-agent/slowpath/wire.h"

namespace xpu::slowpath {

// Short ways to write packets down in tests. Malformed text ends the test program.

inline MacAddress Mac(absl::string_view text) { return MacAddress::Parse(text).value(); }
inline IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }
// "45 00 01:48", blanks and colons anywhere.
inline std::string Hex(absl::string_view text) {
  return absl::HexStringToBytes(absl::StrReplaceAll(text, {{" ", ""}, {":", ""}, {"\n", ""}}));
}
inline std::string ToHex(absl::string_view bytes) { return absl::BytesToHexString(bytes); }

// A DHCP message of a client, and a frame with it.
struct DhcpMessage {
  uint32_t xid = 0x3903f326;
  uint16_t flags = 0;
  std::string ciaddr = "0.0.0.0";
  std::string giaddr = "0.0.0.0";
  std::string mac = "02:00:00:00:00:0a";
  // Code and value, in this order; the end is added.
  std::vector<std::pair<uint8_t, std::string>> options;

  std::string Bytes() const {
    WireWriter out;
    out.U8(1).U8(1).U8(6).U8(0).U32(xid).U16(0).U16(flags).Ip(Ip(ciaddr)).U32(0).U32(0).Ip(Ip(giaddr));
    out.Mac(Mac(mac)).Zeros(10 + 64 + 128).U32(0x63825363);
    for (const auto& [code, value] : options) {
      out.U8(code).U8(static_cast<uint8_t>(value.size())).Bytes(value);
    }
    return out.U8(255).bytes();
  }
  std::string Frame() const {
    const bool has_address = ciaddr != "0.0.0.0";
    return UdpFrame({.eth_dst = Mac("ff:ff:ff:ff:ff:ff"),
                     .eth_src = Mac(mac),
                     .src = Ip(ciaddr),
                     .dst = Ip(has_address ? "10.0.0.254" : "255.255.255.255")},
                    68, 67, Bytes());
  }
};

// What a client reads in an answer.
struct DhcpAnswer {
  Ethernet ethernet;
  Ipv4 ip;
  uint16_t src_port = 0;
  uint16_t dst_port = 0;
  uint8_t op = 0;
  uint32_t xid = 0;
  uint16_t flags = 0;
  IpAddress ciaddr, yiaddr;
  std::string chaddr;
  size_t size = 0;
  std::map<uint8_t, std::string> options;
  bool ok = false;
};
inline DhcpAnswer ReadDhcpAnswer(const std::string& frame) {
  DhcpAnswer answer;
  if (!Parse(frame, &answer.ethernet) || !Parse(answer.ethernet.payload, &answer.ip)) return answer;
  WireReader reader(answer.ip.payload);
  answer.src_port = reader.U16();
  answer.dst_port = reader.U16();
  reader.U32();
  answer.size = reader.rest().size();
  answer.op = reader.U8();
  reader.Bytes(3);
  answer.xid = reader.U32();
  reader.U16();
  answer.flags = reader.U16();
  answer.ciaddr = reader.Ip(IpFamily::kV4);
  answer.yiaddr = reader.Ip(IpFamily::kV4);
  reader.Bytes(8);
  answer.chaddr = std::string(reader.Bytes(16));
  reader.Bytes(64 + 128);
  const bool magic = reader.U32() == 0x63825363;
  for (uint8_t code = reader.U8(); reader.ok() && code != 255; code = reader.U8()) {
    const uint8_t size = reader.U8();
    answer.options[code] = std::string(reader.Bytes(size));
  }
  answer.ok = reader.ok() && magic;
  return answer;
}

}  // namespace xpu::slowpath
