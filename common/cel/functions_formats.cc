// Kubernetes' library of named formats: format.dns1123Label().validate(text) is what is wrong, or none.
#include <re2/re2.h>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/cel/functions.h"
#include "common/cel/text.h"

namespace xpu::cel {
namespace {

using Result = absl::StatusOr<Value>;

constexpr char kLabel[] = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
constexpr char kSubdomain[] = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
constexpr char kLabel1035[] = "[a-z]([-a-z0-9]*[a-z0-9])?";
constexpr char kName[] = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
constexpr char kUuid[] = "[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}";

bool FullMatch(absl::string_view text, const char* pattern) {
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), pattern);
}

std::string CheckName(absl::string_view text, const char* pattern, size_t longest) {
  if (text.size() > longest) return absl::StrCat("must be no more than ", longest, " characters");
  if (!FullMatch(text, pattern)) return absl::StrCat("must match ", pattern);
  return "";
}

// A prefix may end in dashes, as something follows.
absl::string_view WithoutDash(absl::string_view text) {
  return text.size() > 1 && absl::EndsWith(text, "-") ? text.substr(0, text.size() - 1) : text;
}

std::string CheckQualifiedName(absl::string_view text) {
  const size_t slash = text.find('/');
  if (slash != absl::string_view::npos) {
    if (const std::string problem = CheckName(text.substr(0, slash), kSubdomain, 253); !problem.empty()) {
      return absl::StrCat("prefix part ", problem);
    }
    text.remove_prefix(slash + 1);
  }
  const std::string problem = CheckName(text, kName, 63);
  return problem.empty() ? "" : absl::StrCat("name part ", problem);
}

struct NamedFormat {
  const char* name;
  // What is wrong with a text; empty for nothing.
  std::string (*check)(absl::string_view);
};

const NamedFormat kNamedFormats[] = {
    {"dns1123Label", [](absl::string_view text) { return CheckName(text, kLabel, 63); }},
    {"dns1123Subdomain", [](absl::string_view text) { return CheckName(text, kSubdomain, 253); }},
    {"dns1035Label", [](absl::string_view text) { return CheckName(text, kLabel1035, 63); }},
    {"qualifiedName", CheckQualifiedName},
    {"dns1123LabelPrefix", [](absl::string_view text) { return CheckName(WithoutDash(text), kLabel, 63); }},
    {"dns1123SubdomainPrefix",
     [](absl::string_view text) { return CheckName(WithoutDash(text), kSubdomain, 253); }},
    {"dns1035LabelPrefix",
     [](absl::string_view text) { return CheckName(WithoutDash(text), kLabel1035, 63); }},
    {"labelValue",
     [](absl::string_view text) { return text.empty() ? std::string() : CheckName(text, kName, 63); }},
    {"uri",
     [](absl::string_view text) {
       return std::string(IsUrl(text) ? "" : "must be an absolute URL or path");
     }},
    {"uuid",
     [](absl::string_view text) {
       return std::string(FullMatch(text, kUuid) ? "" : "does not match the UUID format");
     }},
    {"byte",
     [](absl::string_view text) {
       std::string octets;
       return std::string(absl::Base64Unescape(text, &octets) ? "" : "invalid base64");
     }},
    {"date", [](absl::string_view text) { return std::string(ParseDate(text) ? "" : "invalid date"); }},
    {"datetime",
     [](absl::string_view text) { return std::string(ParseTimestamp(text) ? "" : "invalid datetime"); }},
};

class FormatValue : public Opaque {
 public:
  explicit FormatValue(const NamedFormat& format) : format_(format) {}
  const TypePtr& type() const override {
    static const TypePtr& type = *new TypePtr(OpaqueType("kubernetes.NamedFormat"));
    return type;
  }
  bool Equals(const Opaque& other) const override {
    return &format_ == &static_cast<const FormatValue&>(other).format_;
  }
  std::string ToString() const override { return format_.name; }
  const NamedFormat& format() const { return format_; }

 private:
  const NamedFormat& format_;
};

Value Named(absl::string_view name) {
  for (const NamedFormat& format : kNamedFormats) {
    if (name == format.name) {
      return Value::Some(Value(Value::OpaquePtr(std::make_shared<FormatValue>(format))));
    }
  }
  return Value::None();
}

Result FormatNamed(const Call& call) { return Named(call.text(0)); }

// "format.date()": the function's name says which.
Result FormatOfName(const Call& call) {
  return *Named(absl::StripPrefix(call.expr.name, "format.")).As<Value::Optional>()->value;
}

Result Validate(const Call& call) {
  const absl::string_view text = call.text(1);
  if (!call.budget.SpendOnText(text.size() * 20)) return Exhausted();
  const auto& value = static_cast<const FormatValue&>(**call.args[0].As<Value::OpaquePtr>());
  std::string problem = value.format().check(text);
  if (problem.empty()) return Value::None();
  return Value::Some(Value::OfList({Value::String(std::move(problem))}));
}

}  // namespace

void AddFormats(Library* library) {
  library->Add("format.named(string) -> optional(Format)", FormatNamed);
  for (const NamedFormat& format : kNamedFormats) {
    library->Add(absl::StrCat("format.", format.name, "() -> Format"), FormatOfName);
  }
  library->Add("Format.validate(string) -> optional(list(string))", Validate);
}

}  // namespace xpu::cel
