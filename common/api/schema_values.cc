// Defaults and pruning by a structural schema.
#include "absl/strings/str_cat.h"
#include "common/api/schema.h"
#include "common/api/structural_schema.h"

namespace xpu::api {
namespace {

using nlohmann::json;

bool IsEnvelope(absl::string_view name) {
  return name == "apiVersion" || name == "kind" || name == "metadata";
}

const SchemaNode* FieldOf(const SchemaNode& node, const std::string& name) {
  const auto it = node.properties.find(name);
  return it == node.properties.end() ? node.additional.get() : it->second.get();
}

void FillIn(const SchemaNode& node, json* value, bool at_root) {
  if (value->is_object()) {
    for (const auto& [name, field] : node.properties) {
      if (at_root && IsEnvelope(name)) continue;
      auto it = value->find(name);
      // As Kubernetes: a null where none may be is as good as nothing if there is a default.
      if (it != value->end() && it->is_null() && !field->nullable && field->default_value) {
        value->erase(it);
        it = value->end();
      }
      if (it == value->end() && field->default_value) (*value)[name] = *field->default_value;
    }
    for (auto& [name, inner] : value->items()) {
      if (at_root && IsEnvelope(name)) continue;
      if (const SchemaNode* field = FieldOf(node, name)) FillIn(*field, &inner, false);
    }
  } else if (value->is_array() && node.items != nullptr) {
    for (json& item : *value) FillIn(*node.items, &item, false);
  }
}

void Cut(const SchemaNode& node, json* value, const std::string& path, bool at_root,
         std::vector<std::string>* cut) {
  if (value->is_array()) {
    for (size_t i = 0; node.items != nullptr && i < value->size(); ++i) {
      Cut(*node.items, &(*value)[i], Item(path, i), false, cut);
    }
    return;
  }
  if (!value->is_object()) return;
  const bool keeps_envelope = at_root || node.embedded_resource;
  for (auto it = value->begin(); it != value->end();) {
    const std::string inner = Join(path, it.key());
    const SchemaNode* field = FieldOf(node, it.key());
    if (keeps_envelope && IsEnvelope(it.key())) {
      ++it;
    } else if (field != nullptr) {
      Cut(*field, &*it, inner, false, cut);
      ++it;
    } else if (node.preserve_unknown || node.any_additional) {
      ++it;
    } else {
      cut->push_back(inner);
      it = value->erase(it);
    }
  }
}

}  // namespace

void StructuralSchema::Default(json* object) const { FillIn(*root_, object, /*at_root=*/true); }

std::vector<std::string> StructuralSchema::Prune(json* object) const {
  std::vector<std::string> cut;
  Cut(*root_, object, "", /*at_root=*/true, &cut);
  return cut;
}

}  // namespace xpu::api
