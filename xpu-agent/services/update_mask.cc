#include "xpu-agent/services/update_mask.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/util/field_mask_util.h"

namespace xpu {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::FieldMask;
using google::protobuf::Message;
using google::protobuf::util::FieldMaskUtil;

constexpr absl::string_view kSpec = "spec";

// All that is set.
FieldMask MaskOf(const Message& from) {
  FieldMask mask;
  const FieldDescriptor* spec = from.GetDescriptor()->FindFieldByName(std::string(kSpec));
  const Message& from_spec = from.GetReflection()->GetMessage(from, spec);
  std::vector<const FieldDescriptor*> fields;
  from_spec.GetReflection()->ListFields(from_spec, &fields);
  for (const FieldDescriptor* field : fields) mask.add_paths(absl::StrCat(kSpec, ".", field->name()));
  return mask;
}

}  // namespace

absl::Status ApplyUpdateMask(const FieldMask& mask, const Message& from, Message* to) {
  FieldMask spec_mask = mask.paths().empty() ? MaskOf(from) : FieldMask();
  for (const std::string& path : mask.paths()) {
    if (path == "*") {
      spec_mask.add_paths(std::string(kSpec));
      continue;
    }
    // Protobuf passes over a dot too many.
    const bool is_path = !absl::StrContains(absl::StrCat(".", path, "."), "..") &&
                         FieldMaskUtil::GetFieldDescriptors(from.GetDescriptor(), path, nullptr);
    if (!is_path) {
      return absl::InvalidArgumentError(absl::StrCat(
          "update_mask: \"", path,
          "\" is no field; name \"spec\" or a field of it, e.g. \"spec.vtep_ip_prefix\", or \"*\" for all"));
    }
    if (path == kSpec || absl::StartsWith(path, absl::StrCat(kSpec, "."))) spec_mask.add_paths(path);
  }
  FieldMaskUtil::MergeOptions options;
  options.set_replace_message_fields(true);
  options.set_replace_repeated_fields(true);
  FieldMaskUtil::MergeMessageTo(from, spec_mask, options, to);
  return absl::OkStatus();
}

}  // namespace xpu
