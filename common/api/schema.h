#pragma once

// What the files of this folder share about fields and paths; not for others.

#include <google/protobuf/descriptor.h>

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "xpu/api/v1alpha1/options.pb.h"

namespace xpu::api {

inline const v1alpha1::FieldOptions& RulesOf(const google::protobuf::FieldDescriptor& field) {
  return field.options().GetExtension(v1alpha1::field);
}

inline std::string Join(absl::string_view path, absl::string_view name) {
  return path.empty() ? std::string(name) : absl::StrCat(path, ".", name);
}

inline std::string Item(absl::string_view path, size_t index) { return absl::StrCat(path, "[", index, "]"); }

// Where a value is in an object: nearly all are right, so that nobody asks for it as text. Refers to the
// place around it, and to the name.
class Place {
 public:
  // The root.
  Place() = default;
  Place Field(absl::string_view name) const { return Place(this, name, 0); }
  Place At(size_t index) const { return Place(this, {}, index); }

  bool is_root() const { return outer_ == nullptr; }
  // "spec.prefixes[1]"
  std::string ToString() const {
    if (is_root()) return "";
    return name_.data() == nullptr ? Item(outer_->ToString(), index_) : Join(outer_->ToString(), name_);
  }

 private:
  Place(const Place* outer, absl::string_view name, size_t index)
      : outer_(outer), name_(name), index_(index) {}

  const Place* outer_ = nullptr;
  // Without one it is an item of a list.
  absl::string_view name_;
  size_t index_ = 0;
};

// The value of a field, or nullptr where it is absent or null.
inline const nlohmann::json* Present(const nlohmann::json& object, std::string_view name) {
  auto it = object.find(name);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

// The value as JSON for messages; never throws, whatever octets a string holds.
inline std::string Quote(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// "a string", "a number", ... for messages.
absl::string_view TypeInWords(const nlohmann::json& value);

}  // namespace xpu::api
