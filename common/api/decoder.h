#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>

#include "absl/strings/string_view.h"
#include "common/api/field_error.h"
#include "common/api/schema.h"
#include "nlohmann/json.hpp"

namespace xpu::api {

// Reads JSON by a descriptor and collects what does not fit. With a null message it only looks.
class Decoder {
 public:
  // Whether apiVersion, kind and metadata are left to others at the root.
  explicit Decoder(bool has_envelope = true) : has_envelope_(has_envelope) {}
  void ReadMessage(const nlohmann::json& in, const Place& place, const google::protobuf::Descriptor& type,
                   google::protobuf::Message* out);
  FieldErrors Take() { return std::move(errors_); }

 private:
  void ReadField(const nlohmann::json& in, const Place& place, const google::protobuf::FieldDescriptor& field,
                 google::protobuf::Message* out);
  void ReadValue(const nlohmann::json& in, const Place& place, const google::protobuf::FieldDescriptor& field,
                 google::protobuf::Message* out);
  void ReadInteger(const nlohmann::json& in, const Place& place,
                   const google::protobuf::FieldDescriptor& field, google::protobuf::Message* out);
  void WrongType(const Place& place, absl::string_view wanted, const nlohmann::json& got);

  const bool has_envelope_;
  FieldErrors errors_;
};

}  // namespace xpu::api
