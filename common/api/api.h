#pragma once

// Resource kinds: each is declared once, as a protobuf message under proto/xpu/api, and everything here
// follows from its descriptor and options. Objects travel as JSON in Kubernetes' form (apiVersion, kind,
// metadata, spec, status); the messages are the typed view of spec and status. All functions are pure and
// safe from any thread.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/api/field_error.h"
#include "common/api/kinds.h"
#include "common/api/selector.h"
#include "common/api/yaml.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace google::protobuf {
class Descriptor;
class Message;
}  // namespace google::protobuf

namespace xpu::api {

// Reads spec and status of `object` into `message`, which is of the type `kind.message`. Strict: names are
// lowerCamelCase as in the object, unknown fields and values of another type are refused. A null is an absent
// field, as in Kubernetes. All errors are found, not only the first. Rules of the fields (format, bounds,
// ...) are not looked at: that is Validate's part.
FieldErrors DecodeMessage(const nlohmann::json& object, google::protobuf::Message* message);
// {"spec": ..., "status": ...}; fields with their default value and empty parts are left out.
nlohmann::json EncodeMessage(const google::protobuf::Message& message);

// The same, typed: T is xpu::api::v1alpha1::Network, Netdev, ... The error is InvalidArgument and names the
// object and every wrong field.
template <class T>
absl::StatusOr<T> Decode(const nlohmann::json& object);
template <class T>
nlohmann::json Encode(const T& message) {
  return EncodeMessage(message);
}

// "Network default/blue" for messages; says what it can of an object that is not well formed.
std::string Describe(const nlohmann::json& object);

// Removes nulls and fills in the defaults of absent fields of spec (of status none: it belongs to its
// writer).
void ApplyDefaults(const KindInfo& kind, nlohmann::json* object);

// All that is wrong with `object`: its type and metadata, fields, their rules, and the rules of the kind
// across fields. `old_object`, if not null, is what it replaces: then also immutable fields that differ. Call
// it after ApplyDefaults. Empty: the object is valid.
FieldErrors Validate(const KindInfo& kind, const nlohmann::json& object, const nlohmann::json* old_object);

// All that is wrong with `object` by the declaration of a message that is no kind, such as a configuration
// file's: unknown and ill-typed fields, and their rules. It has no envelope: apiVersion, kind and metadata
// are fields like others.
FieldErrors ValidateMessage(const google::protobuf::Descriptor& type, const nlohmann::json& object);

// Metadata alone, with paths from "metadata": names and label syntax as Kubernetes has them, unknown fields
// refused. metadata.name may be absent where there is a generateName.
FieldErrors ValidateMetadata(const KindInfo& kind, const nlohmann::json& object);

template <class T>
absl::StatusOr<T> Decode(const nlohmann::json& object) {
  T message;
  XPU_RETURN_IF_ERROR(ToStatus(DecodeMessage(object, &message), Describe(object)));
  return message;
}

}  // namespace xpu::api
