#include "xpu-agent/datapath/ovs/flow_shape.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace xpu {
namespace {

// What a character can be part of.
constexpr uint8_t kOfValue = 1;
constexpr uint8_t kDigit = 2;
// Behind a value.
constexpr uint8_t kEnd = 4;
// Before a value.
constexpr uint8_t kBegin = 8;

constexpr std::array<uint8_t, 256> MakeKinds() {
  std::array<uint8_t, 256> kinds = {};
  const auto add = [&kinds](std::string_view characters, uint8_t kind) {
    for (const char c : characters) kinds[static_cast<uint8_t>(c)] |= kind;
  };
  add("0123456789abcdefABCDEFx:./", kOfValue);
  add("0123456789", kDigit);
  add(",) -]", kEnd);
  add("=:,(", kBegin);
  return kinds;
}
constexpr std::array<uint8_t, 256> kKinds = MakeKinds();

uint8_t KindOf(char c) { return kKinds[static_cast<uint8_t>(c)]; }

// How long the number or address is that `text` begins with; 0 if it begins with none.
size_t ValueLength(absl::string_view text, bool* has_mask) {
  size_t length = 0;
  uint8_t seen = 0;
  bool has_colons = false;
  *has_mask = false;
  for (; length < text.size() && (KindOf(text[length]) & kOfValue) != 0; ++length) {
    const char c = text[length];
    seen |= KindOf(c);
    *has_mask |= c == '/';
    has_colons |= c == ':' && length > 0 && text[length - 1] == ':';
  }
  // A word that only looks like one ("add") is followed by more of it, and an address has a digit or a colon.
  const bool ends = length == text.size() || (KindOf(text[length]) & kEnd) != 0;
  return ends && ((seen & kDigit) != 0 || has_colons) ? length : 0;
}

}  // namespace

std::string FlowShape(absl::string_view text) {
  std::string shape;
  shape.reserve(text.size());
  size_t element = 0;  // Where the last element of the list begins in `shape`.
  size_t before = 0;   // And the one before it.
  // Whether the element that ends here is the same as the one before: then one of them says it.
  const auto repeats = [&] {
    const absl::string_view all = shape;
    return before < element && all.substr(element) == all.substr(before, element - 1 - before);
  };
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && (KindOf(text[end]) & kBegin) == 0) ++end;
    shape.append(text.data() + i, end - i);
    if (end == text.size()) break;
    if (text[end] == ',') {
      const bool again = repeats();
      if (again) shape.resize(element - 1);
      before = again ? before : element;
      shape += ',';
      element = shape.size();
    } else {
      shape += text[end];
    }
    i = end + 1;
    bool has_mask = false;
    const size_t length = ValueLength(text.substr(i), &has_mask);
    if (length == 0) continue;
    shape += has_mask ? "#/#" : "#";
    i += length;
  }
  if (repeats()) shape.resize(element - 1);
  return shape;
}

}  // namespace xpu
