#include "xpu-agent/datapath/ovs/flow_shape.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace xpu {
namespace {

bool IsOfValue(char c) { return absl::ascii_isxdigit(c) || c == ':' || c == '.' || c == '/' || c == 'x'; }

// How long the number or address is that `text` begins with; 0 if it begins with none.
size_t ValueLength(absl::string_view text) {
  size_t length = 0;
  bool has_digit = false;
  while (length < text.size() && IsOfValue(text[length])) {
    has_digit |= absl::ascii_isdigit(text[length]);
    ++length;
  }
  // A word that only looks like one ("add") is followed by more of it, and an address has a digit or a colon.
  const bool ends = length == text.size() || absl::StrContains(",) -]", text.substr(length, 1));
  const bool is_value = has_digit || absl::StrContains(text.substr(0, length), "::");
  return length > 0 && ends && is_value ? length : 0;
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
    const char c = text[i++];
    if (c == ',') {
      const bool again = repeats();
      if (again) shape.resize(element - 1);
      before = again ? before : element;
      shape += c;
      element = shape.size();
    } else {
      shape += c;
    }
    if (c != '=' && c != ':' && c != ',' && c != '(') continue;
    const size_t length = ValueLength(text.substr(i));
    if (length == 0) continue;
    shape += absl::StrContains(text.substr(i, length), '/') ? "#/#" : "#";
    i += length;
  }
  if (repeats()) shape.resize(element - 1);
  return shape;
}

}  // namespace xpu
