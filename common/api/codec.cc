#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <limits>

#include "absl/strings/str_join.h"
#include "common/api/api.h"
#include "common/api/decoder.h"
#include "common/api/schema.h"

namespace xpu::api {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using nlohmann::json;

bool IsEnvelope(absl::string_view name) {
  return name == "apiVersion" || name == "kind" || name == "metadata";
}

std::string KnownFields(const Descriptor& type) {
  std::vector<std::string> names;
  names.reserve(type.field_count());
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->json_name());
  std::sort(names.begin(), names.end());
  return absl::StrJoin(names, ", ");
}

json EncodeScalar(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& r = *message.GetReflection();
  bool repeated = index >= 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return repeated ? r.GetRepeatedString(message, &field, index) : r.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return repeated ? r.GetRepeatedBool(message, &field, index) : r.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_INT32:
      return repeated ? r.GetRepeatedInt32(message, &field, index) : r.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return repeated ? r.GetRepeatedInt64(message, &field, index) : r.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return EncodeMessage(repeated ? r.GetRepeatedMessage(message, &field, index)
                                    : r.GetMessage(message, &field));
    default:
      return nullptr;
  }
}

}  // namespace

absl::string_view TypeInWords(const json& value) {
  switch (value.type()) {
    case json::value_t::null:
      return "null";
    case json::value_t::object:
      return "an object";
    case json::value_t::array:
      return "a list";
    case json::value_t::string:
      return "a string";
    case json::value_t::boolean:
      return "a boolean";
    default:
      return "a number";
  }
}

void Decoder::ReadMessage(const json& in, const Place& place, const Descriptor& type, Message* out) {
  if (!in.is_object()) return WrongType(place, "an object", in);
  for (const auto& [name, value] : in.items()) {
    if (has_envelope_ && place.is_root() && IsEnvelope(name)) continue;
    const FieldDescriptor* field = nullptr;
    for (int i = 0; i < type.field_count() && field == nullptr; ++i) {
      if (type.field(i)->json_name() == name) field = type.field(i);
    }
    if (field == nullptr) {
      errors_.push_back({"FieldValueForbidden", place.Field(name).ToString(),
                         absl::StrCat("unknown field; known here: ", KnownFields(type))});
    } else if (!value.is_null()) {
      ReadField(value, place.Field(name), *field, out);
    }
  }
}

void Decoder::ReadField(const json& in, const Place& place, const FieldDescriptor& field, Message* out) {
  if (!field.is_repeated()) return ReadValue(in, place, field, out);
  if (!in.is_array()) return WrongType(place, "a list", in);
  for (size_t i = 0; i < in.size(); ++i) ReadValue(in[i], place.At(i), field, out);
}

void Decoder::ReadValue(const json& in, const Place& place, const FieldDescriptor& field, Message* out) {
  const Reflection* r = out == nullptr ? nullptr : out->GetReflection();
  bool repeated = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      Message* inner = r == nullptr ? nullptr
                       : repeated   ? r->AddMessage(out, &field)
                                    : r->MutableMessage(out, &field);
      return ReadMessage(in, place, *field.message_type(), inner);
    }
    case FieldDescriptor::CPPTYPE_STRING:
      if (!in.is_string()) return WrongType(place, "a string", in);
      if (r == nullptr) return;
      return repeated ? r->AddString(out, &field, in.get<std::string>())
                      : r->SetString(out, &field, in.get<std::string>());
    case FieldDescriptor::CPPTYPE_BOOL:
      if (!in.is_boolean()) return WrongType(place, "true or false", in);
      if (r == nullptr) return;
      return repeated ? r->AddBool(out, &field, in.get<bool>()) : r->SetBool(out, &field, in.get<bool>());
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
      return ReadInteger(in, place, field, out);
    default:
      // A kind that uses a type which objects have no form for; a test goes through all kinds.
      errors_.push_back({"InternalError", place.ToString(),
                         absl::StrCat("type ", field.type_name(), " has no form in JSON")});
  }
}

void Decoder::ReadInteger(const json& in, const Place& place, const FieldDescriptor& field, Message* out) {
  if (!in.is_number()) return WrongType(place, "a whole number", in);
  bool wide = field.cpp_type() == FieldDescriptor::CPPTYPE_INT64;
  int64_t low = wide ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int32_t>::min();
  int64_t high = wide ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int32_t>::max();
  if (!in.is_number_integer()) {
    errors_.push_back(
        {"FieldValueTypeInvalid", place.ToString(), absl::StrCat("must be a whole number, not ", Quote(in))});
    return;
  }
  bool too_large = in.is_number_unsigned() && in.get<uint64_t>() > static_cast<uint64_t>(high);
  if (too_large || in.get<int64_t>() < low || in.get<int64_t>() > high) {
    errors_.push_back({"FieldValueInvalid", place.ToString(),
                       absl::StrCat("must be between ", low, " and ", high, ", not ", Quote(in))});
    return;
  }
  if (out == nullptr) return;
  const Reflection* r = out->GetReflection();
  int64_t value = in.get<int64_t>();
  if (wide) {
    field.is_repeated() ? r->AddInt64(out, &field, value) : r->SetInt64(out, &field, value);
  } else {
    auto narrow = static_cast<int32_t>(value);
    field.is_repeated() ? r->AddInt32(out, &field, narrow) : r->SetInt32(out, &field, narrow);
  }
}

void Decoder::WrongType(const Place& place, absl::string_view wanted, const json& got) {
  errors_.push_back({"FieldValueTypeInvalid", place.ToString(),
                     absl::StrCat("must be ", wanted, ", not ", TypeInWords(got))});
}

FieldErrors DecodeMessage(const json& object, Message* message) {
  Decoder decoder;
  decoder.ReadMessage(object, Place(), *message->GetDescriptor(), message);
  return decoder.Take();
}

json EncodeMessage(const Message& message) {
  json out = json::object();
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    json value;
    if (field->is_repeated()) {
      value = json::array();
      int size = message.GetReflection()->FieldSize(message, field);
      for (int i = 0; i < size; ++i) value.push_back(EncodeScalar(message, *field, i));
    } else {
      value = EncodeScalar(message, *field, -1);
      if (value.is_object() && value.empty()) continue;
    }
    out[field->json_name()] = std::move(value);
  }
  return out;
}

std::string Describe(const json& object) {
  auto text = [](const json& in, const char* name) {
    if (!in.is_object()) return std::string();
    const json* value = Present(in, name);
    return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
  };
  std::string kind = text(object, "kind");
  const json* metadata = object.is_object() ? Present(object, "metadata") : nullptr;
  std::string ns = metadata == nullptr ? "" : text(*metadata, "namespace");
  std::string name = metadata == nullptr ? "" : text(*metadata, "name");
  std::string out = kind.empty() ? "object" : kind;
  if (name.empty()) return out;
  return ns.empty() ? absl::StrCat(out, " ", name) : absl::StrCat(out, " ", ns, "/", name);
}

}  // namespace xpu::api
