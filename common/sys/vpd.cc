#include "common/sys/vpd.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace xpu {
namespace {

// Large resources: tag with the top bit set, then 16 bits of length, least significant octet first.
constexpr uint8_t kName = 0x82;
constexpr uint8_t kReadOnly = 0x90;
// A small resource: type 15, no data. (Any small resource carries its length in its low three bits.)
constexpr uint8_t kEnd = 0x78;

uint8_t Octet(absl::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

// Keywords of two letters, one octet of length, and the value.
std::string FindKeyword(absl::string_view fields, absl::string_view keyword) {
  while (fields.size() >= 3) {
    const size_t length = Octet(fields, 2);
    if (fields.size() < 3 + length) return "";
    const absl::string_view value = fields.substr(3, length);
    if (fields.substr(0, 2) == keyword) {
      return std::string(absl::StripAsciiWhitespace(value.substr(0, value.find('\0'))));
    }
    fields.remove_prefix(3 + length);
  }
  return "";
}

std::string Large(uint8_t tag, absl::string_view data) {
  std::string resource(1, static_cast<char>(tag));
  resource.push_back(static_cast<char>(data.size() & 0xff));
  resource.push_back(static_cast<char>(data.size() >> 8));
  return absl::StrCat(resource, data);
}

}  // namespace

std::string VpdSerial(absl::string_view vpd) {
  while (!vpd.empty()) {
    const uint8_t tag = Octet(vpd, 0);
    if (tag == kEnd) return "";
    size_t header = 1;
    size_t length = tag & 7;
    if ((tag & 0x80) != 0) {
      if (vpd.size() < 3) return "";
      header = 3;
      length = Octet(vpd, 1) | static_cast<size_t>(Octet(vpd, 2)) << 8;
    }
    if (vpd.size() < header + length) return "";
    if (tag == kReadOnly) return FindKeyword(vpd.substr(header, length), "SN");
    vpd.remove_prefix(header + length);
  }
  return "";
}

std::string MakeVpd(absl::string_view name, absl::string_view serial) {
  name = name.substr(0, 255);
  serial = serial.substr(0, 255);
  std::string fields = "SN";
  fields.push_back(static_cast<char>(serial.size()));
  absl::StrAppend(&fields, serial);
  return absl::StrCat(Large(kName, name), Large(kReadOnly, fields), std::string(1, static_cast<char>(kEnd)));
}

}  // namespace xpu
