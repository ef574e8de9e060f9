#include "common/api/kindgen/page.h"

#include <google/protobuf/descriptor.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/api/kindgen/declaration.h"
#include "common/api/schema.h"

namespace xpu::api {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using v1alpha1::FieldOptions;

std::string Cell(const std::string& text) { return absl::StrReplaceAll(text, {{"|", "\\|"}, {"\n", " "}}); }

std::string TypeOf(const FieldDescriptor& field) {
  std::string type;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      type = "object";
      break;
    case FieldDescriptor::CPPTYPE_STRING:
      type = "string";
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      type = "boolean";
      break;
    default:
      type = "integer";
  }
  return field.is_repeated() ? "list of " + type + "s" : type;
}

std::string FormatInWords(v1alpha1::Format format) {
  switch (format) {
    case v1alpha1::FORMAT_MAC:
      return "MAC address, unicast";
    case v1alpha1::FORMAT_IP:
      return "IPv4 or IPv6 address";
    case v1alpha1::FORMAT_PREFIX:
      return "prefix, host bits zero";
    case v1alpha1::FORMAT_IP_WITH_LENGTH:
      return "address with the length of its prefix";
    case v1alpha1::FORMAT_PCI_ADDRESS:
      return "PCI address";
    case v1alpha1::FORMAT_FUNCTION_ID:
      return "PCI address, or that of the parent and `-sf` with the subfunction's number";
    case v1alpha1::FORMAT_IP_MAYBE_WITH_LENGTH:
      return "address, with the length of its prefix or without";
    case v1alpha1::FORMAT_DNS_LABEL:
      return "DNS label";
    case v1alpha1::FORMAT_DNS_SUBDOMAIN:
      return "DNS name";
    default:
      return "";
  }
}

// "1 to 16", "at least 1", "at most 16"; empty for neither.
template <class T>
std::string Bounds(bool has_min, T min, bool has_max, T max) {
  if (has_min && has_max) return absl::StrCat(min, " to ", max);
  if (has_min) return absl::StrCat("at least ", min);
  return has_max ? absl::StrCat("at most ", max) : "";
}

std::string RulesInWords(const FieldDescriptor& field) {
  const FieldOptions& rules = RulesOf(field);
  std::vector<std::string> words;
  if (rules.required()) words.push_back("required");
  if (rules.immutable()) words.push_back("cannot be changed once set");
  if (std::string format = FormatInWords(rules.format()); !format.empty()) words.push_back(format);
  if (rules.one_of_size() > 0) {
    words.push_back(absl::StrCat("one of `", absl::StrJoin(rules.one_of(), "`, `"), "`"));
  }
  std::string bounds = Bounds(rules.has_min(), rules.min(), rules.has_max(), rules.max());
  if (!bounds.empty()) words.push_back(bounds);
  std::string items =
      Bounds(rules.has_min_items(), rules.min_items(), rules.has_max_items(), rules.max_items());
  if (!items.empty()) words.push_back(items + " items");
  if (rules.list_keys_size() > 0) {
    words.push_back(absl::StrCat("one item for each `", absl::StrJoin(rules.list_keys(), "`, `"), "`"));
  }
  if (!rules.default_json().empty()) words.push_back(absl::StrCat("default `", rules.default_json(), "`"));
  return absl::StrJoin(words, "; ");
}

void AppendSection(const std::string& path, const std::string& comment, const Descriptor& type,
                   std::string* out) {
  absl::StrAppend(out, "\n## ", path, "\n\n");
  if (!comment.empty()) absl::StrAppend(out, comment, "\n\n");
  absl::StrAppend(out, "| Field | Type | Rules | Meaning |\n|---|---|---|---|\n");
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    absl::StrAppend(out, "| `", field.json_name(), "` | ", TypeOf(field), " | ", Cell(RulesInWords(field)),
                    " | ", Cell(CommentOf(field)), " |\n");
  }
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.message_type() == nullptr) continue;
    AppendSection(absl::StrCat(path, ".", field.json_name(), field.is_repeated() ? "[]" : ""),
                  CommentOf(*field.message_type()), *field.message_type(), out);
  }
}

}  // namespace

std::string MakePage(const KindInfo& kind) {
  std::string out = absl::StrCat("# ", kind.resource.kind, "\n\n", CommentOf(*kind.message), "\n\n");
  absl::StrAppend(&out, "| | |\n|---|---|\n| apiVersion | `", kind.resource.ApiVersion(), "` |\n| kind | `",
                  kind.resource.kind, "` |\n| in URLs | `", kind.resource.plural, "` |\n");
  if (!kind.short_names.empty()) {
    absl::StrAppend(&out, "| short names | `", absl::StrJoin(kind.short_names, "`, `"), "` |\n");
  }
  if (!kind.selectable_fields.empty()) {
    absl::StrAppend(&out, "| field selectors | `", absl::StrJoin(kind.selectable_fields, "`, `"), "` |\n");
  }
  absl::StrAppend(&out, "| scope | ", kind.namespaced ? "a namespace" : "the cluster", " |\n");
  for (int i = 0; i < kind.message->field_count(); ++i) {
    const FieldDescriptor& field = *kind.message->field(i);
    AppendSection(field.json_name(), CommentOf(field), *field.message_type(), &out);
  }
  return out;
}

}  // namespace xpu::api
