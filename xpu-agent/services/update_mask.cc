#include "xpu-agent/services/update_mask.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/protobuf/descriptor.h"

namespace xpu {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

void ReplaceField(const Message& from, const FieldDescriptor& field, Message* to) {
  // A message with this field alone merges into a cleared one as a plain copy.
  Message* alone = from.New();
  alone->CopyFrom(from);
  std::vector<const FieldDescriptor*> set;
  alone->GetReflection()->ListFields(*alone, &set);
  for (const FieldDescriptor* other : set) {
    if (other != &field) alone->GetReflection()->ClearField(alone, other);
  }
  to->GetReflection()->ClearField(to, &field);
  to->MergeFrom(*alone);
  delete alone;
}

}  // namespace

absl::Status ApplyUpdateMask(const google::protobuf::FieldMask& mask, const Message& from, Message* to) {
  const FieldDescriptor* spec = from.GetDescriptor()->FindFieldByName("spec");
  const Message& from_spec = from.GetReflection()->GetMessage(from, spec);
  Message* to_spec = to->GetReflection()->MutableMessage(to, spec);
  std::vector<const FieldDescriptor*> fields;
  if (mask.paths().empty()) {
    from_spec.GetReflection()->ListFields(from_spec, &fields);
  }
  for (const std::string& path : mask.paths()) {
    absl::string_view rest = path;
    if (path == "*" || path == "spec") {
      for (int i = 0; i < spec->message_type()->field_count(); ++i)
        fields.push_back(spec->message_type()->field(i));
      continue;
    }
    const FieldDescriptor* field = absl::ConsumePrefix(&rest, "spec.")
                                       ? spec->message_type()->FindFieldByName(std::string(rest))
                                       : nullptr;
    if (field == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(
          "update_mask: \"", path, "\" is no field that can be changed; name \"spec\" or a field of it"));
    }
    fields.push_back(field);
  }
  for (const FieldDescriptor* field : fields) ReplaceField(from_spec, *field, to_spec);
  return absl::OkStatus();
}

}  // namespace xpu
