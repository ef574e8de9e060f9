#include "common/cel/type.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace xpu::cel {
namespace {

struct SimpleType {
  Type::Kind kind;
  const char* name;
};

constexpr SimpleType kSimpleTypes[] = {
    {Type::Kind::kDyn, "dyn"},
    {Type::Kind::kNull, "null_type"},
    {Type::Kind::kBool, "bool"},
    {Type::Kind::kInt, "int"},
    {Type::Kind::kUint, "uint"},
    {Type::Kind::kDouble, "double"},
    {Type::Kind::kString, "string"},
    {Type::Kind::kBytes, "bytes"},
    {Type::Kind::kTimestamp, "google.protobuf.Timestamp"},
    {Type::Kind::kDuration, "google.protobuf.Duration"},
    {Type::Kind::kType, "type"},
};

constexpr absl::string_view kReservedWords[] = {
    "true",     "false",   "null",      "in",       "as",  "break",  "const",
    "continue", "else",    "for",       "function", "if",  "import", "let",
    "loop",     "package", "namespace", "return",   "var", "void",   "while"};

// An object, or what only functions make: may be null.
bool MayBeNull(Type::Kind kind) {
  return kind == Type::Kind::kObject || kind == Type::Kind::kTimestamp || kind == Type::Kind::kDuration ||
         kind == Type::Kind::kOpaque || kind == Type::Kind::kNull;
}

}  // namespace

std::shared_ptr<Type> Type::New(Kind kind, std::string name) {
  return std::shared_ptr<Type>(new Type(kind, std::move(name)));
}

TypePtr Type::Of(Kind kind) {
  static const auto& types = *new std::map<Kind, TypePtr>([] {
    std::map<Kind, TypePtr> out;
    for (const SimpleType& type : kSimpleTypes) out[type.kind] = New(type.kind, type.name);
    return out;
  }());
  const auto it = types.find(kind);
  return it == types.end() ? types.at(Kind::kDyn) : it->second;
}

TypePtr Type::List(TypePtr element) { return List(std::move(element), ListSort::kAtomic, {}); }

TypePtr Type::List(TypePtr element, ListSort sort, std::vector<std::string> keys) {
  auto type = New(Kind::kList, "list");
  type->element_ = std::move(element);
  type->list_sort_ = sort;
  type->list_keys_ = std::move(keys);
  return type;
}

TypePtr Type::Map(TypePtr key, TypePtr element) {
  auto type = New(Kind::kMap, "map");
  type->key_ = std::move(key);
  type->element_ = std::move(element);
  return type;
}

TypePtr Type::Optional(TypePtr element) {
  auto type = New(Kind::kOptional, "optional_type");
  type->element_ = std::move(element);
  return type;
}

TypePtr Type::Opaque(std::string name) { return New(Kind::kOpaque, std::move(name)); }
TypePtr Type::Param(std::string name) { return New(Kind::kParam, std::move(name)); }

TypePtr Type::Object(std::string name, std::map<std::string, TypePtr> fields) {
  auto type = New(Kind::kObject, std::move(name));
  type->fields_ = std::move(fields);
  for (const auto& [field, unused] : type->fields_) {
    if (std::string escaped = EscapeName(field); !escaped.empty()) type->escaped_[escaped] = field;
  }
  return type;
}

const std::string* Type::FieldName(const std::string& name) const {
  const auto it = escaped_.find(name);
  return it == escaped_.end() ? nullptr : &it->second;
}

std::string Type::ToString() const {
  switch (kind_) {
    case Kind::kList:
      return absl::StrCat("list(", element_->ToString(), ")");
    case Kind::kMap:
      return absl::StrCat("map(", key_->ToString(), ", ", element_->ToString(), ")");
    case Kind::kOptional:
      return absl::StrCat("optional(", element_->ToString(), ")");
    case Kind::kTimestamp:
      return "timestamp";
    case Kind::kDuration:
      return "duration";
    case Kind::kNull:
      return "null";
    default:
      return name_;
  }
}

bool IsReservedWord(absl::string_view word) {
  return std::find(std::begin(kReservedWords), std::end(kReservedWords), word) != std::end(kReservedWords);
}

std::string EscapeName(absl::string_view name) {
  if (name.empty() || absl::ascii_isdigit(name[0])) return "";
  if (IsReservedWord(name)) return absl::StrCat("__", name, "__");
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (c == '_' && i + 1 < name.size() && name[i + 1] == '_') {
      out += "__underscores__";
      ++i;
    } else if (c == '.') {
      out += "__dot__";
    } else if (c == '-') {
      out += "__dash__";
    } else if (c == '/') {
      out += "__slash__";
    } else if (absl::ascii_isalnum(c) || c == '_') {
      out += c;
    } else {
      return "";
    }
  }
  return out;
}

bool IsAssignable(const Type& to, const Type& from) {
  using Kind = Type::Kind;
  if (to.kind() == Kind::kDyn || from.kind() == Kind::kDyn) return true;
  if (from.kind() == Kind::kNull) return MayBeNull(to.kind());
  if (to.kind() == Kind::kNull) return MayBeNull(from.kind());
  if (to.kind() != from.kind()) return false;
  switch (to.kind()) {
    case Kind::kList:
    case Kind::kOptional:
      return IsAssignable(*to.element(), *from.element());
    case Kind::kMap:
      return IsAssignable(*to.key(), *from.key()) && IsAssignable(*to.element(), *from.element());
    case Kind::kObject:
      return &to == &from;
    case Kind::kOpaque:
    case Kind::kParam:
      return to.name() == from.name();
    default:
      return true;
  }
}

}  // namespace xpu::cel
