#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <memory>
#include <set>

#include "absl/strings/str_join.h"
#include "common/api/api.h"
#include "common/api/decoder.h"
#include "common/api/formats.h"
#include "common/api/kind_rules.h"
#include "common/api/open_kinds.h"
#include "common/api/schema.h"
#include "common/api/structural_schema.h"

namespace xpu::api {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using nlohmann::json;
using v1alpha1::FieldOptions;

// Not there as far as proto3 and the rules see it.
bool IsEmpty(const json* value) {
  if (value == nullptr) return true;
  return value->is_string() ? value->get_ref<const std::string&>().empty()
                            : value->is_array() && value->empty();
}

// Looks at the rules of fields. What has the wrong type has been reported before and is passed over.
class RuleChecker {
 public:
  explicit RuleChecker(FieldErrors* errors) : errors_(*errors) {}

  void Message(const Descriptor& type, const json& object, const json* old, const Place& place) {
    if (!object.is_object()) return;
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      const json* old_value = old != nullptr && old->is_object() ? Present(*old, field.json_name()) : nullptr;
      Field(field, Present(object, field.json_name()), old_value, place.Field(field.json_name()));
    }
  }

 private:
  void Field(const FieldDescriptor& field, const json* value, const json* old, const Place& place) {
    const FieldOptions& rules = RulesOf(field);
    if (rules.immutable() && !IsEmpty(old) && (value == nullptr || *value != *old)) {
      Add("FieldValueInvalid", place,
          absl::StrCat("cannot be changed once it is set (it is ", Quote(*old),
                       "); delete the object and make it again"));
    }
    if (rules.required() && IsEmpty(value)) return Add("FieldValueRequired", place, "must be set");
    if (value == nullptr) return;
    if (!field.is_repeated()) return Value(field, *value, old, place);
    if (!value->is_array()) return;
    auto size = static_cast<int64_t>(value->size());
    if (rules.has_min_items() && size < rules.min_items()) {
      Add("FieldValueInvalid", place, absl::StrCat("must have at least ", rules.min_items(), " items"));
    }
    if (rules.has_max_items() && size > rules.max_items()) {
      Add("FieldValueTooMany", place,
          absl::StrCat("must have at most ", rules.max_items(), " items, has ", size));
    }
    for (size_t i = 0; i < value->size(); ++i) Value(field, (*value)[i], nullptr, place.At(i));
    if (rules.list_keys_size() > 0) DistinctItems(rules, *value, place);
  }

  // No two items of a list may have the same keys.
  void DistinctItems(const FieldOptions& rules, const json& list, const Place& place) {
    std::set<json> seen;
    for (size_t i = 0; i < list.size(); ++i) {
      if (!list[i].is_object()) continue;
      json keys = json::array();
      for (const std::string& key : rules.list_keys()) keys.push_back(list[i].value(key, json()));
      if (!seen.insert(keys).second) {
        Add("FieldValueDuplicate", place.At(i),
            absl::StrCat("has the same ", absl::StrJoin(rules.list_keys(), ", "), " as another item"));
      }
    }
  }

  void Value(const FieldDescriptor& field, const json& value, const json* old, const Place& place) {
    const FieldOptions& rules = RulesOf(field);
    if (field.message_type() != nullptr) return Message(*field.message_type(), value, old, place);
    if (value.is_string()) return Text(field, value.get_ref<const std::string&>(), place);
    if (!value.is_number_integer()) return;
    auto number = value.get<int64_t>();
    if ((rules.has_min() && number < rules.min()) || (rules.has_max() && number > rules.max())) {
      std::string bounds = !rules.has_max()   ? absl::StrCat("at least ", rules.min())
                           : !rules.has_min() ? absl::StrCat("at most ", rules.max())
                                              : absl::StrCat("between ", rules.min(), " and ", rules.max());
      Add("FieldValueInvalid", place, absl::StrCat("must be ", bounds, ", not ", number));
    }
  }

  void Text(const FieldDescriptor& field, const std::string& text, const Place& place) {
    const FieldOptions& rules = RulesOf(field);
    if (text.empty() && !field.is_repeated()) return;
    if (std::string wanted = CheckFormat(rules.format(), text); !wanted.empty()) {
      Add("FieldValueInvalid", place, absl::StrCat("must be ", wanted, ", not ", Quote(text)));
    }
    const auto& allowed = rules.one_of();
    if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), text) == allowed.end()) {
      Add("FieldValueNotSupported", place,
          absl::StrCat("must be one of ", absl::StrJoin(allowed, ", "), ", not ", Quote(text)));
    }
  }

  void Add(absl::string_view reason, const Place& place, std::string message) {
    errors_.push_back({std::string(reason), place.ToString(), std::move(message)});
  }

  FieldErrors& errors_;
};

void CheckType(const KindInfo& kind, const json& object, FieldErrors* errors) {
  auto check = [&](const char* name, const std::string& wanted) {
    const json* value = Present(object, name);
    if (value == nullptr) {
      errors->push_back({"FieldValueRequired", name, absl::StrCat("must be \"", wanted, "\"")});
    } else if (!value->is_string() || value->get_ref<const std::string&>() != wanted) {
      errors->push_back({"FieldValueInvalid", name, absl::StrCat("must be \"", wanted, "\"")});
    }
  };
  check("apiVersion", kind.resource.ApiVersion());
  check("kind", kind.resource.kind);
}

}  // namespace

FieldErrors Validate(const KindInfo& kind, const json& object, const json* old_object) {
  if (!object.is_object()) {
    return {{"FieldValueTypeInvalid", "", absl::StrCat("must be an object, not ", TypeInWords(object))}};
  }
  FieldErrors errors;
  CheckType(kind, object, &errors);
  for (FieldError& error : ValidateMetadata(kind, object)) errors.push_back(std::move(error));
  if (kind.message == nullptr) {
    if (kind.schema == nullptr) return errors;
    for (FieldError& error : kind.schema->Validate(object, old_object)) errors.push_back(std::move(error));
    return errors;
  }
  if (kind.open) {
    CheckOpenKind(kind, object, &errors);
    return errors;
  }
  Decoder structure;
  const std::unique_ptr<google::protobuf::Message> message = MessageWithRules(kind);
  structure.ReadMessage(object, Place(), *kind.message, message.get());
  const FieldErrors misfits = structure.Take();
  errors.insert(errors.end(), misfits.begin(), misfits.end());
  RuleChecker(&errors).Message(*kind.message, object, old_object, Place());
  if (message != nullptr && misfits.empty()) CheckKindRules(*message, &errors);
  return errors;
}

FieldErrors ValidateMessage(const Descriptor& type, const json& object) {
  Decoder structure(/*has_envelope=*/false);
  structure.ReadMessage(object, Place(), type, nullptr);
  FieldErrors errors = structure.Take();
  RuleChecker(&errors).Message(type, object, nullptr, Place());
  return errors;
}

}  // namespace xpu::api
