#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "common/api/api.h"
#include "common/api/formats.h"
#include "common/api/schema.h"

namespace xpu::api {
namespace {

using nlohmann::json;

constexpr size_t kMaxAnnotationBytes = 256 * 1024;

// The fields of Kubernetes' ObjectMeta and the types that JSON gives them.
struct MetadataField {
  absl::string_view name;
  enum class Type { kText, kNumber, kTexts, kTextMap, kList } type;
};
constexpr MetadataField kFields[] = {
    {"name", MetadataField::Type::kText},
    {"generateName", MetadataField::Type::kText},
    {"namespace", MetadataField::Type::kText},
    {"uid", MetadataField::Type::kText},
    {"resourceVersion", MetadataField::Type::kText},
    {"generation", MetadataField::Type::kNumber},
    {"creationTimestamp", MetadataField::Type::kText},
    {"deletionTimestamp", MetadataField::Type::kText},
    {"deletionGracePeriodSeconds", MetadataField::Type::kNumber},
    {"labels", MetadataField::Type::kTextMap},
    {"annotations", MetadataField::Type::kTextMap},
    {"finalizers", MetadataField::Type::kTexts},
    {"ownerReferences", MetadataField::Type::kList},
    {"managedFields", MetadataField::Type::kList},
    {"selfLink", MetadataField::Type::kText},
};

bool IsNamePart(absl::string_view text) {
  if (text.empty() || text.size() > 63) return false;
  if (!absl::ascii_isalnum(text.front()) || !absl::ascii_isalnum(text.back())) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.'; });
}

// "app" or "example.org/app".
bool IsQualifiedName(absl::string_view text) {
  std::vector<absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits('/', 1));
  if (parts.size() == 1) return IsNamePart(parts[0]);
  return IsDnsSubdomain(parts[0]) && IsNamePart(parts[1]);
}

constexpr absl::string_view kQualifiedName =
    "must be a name of at most 63 letters, digits, '-', '_' and '.', with a DNS name and '/' before it if it "
    "belongs to someone, such as \"example.org/name\"";

class MetadataChecker {
 public:
  MetadataChecker(const KindInfo& kind, FieldErrors* errors) : kind_(kind), errors_(*errors) {}

  void Check(const json& metadata) {
    for (const auto& [name, value] : metadata.items()) {
      const auto* field = std::find_if(std::begin(kFields), std::end(kFields),
                                       [&n = name](const MetadataField& f) { return f.name == n; });
      if (field == std::end(kFields)) {
        Add("FieldValueForbidden", name, "unknown field of metadata");
      } else if (!value.is_null()) {
        CheckTypeOf(*field, value);
      }
    }
    CheckNames(metadata);
    CheckLabels(metadata);
    CheckAnnotations(metadata);
    const json* finalizers = Present(metadata, "finalizers");
    for (size_t i = 0; finalizers != nullptr && finalizers->is_array() && i < finalizers->size(); ++i) {
      const json& finalizer = (*finalizers)[i];
      if (finalizer.is_string() && !IsQualifiedName(finalizer.get<std::string>())) {
        Add("FieldValueInvalid", Item("finalizers", i), kQualifiedName);
      }
    }
  }

 private:
  using Type = MetadataField::Type;

  void CheckTypeOf(const MetadataField& field, const json& value) {
    auto wrong = [&](const std::string& path, absl::string_view wanted, const json& got) {
      Add("FieldValueTypeInvalid", path, absl::StrCat("must be ", wanted, ", not ", TypeInWords(got)));
    };
    std::string path(field.name);
    if (field.type == Type::kText && !value.is_string()) wrong(path, "a string", value);
    if (field.type == Type::kNumber && !value.is_number_integer()) wrong(path, "a whole number", value);
    if ((field.type == Type::kTexts || field.type == Type::kList) && !value.is_array()) {
      return wrong(path, "a list", value);
    }
    for (size_t i = 0; field.type == Type::kTexts && i < value.size(); ++i) {
      if (!value[i].is_string()) wrong(Item(path, i), "a string", value[i]);
    }
    if (field.type != Type::kTextMap) return;
    if (!value.is_object()) return wrong(path, "an object", value);
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) wrong(absl::StrCat(path, "[", key, "]"), "a string", text);
    }
  }

  static std::string Text(const json& metadata, const char* name) {
    const json* value = Present(metadata, name);
    return value != nullptr && value->is_string() ? value->get<std::string>() : "";
  }

  void CheckNames(const json& metadata) {
    bool label_only = kind_.resource.plural == "namespaces";
    auto format = label_only ? v1alpha1::FORMAT_DNS_LABEL : v1alpha1::FORMAT_DNS_SUBDOMAIN;
    std::string name = Text(metadata, "name");
    std::string prefix = Text(metadata, "generateName");
    if (name.empty() && prefix.empty()) Add("FieldValueRequired", "name", "must be set, or generateName");
    if (!name.empty()) CheckFormatOf("name", format, name, name);
    // The server puts letters and digits behind it, so it may end in '-'.
    if (name.empty() && !prefix.empty()) CheckFormatOf("generateName", format, prefix, prefix + "x");
    std::string ns = Text(metadata, "namespace");
    if (!kind_.namespaced && !ns.empty()) {
      Add("FieldValueForbidden", "namespace", absl::StrCat(kind_.resource.kind, " has no namespace"));
    } else if (!ns.empty()) {
      CheckFormatOf("namespace", v1alpha1::FORMAT_DNS_LABEL, ns, ns);
    }
  }

  void CheckFormatOf(const char* field, v1alpha1::Format format, const std::string& shown,
                     const std::string& checked) {
    if (std::string wanted = CheckFormat(format, checked); !wanted.empty()) {
      Add("FieldValueInvalid", field, absl::StrCat("must be ", wanted, ", not ", Quote(shown)));
    }
  }

  void CheckLabels(const json& metadata) {
    const json* labels = Present(metadata, "labels");
    if (labels == nullptr || !labels->is_object()) return;
    for (const auto& [key, value] : labels->items()) {
      std::string path = absl::StrCat("labels[", key, "]");
      if (!IsQualifiedName(key)) Add("FieldValueInvalid", path, absl::StrCat("the key ", kQualifiedName));
      if (!value.is_string()) continue;
      auto text = value.get<std::string>();
      if (!text.empty() && !IsNamePart(text)) {
        Add("FieldValueInvalid", path,
            absl::StrCat(
                "must be empty or at most 63 letters, digits, '-', '_' and '.', beginning and ending "
                "with a letter or digit, not ",
                Quote(text)));
      }
    }
  }

  void CheckAnnotations(const json& metadata) {
    const json* annotations = Present(metadata, "annotations");
    if (annotations == nullptr || !annotations->is_object()) return;
    size_t bytes = 0;
    for (const auto& [key, value] : annotations->items()) {
      if (!IsQualifiedName(absl::AsciiStrToLower(key))) {
        Add("FieldValueInvalid", absl::StrCat("annotations[", key, "]"),
            absl::StrCat("the key ", kQualifiedName));
      }
      bytes += key.size() + (value.is_string() ? value.get_ref<const std::string&>().size() : 0);
    }
    if (bytes > kMaxAnnotationBytes) {
      Add("FieldValueTooLong", "annotations",
          absl::StrCat("must have at most ", kMaxAnnotationBytes, " bytes"));
    }
  }

  void Add(absl::string_view reason, absl::string_view field, absl::string_view message) {
    errors_.push_back({std::string(reason), Join("metadata", field), std::string(message)});
  }

  const KindInfo& kind_;
  FieldErrors& errors_;
};

}  // namespace

FieldErrors ValidateMetadata(const KindInfo& kind, const json& object) {
  const json* metadata = object.is_object() ? Present(object, "metadata") : nullptr;
  if (metadata == nullptr) return {{"FieldValueRequired", "metadata", "must be set, with a name"}};
  if (!metadata->is_object()) {
    return {{"FieldValueTypeInvalid", "metadata",
             absl::StrCat("must be an object, not ", TypeInWords(*metadata))}};
  }
  FieldErrors errors;
  MetadataChecker(kind, &errors).Check(*metadata);
  return errors;
}

}  // namespace xpu::api
