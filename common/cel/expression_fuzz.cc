// Any text as a rule for any JSON: it is refused with a reason, or it comes to the same end each time, within
// its budget.
//
// The input is the rule, a zero octet, and what `self` is.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "common/cel/program.h"
#include "common/json/strict_json.h"
#include "nlohmann/json.hpp"

namespace {

using nlohmann::json;
using xpu::cel::Type;
using xpu::cel::TypePtr;

constexpr uint64_t kSteps = 20000;

void Check(bool holds) {
  if (!holds) std::abort();
}

// What a schema of just this value would say.
TypePtr TypeOf(const json& value) {
  if (value.is_boolean()) return Type::Of(Type::Kind::kBool);
  if (value.is_number_float()) return Type::Of(Type::Kind::kDouble);
  if (value.is_number()) return Type::Of(Type::Kind::kInt);
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    if (text.find('T') != std::string::npos) return Type::Of(Type::Kind::kTimestamp);
    if (!text.empty() && text.back() == 's') return Type::Of(Type::Kind::kDuration);
    if (!text.empty() && text.back() == '=') return Type::Of(Type::Kind::kBytes);
    return Type::Of(Type::Kind::kString);
  }
  if (value.is_array() && !value.empty()) {
    const bool set = !value[0].is_structured();
    if (set) return Type::List(TypeOf(value[0]), Type::ListSort::kSet, {});
    return Type::List(TypeOf(value[0]), Type::ListSort::kMap, {"name"});
  }
  if (value.is_object()) {
    std::map<std::string, TypePtr> fields;
    for (const auto& [name, inner] : value.items()) fields[name] = TypeOf(inner);
    return Type::Object("self", std::move(fields));
  }
  return Type::Of(Type::Kind::kDyn);
}

void Evaluate(absl::string_view rule, const json& value, const TypePtr& type) {
  const auto program = xpu::cel::Program::Compile(rule, {{"self", type}, {"oldSelf", type}});
  if (!program.ok()) {
    Check(program.status().code() == absl::StatusCode::kInvalidArgument &&
          !program.status().message().empty());
    return;
  }
  const auto self = xpu::cel::Value::FromJson(value, type);
  if (!self.ok()) return;
  xpu::cel::Budget first(kSteps), second(kSteps);
  const auto once = (*program)->Evaluate({*self, *self}, &first);
  const auto twice = (*program)->Evaluate({*self, *self}, &second);
  Check(once.status() == twice.status() && first.left() == second.left());
  if (once.ok()) {
    Check(once->ToString() == twice->ToString());
  } else {
    const bool exhausted = once.status().code() == absl::StatusCode::kResourceExhausted;
    Check(exhausted == first.exhausted());
    Check(exhausted || once.status().code() == absl::StatusCode::kInvalidArgument);
    Check(!once.status().message().empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\0');
  const absl::string_view rule = input.substr(0, end);
  json value;
  if (end != absl::string_view::npos) {
    auto read = xpu::ParseStrictJson(input.substr(end + 1));
    if (!read.ok()) return 0;
    value = *std::move(read);
  }
  Evaluate(rule, value, Type::Of(Type::Kind::kDyn));
  Evaluate(rule, value, TypeOf(value));
  return 0;
}
