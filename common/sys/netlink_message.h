#pragma once

#include <netlink/attr.h>
#include <netlink/msg.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace xpu {

// One request to rtnetlink or generic netlink, built part by part (libnl's nlmsg).
class NetlinkMessage {
 public:
  // `flags` are NLM_F_*; NLM_F_REQUEST goes without saying.
  template <class Header>
  NetlinkMessage(int type, int flags, const Header& header) : NetlinkMessage(type, flags) {
    nlmsg_append(message_.get(), const_cast<Header*>(&header), sizeof(header), NLMSG_ALIGNTO);
  }

  void PutU8(int attribute, uint8_t value);
  void PutU16(int attribute, uint16_t value);
  void PutU32(int attribute, uint32_t value);
  // A structure of the kernel's.
  template <class Struct>
  void PutStruct(int attribute, const Struct& value) {
    PutBytes(attribute, {reinterpret_cast<const char*>(&value), sizeof(value)});
  }
  // With the closing zero.
  void PutString(int attribute, const std::string& text);
  void PutBytes(int attribute, absl::string_view bytes);
  template <class Header>
  void PutHeader(const Header& header) {
    nlmsg_append(message_.get(), const_cast<Header*>(&header), sizeof(header), NLMSG_ALIGNTO);
  }
  // Attributes that follow are inside `attribute` until Close().
  nlattr* Open(int attribute);
  void Close(nlattr* nested);

  nlmsghdr* header() const { return nlmsg_hdr(message_.get()); }

 private:
  NetlinkMessage(int type, int flags);
  std::unique_ptr<nl_msg, void (*)(nl_msg*)> message_;
};

// The attributes of a message or of a nested attribute, by number; attributes that are not there are null.
template <int kMax>
class NetlinkAttributes {
 public:
  // Of a message whose fixed header is `header_size` bytes long.
  NetlinkAttributes(const nlmsghdr* message, int header_size) {
    nlmsg_parse(const_cast<nlmsghdr*>(message), header_size, all_.data(), kMax, nullptr);
  }
  explicit NetlinkAttributes(nlattr* nested) { nla_parse_nested(all_.data(), kMax, nested, nullptr); }

  nlattr* Get(int number) const { return all_[static_cast<size_t>(number)]; }
  bool Has(int number) const { return Get(number) != nullptr; }
  // Zero or empty if the attribute is missing or too short.
  uint32_t U32(int number) const {
    return Has(number) && nla_len(Get(number)) >= 4 ? nla_get_u32(Get(number)) : 0;
  }
  uint16_t U16(int number) const {
    return Has(number) && nla_len(Get(number)) >= 2 ? nla_get_u16(Get(number)) : 0;
  }
  uint8_t U8(int number) const {
    return Has(number) && nla_len(Get(number)) >= 1 ? nla_get_u8(Get(number)) : 0;
  }
  // A structure of the kernel's; nothing if the attribute is missing or too short.
  template <class Struct>
  std::optional<Struct> Value(int number) const {
    const absl::string_view bytes = Bytes(number);
    if (bytes.size() < sizeof(Struct)) return std::nullopt;
    Struct value;
    std::memcpy(&value, bytes.data(), sizeof(value));
    return value;
  }
  absl::string_view Bytes(int number) const {
    if (!Has(number)) return {};
    return {static_cast<const char*>(nla_data(Get(number))), static_cast<size_t>(nla_len(Get(number)))};
  }
  std::string String(int number) const {
    const absl::string_view bytes = Bytes(number);
    return std::string(bytes.substr(0, bytes.find('\0')));
  }

 private:
  std::array<nlattr*, kMax + 1> all_{};
};

}  // namespace xpu
