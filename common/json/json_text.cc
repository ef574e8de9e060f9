#include "common/json/json_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;

// More than most objects have.
constexpr size_t kUsualBytes = 1024;

std::string ByLibrary(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

bool IsPlain(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= ' ' && c != '"' && c != '\\' && (c & 0x80) == 0; });
}

void AppendText(const std::string& text, std::string& out) {
  if (!IsPlain(text)) {
    out.append(ByLibrary(text));
    return;
  }
  out.push_back('"');
  out.append(text);
  out.push_back('"');
}

void Append(const json& value, std::string& out) {
  switch (value.type()) {
    case json::value_t::object: {
      char before = '{';
      for (const auto& [name, member] : value.get_ref<const json::object_t&>()) {
        out.push_back(before);
        AppendText(name, out);
        out.push_back(':');
        Append(member, out);
        before = ',';
      }
      out.append(value.empty() ? "{}" : "}");
      return;
    }
    case json::value_t::array: {
      char before = '[';
      for (const json& item : value) {
        out.push_back(before);
        Append(item, out);
        before = ',';
      }
      out.append(value.empty() ? "[]" : "]");
      return;
    }
    case json::value_t::string:
      return AppendText(value.get_ref<const std::string&>(), out);
    case json::value_t::number_integer:
      return absl::StrAppend(&out, value.get_ref<const json::number_integer_t&>());
    case json::value_t::number_unsigned:
      return absl::StrAppend(&out, value.get_ref<const json::number_unsigned_t&>());
    default:
      out.append(ByLibrary(value));
  }
}

}  // namespace

std::string JsonText(const json& value) {
  std::string out;
  out.reserve(kUsualBytes);
  Append(value, out);
  return out;
}

}  // namespace xpu
