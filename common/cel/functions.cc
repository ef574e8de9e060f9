#include "common/cel/functions.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace xpu::cel {
namespace {

using Kind = Type::Kind;

// Declarations are a part of the program: one that cannot be read is a mistake that any run finds.
class SignatureReader {
 public:
  explicit SignatureReader(absl::string_view text) : text_(text) {}

  Overload Read() {
    Overload out;
    const size_t begin = at_;
    if (TypePtr receiver = TryType(); receiver != nullptr && Take(".")) {
      out.member = true;
      out.params.push_back(std::move(receiver));
    } else {
      at_ = begin;
    }
    const size_t bracket = text_.find('(', at_);
    out.function = std::string(text_.substr(at_, bracket - at_));
    at_ = bracket + 1;
    while (!Take(")")) {
      out.params.push_back(TryType());
      Take(",");
    }
    if (!Take("->")) std::abort();
    out.result = TryType();
    if (at_ != text_.size()) std::abort();
    return out;
  }

 private:
  void SkipBlanks() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool Take(absl::string_view symbol) {
    SkipBlanks();
    if (text_.substr(at_, symbol.size()) != symbol) return false;
    at_ += symbol.size();
    SkipBlanks();
    return true;
  }

  // Null if no type stands here.
  TypePtr TryType() {
    SkipBlanks();
    const size_t begin = at_;
    while (at_ < text_.size() && (absl::ascii_isalnum(text_[at_]) || text_[at_] == '_')) ++at_;
    const std::string word(text_.substr(begin, at_ - begin));
    if (word.size() == 1 && absl::ascii_isupper(word[0])) return Type::Param(word);
    static const auto& simple = *new std::map<std::string, TypePtr>{
        {"dyn", Type::Of(Kind::kDyn)},
        {"null", Type::Of(Kind::kNull)},
        {"bool", Type::Of(Kind::kBool)},
        {"int", Type::Of(Kind::kInt)},
        {"uint", Type::Of(Kind::kUint)},
        {"double", Type::Of(Kind::kDouble)},
        {"string", Type::Of(Kind::kString)},
        {"bytes", Type::Of(Kind::kBytes)},
        {"timestamp", Type::Of(Kind::kTimestamp)},
        {"duration", Type::Of(Kind::kDuration)},
        {"type", Type::Of(Kind::kType)},
        {"IP", OpaqueType("net.IP")},
        {"CIDR", OpaqueType("net.CIDR")},
        {"URL", OpaqueType("kubernetes.URL")},
        {"Quantity", OpaqueType("kubernetes.Quantity")},
        {"Format", OpaqueType("kubernetes.NamedFormat")},
    };
    if (const auto it = simple.find(word); it != simple.end()) return it->second;
    if ((word != "list" && word != "map" && word != "optional") || !Take("(")) return nullptr;
    TypePtr first = TryType();
    TypePtr second;
    if (word == "map" && Take(",")) second = TryType();
    if (!Take(")")) std::abort();
    if (word == "list") return Type::List(std::move(first));
    if (word == "optional") return Type::Optional(std::move(first));
    return Type::Map(std::move(first), std::move(second));
  }

  const absl::string_view text_;
  size_t at_ = 0;
};

bool TakesKind(const Type& param, const Value& value) {
  switch (param.kind()) {
    case Kind::kDyn:
    case Kind::kParam:
      return true;
    case Kind::kMap:
      return value.As<Value::MapPtr>() != nullptr;
    case Kind::kOpaque:
      return value.kind() == Kind::kOpaque && (*value.As<Value::OpaquePtr>())->type()->name() == param.name();
    default:
      return value.kind() == param.kind();
  }
}

}  // namespace

std::string Overload::Signature() const {
  const auto begin = params.begin() + (member ? 1 : 0);
  return absl::StrCat(
      member ? params[0]->ToString() + "." : "", function, "(",
      absl::StrJoin(begin, params.end(), ", ",
                    [](std::string* out, const TypePtr& type) { out->append(type->ToString()); }),
      ")");
}

bool Overload::Takes(absl::Span<const Value> args) const {
  if (args.size() != params.size()) return false;
  for (size_t i = 0; i < args.size(); ++i) {
    if (!TakesKind(*params[i], args[i])) return false;
  }
  return true;
}

void Library::Add(absl::string_view signature, Implementation run) {
  Overload overload = SignatureReader(signature).Read();
  overload.run = run;
  functions_[overload.function].push_back(std::move(overload));
}

const std::vector<Overload>* Library::Find(const std::string& function) const {
  const auto it = functions_.find(function);
  return it == functions_.end() ? nullptr : &it->second;
}

const Library& Functions() {
  static const Library& all = *[] {
    auto* library = new Library();
    for (const auto add : {AddOperators, AddConversions, AddStrings, AddFormatting, AddRegex, AddTime,
                           AddLists, AddOptionals, AddAddresses, AddUrls, AddQuantities, AddFormats}) {
      add(library);
    }
    return library;
  }();
  return all;
}

TypePtr OpaqueType(absl::string_view name) {
  static const auto& types = *new std::map<std::string, TypePtr, std::less<>>([] {
    std::map<std::string, TypePtr, std::less<>> out;
    for (const char* known :
         {"net.IP", "net.CIDR", "kubernetes.URL", "kubernetes.Quantity", "kubernetes.NamedFormat"}) {
      out[known] = Type::Opaque(known);
    }
    return out;
  }());
  const auto it = types.find(name);
  return it == types.end() ? nullptr : it->second;
}

}  // namespace xpu::cel
