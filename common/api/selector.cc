#include "common/api/selector.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"

namespace xpu::api {
namespace {

using nlohmann::json;

// Splits at commas that are not in parentheses.
std::vector<absl::string_view> SplitTerms(absl::string_view text) {
  std::vector<absl::string_view> terms;
  size_t begin = 0;
  int depth = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '(') ++depth;
    if (i < text.size() && text[i] == ')') --depth;
    if (i == text.size() || (text[i] == ',' && depth == 0)) {
      terms.push_back(absl::StripAsciiWhitespace(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  return terms;
}

bool IsKey(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/';
  });
}

absl::Status Bad(absl::string_view what, absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat(what, " \"", text, "\" cannot be read"));
}

// A scalar as a field selector writes it; an absent one is empty.
std::string FieldText(const json& object, const std::vector<std::string>& path) {
  const json* value = &object;
  for (const std::string& name : path) {
    if (!value->is_object()) return "";
    auto it = value->find(name);
    if (it == value->end()) return "";
    value = &*it;
  }
  if (value->is_string()) return value->get<std::string>();
  return value->is_number() || value->is_boolean() ? value->dump() : "";
}

}  // namespace

absl::StatusOr<Selector::LabelTerm> Selector::ParseLabelTerm(absl::string_view text) {
  LabelTerm term;
  absl::string_view key = text;
  if (absl::ConsumePrefix(&key, "!") && !absl::StartsWith(key, "=")) {
    term.op = Operator::kNotExists;
  } else if (size_t equals = text.find('='); equals != absl::string_view::npos) {
    bool negated = equals > 0 && text[equals - 1] == '!';
    key = text.substr(0, negated ? equals - 1 : equals);
    absl::string_view value = text.substr(equals + 1);
    absl::ConsumePrefix(&value, "=");
    term.op = negated ? Operator::kNotIn : Operator::kIn;
    term.values = {std::string(absl::StripAsciiWhitespace(value))};
  } else if (size_t open = text.find('('); open != absl::string_view::npos) {
    absl::string_view values = text.substr(open + 1);
    if (!absl::ConsumeSuffix(&values, ")")) return Bad("label selector", text);
    std::vector<std::string> words = absl::StrSplit(text.substr(0, open), ' ', absl::SkipEmpty());
    if (words.size() != 2 || (words[1] != "in" && words[1] != "notin")) return Bad("label selector", text);
    key = text.substr(0, words[0].size());
    term.op = words[1] == "in" ? Operator::kIn : Operator::kNotIn;
    for (absl::string_view value : absl::StrSplit(values, ',')) {
      term.values.emplace_back(absl::StripAsciiWhitespace(value));
    }
  }
  key = absl::StripAsciiWhitespace(key);
  bool values_ok = std::all_of(term.values.begin(), term.values.end(),
                               [](const std::string& value) { return value.empty() || IsKey(value); });
  if (!IsKey(key) || !values_ok) return Bad("label selector", text);
  term.key = std::string(key);
  return term;
}

absl::StatusOr<Selector> Selector::Parse(absl::string_view labels, absl::string_view fields) {
  Selector selector;
  if (!absl::StripAsciiWhitespace(labels).empty()) {
    for (absl::string_view text : SplitTerms(labels)) {
      XPU_ASSIGN_OR_RETURN(LabelTerm term, ParseLabelTerm(text));
      selector.labels_.push_back(std::move(term));
    }
  }
  for (absl::string_view text : absl::StrSplit(fields, ',', absl::SkipWhitespace())) {
    text = absl::StripAsciiWhitespace(text);
    size_t equals = text.find('=');
    if (equals == absl::string_view::npos) return Bad("field selector", text);
    FieldTerm term;
    term.equal = equals == 0 || text[equals - 1] != '!';
    absl::string_view path = text.substr(0, term.equal ? equals : equals - 1);
    absl::string_view value = text.substr(equals + 1);
    absl::ConsumePrefix(&value, "=");
    if (!IsKey(path)) return Bad("field selector", text);
    term.path = absl::StrSplit(path, '.');
    term.value = std::string(value);
    selector.fields_.push_back(std::move(term));
  }
  return selector;
}

absl::Status Selector::CheckFields(const KindInfo& kind) const {
  for (const FieldTerm& term : fields_) {
    const std::string path = absl::StrJoin(term.path, ".");
    if (path == "metadata.name" || path == "metadata.namespace") continue;
    const std::vector<std::string>& taken = kind.selectable_fields;
    if (std::find(taken.begin(), taken.end(), path) != taken.end()) continue;
    // The first words are Kubernetes'.
    return absl::InvalidArgumentError(absl::StrCat("field label not supported: ", path, "; ",
                                                   kind.resource.plural,
                                                   " are selected by metadata.name, metadata.namespace",
                                                   taken.empty() ? "" : ", ", absl::StrJoin(taken, ", ")));
  }
  return absl::OkStatus();
}

bool Selector::Matches(const json& object) const {
  for (const FieldTerm& term : fields_) {
    if ((FieldText(object, term.path) == term.value) != term.equal) return false;
  }
  if (labels_.empty()) return true;
  const json* labels = nullptr;
  if (auto metadata = object.find("metadata"); metadata != object.end() && metadata->is_object()) {
    if (auto it = metadata->find("labels"); it != metadata->end() && it->is_object()) labels = &*it;
  }
  for (const LabelTerm& term : labels_) {
    bool there = labels != nullptr && labels->contains(term.key);
    bool one_of =
        there && std::find(term.values.begin(), term.values.end(),
                           labels->at(term.key).is_string() ? labels->at(term.key).get<std::string>() : "") !=
                     term.values.end();
    bool matches = term.op == Operator::kExists      ? there
                   : term.op == Operator::kNotExists ? !there
                   : term.op == Operator::kIn        ? one_of
                                                     : !one_of;
    if (!matches) return false;
  }
  return true;
}

}  // namespace xpu::api
