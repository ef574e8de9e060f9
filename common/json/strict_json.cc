#include "common/json/strict_json.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 64;

// Goes through the text without building anything, and stops at what may not be.
class Checker : public nlohmann::json_sax<json> {
 public:
  const std::string& error() const { return error_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return Open(); }
  bool end_object() override { return Close(); }
  bool start_array(std::size_t) override { return Open(); }
  bool end_array() override { return Close(); }
  bool key(string_t& name) override {
    if (names_.back().insert(name).second) return true;
    error_ = absl::StrCat("the name ", json(name).dump(), " is there twice in one object");
    return false;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    error_ = absl::StrCat("at octet ", position, ": ", e.what());
    return false;
  }

 private:
  bool Open() {
    names_.emplace_back();
    if (names_.size() <= kMaxDepth) return true;
    error_ = absl::StrCat("nested more than ", kMaxDepth, " levels deep");
    return false;
  }
  bool Close() {
    names_.pop_back();
    return true;
  }

  std::vector<std::set<std::string>> names_;
  std::string error_;
};

}  // namespace

absl::StatusOr<json> ParseStrictJson(absl::string_view text) {
  Checker checker;
  if (!json::sax_parse(text.begin(), text.end(), &checker)) {
    return absl::InvalidArgumentError(checker.error());
  }
  return json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

}  // namespace xpu
