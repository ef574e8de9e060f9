#include "test/component/pipeline/reframe.h"

#include <netinet/in.h>

#include <algorithm>

namespace xpu::testing {
namespace {

constexpr size_t kEthernet = 14;
constexpr size_t kIp4 = 20;
constexpr size_t kIp6 = 40;

std::string Be16(uint32_t value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

bool IsV6(const std::string& frame) { return static_cast<uint8_t>(frame[12]) == 0x86; }

uint16_t Checksum4(const std::string& header) {
  uint32_t sum = 0;
  for (size_t i = 0; i < header.size(); i += 2) {
    sum += static_cast<uint8_t>(header[i]) << 8 | static_cast<uint8_t>(header[i + 1]);
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// The frame with another payload; lengths and checksum are put right.
std::string Rebuild(const std::string& frame, std::string header, const std::string& payload) {
  if (IsV6(frame)) {
    header.replace(4, 2, Be16(static_cast<uint32_t>(header.size() - kIp6 + payload.size())));
  } else {
    header[0] = static_cast<char>(0x40 | header.size() / 4);
    header.replace(2, 2, Be16(static_cast<uint32_t>(header.size() + payload.size())));
    header.replace(10, 2, Be16(0));
    header.replace(10, 2, Be16(Checksum4(header)));
  }
  return frame.substr(0, kEthernet) + header + payload;
}

std::string Header(const std::string& frame) { return frame.substr(kEthernet, IsV6(frame) ? kIp6 : kIp4); }
std::string Payload(const std::string& frame) { return frame.substr(kEthernet + Header(frame).size()); }

}  // namespace

std::string Fragment(const std::string& frame, size_t offset, size_t length, bool more) {
  std::string header = Header(frame);
  const std::string piece = Payload(frame).substr(offset, length);
  if (!IsV6(frame)) {
    header.replace(4, 4, Be16(0x1234) + Be16(static_cast<uint32_t>(offset / 8) | (more ? 0x2000u : 0u)));
    return Rebuild(frame, header, piece);
  }
  const char next = header[6];
  header[6] = static_cast<char>(IPPROTO_FRAGMENT);
  return Rebuild(frame, header,
                 std::string{next, 0} + Be16(static_cast<uint32_t>(offset) | (more ? 1u : 0u)) +
                     std::string("\x12\x34\x56\x78") + piece);
}

std::string WithExtension(const std::string& frame, uint8_t type, size_t octets) {
  std::string header = Header(frame);
  std::string extension(octets, '\0');
  extension[0] = header[6];
  // In units of 8 octets without the first; of 4 without the first two in the authentication header (RFC
  // 4302).
  extension[1] = static_cast<char>(type == kAuthentication ? octets / 4 - 2 : octets / 8 - 1);
  if (type == kHopByHop || type == kDestinationOptions) {
    // One option after the other of padding (PadN), of at most 255 octets each.
    for (size_t at = 2; at < octets;) {
      const size_t room = std::min<size_t>(octets - at - 2, 255);
      extension[at] = 1;
      extension[at + 1] = static_cast<char>(room);
      at += 2 + room;
      if (octets - at == 1) extension[at++] = 0;
    }
  }
  header[6] = static_cast<char>(type);
  return Rebuild(frame, header, extension + Payload(frame));
}

std::string WithTtl(const std::string& frame, uint8_t ttl) {
  std::string header = Header(frame);
  header[IsV6(frame) ? 7 : 8] = static_cast<char>(ttl);
  return Rebuild(frame, header, Payload(frame));
}

std::string WithOptions(const std::string& frame, const std::string& options) {
  return Rebuild(frame, Header(frame) + options, Payload(frame));
}

std::string WithTag(const std::string& frame, uint16_t tpid, uint16_t vlan) {
  return frame.substr(0, 12) + Be16(tpid) + Be16(vlan) + frame.substr(12);
}

std::string Vxlan(uint32_t vni, const std::string& inner) {
  return std::string("\x08\0\0\0", 4) + Be16(vni >> 8) + Be16(vni << 8 & 0xff00) + inner;
}

std::string WithPayload(const std::string& frame, uint8_t protocol, const std::string& payload) {
  std::string header = Header(frame);
  header[IsV6(frame) ? 6 : 9] = static_cast<char>(protocol);
  return Rebuild(frame, header, payload);
}

}  // namespace xpu::testing
