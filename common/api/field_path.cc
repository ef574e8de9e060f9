#include "common/api/field_path.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"

namespace xpu::api {

class FieldPath::Parser {
 public:
  explicit Parser(absl::string_view text) : all_(text), rest_(text) {}

  absl::StatusOr<std::vector<Step>> Parse() {
    std::vector<Step> steps;
    while (!rest_.empty()) {
      if (Take(".")) {
        if (rest_.empty() && steps.empty()) break;  // "." is the object itself
        XPU_ASSIGN_OR_RETURN(std::string name, Name());
        steps.push_back(Key{std::move(name)});
      } else if (Take("[")) {
        XPU_ASSIGN_OR_RETURN(Step step, Bracket());
        steps.push_back(std::move(step));
      } else {
        return Wrong("'.' or '['");
      }
    }
    return steps;
  }

 private:
  absl::Status Wrong(absl::string_view wanted) const {
    return absl::InvalidArgumentError(absl::StrCat("path \"", all_, "\": ", wanted, " expected at character ",
                                                   all_.size() - rest_.size() + 1));
  }
  bool Take(absl::string_view token) {
    if (rest_.substr(0, token.size()) != token) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  // Up to the next '.', '[' or whatever cannot be in a name; a backslash keeps what follows it.
  absl::StatusOr<std::string> Name() {
    std::string name;
    while (!rest_.empty() && rest_[0] != '.' && rest_[0] != '[' && rest_[0] != ']' && rest_[0] != '=' &&
           rest_[0] != '!' && rest_[0] != ' ') {
      if (rest_[0] == '\\' && rest_.size() > 1) rest_.remove_prefix(1);
      name.push_back(rest_[0]);
      rest_.remove_prefix(1);
    }
    if (name.empty()) return Wrong("a name");
    return name;
  }
  // What is between a pair of quotes of either sort.
  absl::StatusOr<std::string> Quoted() {
    const char quote = rest_[0];
    const size_t end = rest_.find(quote, 1);
    if (end == absl::string_view::npos) return Wrong("a closing quote");
    std::string text(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return text;
  }
  bool AtQuote() const { return !rest_.empty() && (rest_[0] == '"' || rest_[0] == '\''); }
  void SkipSpaces() {
    while (Take(" ")) {
    }
  }

  absl::StatusOr<Step> Bracket() {
    Step step;
    if (Take("*")) {
      step = All{};
    } else if (Take("?(@")) {
      XPU_ASSIGN_OR_RETURN(step, Condition());
    } else if (AtQuote()) {
      XPU_ASSIGN_OR_RETURN(std::string name, Quoted());
      step = Key{std::move(name)};
    } else {
      Index index;
      const absl::string_view number = rest_.substr(0, rest_.find(']'));
      if (!absl::SimpleAtoi(number, &index.index)) {
        return Wrong("a number, '*', a quoted name or '?(@'");
      }
      rest_.remove_prefix(number.size());
      step = index;
    }
    if (!Take("]")) return Wrong("']'");
    return step;
  }
  absl::StatusOr<Step> Condition() {
    Filter filter;
    while (Take(".")) {
      XPU_ASSIGN_OR_RETURN(std::string name, Name());
      filter.field.push_back(std::move(name));
    }
    SkipSpaces();
    if (Take("!=")) {
      filter.equal = false;
    } else if (!Take("==")) {
      return Wrong("'==' or '!='");
    }
    SkipSpaces();
    if (AtQuote()) {
      XPU_ASSIGN_OR_RETURN(filter.value, Quoted());
    } else {
      const absl::string_view word = rest_.substr(0, rest_.find(')'));
      filter.value = nlohmann::json::parse(word.begin(), word.end(), nullptr, /*allow_exceptions=*/false);
      if (filter.value.is_discarded()) return Wrong("a quoted text, a number, true or false");
      rest_.remove_prefix(word.size());
    }
    SkipSpaces();
    if (!Take(")")) return Wrong("')'");
    return Step(std::move(filter));
  }

  const absl::string_view all_;
  absl::string_view rest_;
};

absl::StatusOr<FieldPath> FieldPath::Parse(absl::string_view text) {
  FieldPath path;
  XPU_ASSIGN_OR_RETURN(path.steps_, Parser(text).Parse());
  return path;
}

std::vector<const nlohmann::json*> FieldPath::Find(const nlohmann::json& object) const {
  using Json = nlohmann::json;
  const auto member = [](const Json* value, const std::string& name) -> const Json* {
    if (!value->is_object()) return nullptr;
    const auto it = value->find(name);
    return it == value->end() || it->is_null() ? nullptr : &*it;
  };
  std::vector<const Json*> found = {&object};
  for (const Step& step : steps_) {
    std::vector<const Json*> next;
    for (const Json* value : found) {
      if (const auto* key = std::get_if<Key>(&step)) {
        if (const Json* inner = member(value, key->name)) next.push_back(inner);
      } else if (const auto* index = std::get_if<Index>(&step)) {
        if (!value->is_array()) continue;
        const int64_t size = static_cast<int64_t>(value->size());
        const int64_t at = index->index < 0 ? size + index->index : index->index;
        if (at >= 0 && at < size) next.push_back(&(*value)[at]);
      } else if (value->is_array() || (value->is_object() && std::holds_alternative<All>(step))) {
        for (const Json& element : *value) {
          if (const auto* filter = std::get_if<Filter>(&step)) {
            const Json* field = &element;
            for (const std::string& name : filter->field) {
              if (field != nullptr) field = member(field, name);
            }
            if ((field != nullptr && *field == filter->value) != filter->equal) continue;
          }
          next.push_back(&element);
        }
      }
    }
    found = std::move(next);
  }
  return found;
}

std::string FieldPath::Text(const nlohmann::json& object) const {
  return absl::StrJoin(Find(object), ",", [](std::string* out, const nlohmann::json* value) {
    absl::StrAppend(out, CellText(*value));
  });
}

std::string CellText(const nlohmann::json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) {
    return absl::StrJoin(value, ",", [](std::string* out, const nlohmann::json& element) {
      absl::StrAppend(out, CellText(element));
    });
  }
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace xpu::api
