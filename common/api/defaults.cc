#include <google/protobuf/descriptor.h>

#include "common/api/api.h"
#include "common/api/open_kinds.h"
#include "common/api/schema.h"
#include "common/api/structural_schema.h"

namespace xpu::api {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using nlohmann::json;

void DropNulls(json* value) {
  if (value->is_object()) {
    for (auto it = value->begin(); it != value->end();) {
      if (it->is_null()) {
        it = value->erase(it);
      } else {
        DropNulls(&*it);
        ++it;
      }
    }
  } else if (value->is_array()) {
    // An item that is null is not absent: it stays, and is refused by its type.
    for (json& item : *value) DropNulls(&item);
  }
}

void FillIn(const Descriptor& type, json* object) {
  if (!object->is_object()) return;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    auto it = object->find(field.json_name());
    if (it == object->end()) {
      const std::string& text = RulesOf(field).default_json();
      if (!text.empty())
        (*object)[field.json_name()] = json::parse(text, nullptr, /*allow_exceptions=*/false);
    } else if (field.message_type() != nullptr && it->is_array()) {
      for (json& item : *it) FillIn(*field.message_type(), &item);
    } else if (field.message_type() != nullptr) {
      FillIn(*field.message_type(), &*it);
    }
  }
}

}  // namespace

void ApplyDefaults(const KindInfo& kind, json* object) {
  if (!object->is_object()) return;
  if (kind.message == nullptr) {
    if (kind.schema != nullptr) kind.schema->Default(object);
    return;
  }
  if (kind.open) return FillInOpenKind(kind, object);
  DropNulls(object);
  const FieldDescriptor* spec = kind.message->FindFieldByName("spec");
  auto it = object->find("spec");
  if (spec != nullptr && it != object->end()) FillIn(*spec->message_type(), &*it);
}

}  // namespace xpu::api
