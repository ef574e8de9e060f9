#include <yaml-cpp/yaml.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/api/yaml.h"
#include "common/api/yaml_scalar.h"
#include "common/base/status_macros.h"

namespace xpu::api {
namespace {

using nlohmann::json;

// Bounds on what aliases may make of a small text.
constexpr int kMaxDepth = 100;
constexpr size_t kMaxValues = 200'000;
constexpr size_t kMaxBytes = 16 << 20;

class Converter {
 public:
  explicit Converter(absl::string_view source) : source_(source) {}

  absl::StatusOr<json> Convert(const YAML::Node& node, int depth = 0) {
    if (depth > kMaxDepth) return Error(node, "nested too deeply");
    if (++values_ > kMaxValues || bytes_ > kMaxBytes)
      return Error(node, "aliases make the document too large");
    switch (node.Type()) {
      case YAML::NodeType::Scalar:
        return Scalar(node);
      case YAML::NodeType::Sequence: {
        json out = json::array();
        for (const YAML::Node& item : node) {
          XPU_ASSIGN_OR_RETURN(json value, Convert(item, depth + 1));
          out.push_back(std::move(value));
        }
        return out;
      }
      case YAML::NodeType::Map:
        return Map(node, depth);
      default:
        return json(nullptr);
    }
  }

  absl::Status Error(const YAML::Node& node, absl::string_view message) const {
    return Error(node.Mark(), message);
  }
  absl::Status Error(const YAML::Mark& mark, absl::string_view message) const {
    return absl::InvalidArgumentError(absl::StrCat(source_, ":", mark.line + 1, ": ", message));
  }

 private:
  // The mark that yaml-cpp gives a quoted scalar is "!", a plain one has "?".
  absl::StatusOr<json> Scalar(const YAML::Node& node) {
    const std::string& text = node.Scalar();
    const std::string& tag = node.Tag();
    bytes_ += text.size();
    json out = tag == "?" || tag.empty() ? ResolvePlainScalar(text) : json(text);
    constexpr absl::string_view kTags = "tag:yaml.org,2002:";
    if (absl::string_view type = tag; absl::ConsumePrefix(&type, kTags) && type != "str") {
      out = ResolvePlainScalar(text);
      bool fits = (type == "int" && out.is_number_integer()) || (type == "float" && out.is_number()) ||
                  (type == "bool" && out.is_boolean()) || (type == "null" && out.is_null());
      if (!fits) return Error(node, absl::StrCat("\"", text, "\" is no !!", type));
    }
    try {
      (void)out.dump();
    } catch (const json::exception&) {
      return Error(node, "the text is not UTF-8");
    }
    return out;
  }

  absl::StatusOr<json> Map(const YAML::Node& node, int depth) {
    json out = json::object();
    std::vector<json> merged;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) return Error(entry.first, "a key must be a plain word or a string");
      const std::string& key = entry.first.Scalar();
      bytes_ += key.size();
      XPU_ASSIGN_OR_RETURN(json value, Convert(entry.second, depth + 1));
      if (key == "<<" && entry.first.Tag() == "?") {
        XPU_RETURN_IF_ERROR(Collect(entry.second, std::move(value), &merged));
      } else if (out.contains(key)) {
        return Error(entry.first, absl::StrCat("the key \"", key, "\" is there twice"));
      } else {
        out[key] = std::move(value);
      }
    }
    // What stands in the mapping wins, then what was merged first.
    for (const json& map : merged) {
      for (const auto& [key, value] : map.items()) {
        if (!out.contains(key)) out[key] = value;
      }
    }
    return out;
  }

  absl::Status Collect(const YAML::Node& node, json value, std::vector<json>* merged) {
    if (value.is_object()) value = json::array({std::move(value)});
    if (!value.is_array()) return Error(node, "\"<<\" needs a mapping or a list of mappings");
    for (json& map : value) {
      if (!map.is_object()) return Error(node, "\"<<\" needs a mapping or a list of mappings");
      merged->push_back(std::move(map));
    }
    return absl::OkStatus();
  }

  absl::string_view source_;
  size_t values_ = 0;
  size_t bytes_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<YamlDocument>> YamlToJson(absl::string_view text, absl::string_view source) {
  std::vector<YamlDocument> documents;
  Converter converter(source);
  try {
    for (const YAML::Node& node : YAML::LoadAll(std::string(text))) {
      if (!node.IsDefined() || node.IsNull()) continue;
      XPU_ASSIGN_OR_RETURN(json value, converter.Convert(node));
      documents.push_back({std::move(value), node.Mark().line + 1});
    }
  } catch (const YAML::Exception& e) {
    return converter.Error(e.mark, absl::StrCat("not YAML: ", e.msg));
  } catch (const std::exception& e) {
    return absl::InvalidArgumentError(absl::StrCat(source, ": not YAML: ", e.what()));
  }
  return documents;
}

}  // namespace xpu::api
