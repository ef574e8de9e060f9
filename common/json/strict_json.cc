#include "common/json/strict_json.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 64;

// Builds what the text says, and stops at what may not be.
class Builder : public nlohmann::json_sax<json> {
 public:
  const std::string& error() const { return error_; }
  json Take() { return std::move(root_); }

  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(number_integer_t value) override { return Add(value); }
  bool number_unsigned(number_unsigned_t value) override { return Add(value); }
  bool number_float(number_float_t value, const string_t&) override { return Add(value); }
  bool string(string_t& value) override { return Add(std::move(value)); }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return Open(json::value_t::object); }
  bool end_object() override { return Close(); }
  bool start_array(std::size_t) override { return Open(json::value_t::array); }
  bool end_array() override { return Close(); }
  bool key(string_t& name) override {
    const auto [member, is_new] = open_.back()->get_ref<json::object_t&>().try_emplace(std::move(name));
    member_ = &member->second;
    if (is_new) return true;
    error_ = absl::StrCat("the name ", json(member->first).dump(), " is there twice in one object");
    return false;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    error_ = absl::StrCat("at octet ", position, ": ", e.what());
    return false;
  }

 private:
  // Where the next value belongs.
  json* Put(json value) {
    if (open_.empty()) return &(root_ = std::move(value));
    if (open_.back()->is_object()) return &(*member_ = std::move(value));
    return &open_.back()->get_ref<json::array_t&>().emplace_back(std::move(value));
  }
  bool Add(json value) {
    Put(std::move(value));
    return true;
  }
  bool Open(json::value_t type) {
    open_.push_back(Put(json(type)));
    if (open_.size() <= kMaxDepth) return true;
    error_ = absl::StrCat("nested more than ", kMaxDepth, " levels deep");
    return false;
  }
  bool Close() {
    open_.pop_back();
    return true;
  }

  json root_;
  // Objects and arrays that have not ended. They stay where they are: only the last one grows.
  std::vector<json*> open_;
  // Of the innermost object, the member whose value comes next.
  json* member_ = nullptr;
  std::string error_;
};

}  // namespace

absl::StatusOr<json> ParseStrictJson(absl::string_view text) {
  Builder builder;
  if (!json::sax_parse(text.begin(), text.end(), &builder)) {
    return absl::InvalidArgumentError(builder.error());
  }
  return builder.Take();
}

}  // namespace xpu
