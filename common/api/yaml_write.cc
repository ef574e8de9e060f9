#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/api/yaml.h"
#include "common/api/yaml_scalar.h"

namespace xpu::api {
namespace {

using nlohmann::json;

std::string Quoted(const std::string& text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

// May stand without quotes: reads back as the same string in block context.
bool IsPlain(const std::string& text) {
  if (text.empty() || !ResolvePlainScalar(text).is_string()) return false;
  if (!absl::ascii_isalnum(text[0]) && text[0] != '/' && text[0] != '.' && text[0] != '_') return false;
  if (text.back() == ':' || text.back() == ' ') return false;
  if (absl::StrContains(text, ": ") || absl::StrContains(text, " #")) return false;
  if (absl::StartsWith(text, "...")) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isprint(c); });
}

std::string Scalar(const json& value) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    return IsPlain(text) ? text : Quoted(text);
  }
  if (value.is_object()) return "{}";
  if (value.is_array()) return "[]";
  return value.dump();
}

bool IsBlock(const json& value) { return (value.is_object() || value.is_array()) && !value.empty(); }

// The order in which manifests are written; the others follow by name.
int Rank(const std::string& key) {
  static constexpr absl::string_view kFirst[] = {"apiVersion", "kind", "metadata"};
  const auto* it = std::find(std::begin(kFirst), std::end(kFirst), key);
  return static_cast<int>(it - std::begin(kFirst));
}

// Writes a block whose first line begins at the place where `out` ends and whose others are indented.
void Write(const json& value, size_t indent, std::string* out) {
  std::string margin(indent, ' ');
  bool first = true;
  auto begin_line = [&] {
    if (!first) out->append(margin);
    first = false;
  };
  if (value.is_array()) {
    for (const json& item : value) {
      begin_line();
      out->append("- ");
      if (IsBlock(item)) {
        Write(item, indent + 2, out);
      } else {
        absl::StrAppend(out, Scalar(item), "\n");
      }
    }
    return;
  }
  std::vector<std::string> keys;
  for (const auto& [key, item] : value.items()) keys.push_back(key);
  if (indent == 0) {
    std::stable_sort(keys.begin(), keys.end(),
                     [](const std::string& a, const std::string& b) { return Rank(a) < Rank(b); });
  }
  for (const std::string& key : keys) {
    const json& item = value.at(key);
    begin_line();
    absl::StrAppend(out, IsPlain(key) ? key : Quoted(key), ":");
    if (!IsBlock(item)) {
      absl::StrAppend(out, " ", Scalar(item), "\n");
    } else if (item.is_array()) {
      // A list stands at its key's column, as kubectl writes it.
      absl::StrAppend(out, "\n", margin);
      Write(item, indent, out);
    } else {
      absl::StrAppend(out, "\n", margin, "  ");
      Write(item, indent + 2, out);
    }
  }
}

}  // namespace

std::string JsonToYaml(const json& value) {
  std::string out;
  if (!IsBlock(value)) return absl::StrCat(Scalar(value), "\n");
  Write(value, 0, &out);
  return out;
}

}  // namespace xpu::api
