#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace xpu::cel {

class Type;
// Types are immutable and shared; objects are the same type if they are the same pointer.
using TypePtr = std::shared_ptr<const Type>;

// What is known of a value before a rule runs (cel-spec, "Gradual Type Checking"), and how JSON is read into
// it.
class Type {
 public:
  enum class Kind {
    kDyn,  // anything; checked when the rule runs
    kNull,
    kBool,
    kInt,
    kUint,
    kDouble,
    kString,
    kBytes,
    kTimestamp,
    kDuration,
    kType,      // of a type as a value: type(1) == int
    kList,      // element()
    kMap,       // key(), element()
    kObject,    // fields()
    kOptional,  // element()
    kOpaque,    // name(): made and read by functions only, such as net.IP
    kParam,     // name(): stands for any one type in the declaration of a function
  };
  // How JSON lists of this type are compared and added (x-kubernetes-list-type).
  enum class ListSort { kAtomic, kSet, kMap };

  // Dyn and the types without parts.
  static TypePtr Of(Kind kind);
  static TypePtr List(TypePtr element);
  // A list with keys (kMap; names of fields in JSON), or of elements that are different from each other
  // (kSet).
  static TypePtr List(TypePtr element, ListSort sort, std::vector<std::string> keys);
  static TypePtr Map(TypePtr key, TypePtr element);
  static TypePtr Optional(TypePtr element);
  static TypePtr Opaque(std::string name);
  static TypePtr Param(std::string name);
  // `fields` by their names in JSON. Rules see those whose names can be escaped (EscapeName). `name` is for
  // messages and type().
  static TypePtr Object(std::string name, std::map<std::string, TypePtr> fields);

  Kind kind() const { return kind_; }
  const TypePtr& key() const { return key_; }
  const TypePtr& element() const { return element_; }
  ListSort list_sort() const { return list_sort_; }
  const std::vector<std::string>& list_keys() const { return list_keys_; }
  const std::map<std::string, TypePtr>& fields() const { return fields_; }
  // Of an object: the name in JSON of the field that a rule calls `name`; null if there is none.
  const std::string* FieldName(const std::string& name) const;
  // As a rule's author knows it: "list(string)", "int".
  std::string ToString() const;
  // What type() gives: parts are forgotten ("list").
  const std::string& name() const { return name_; }

 private:
  Type(Kind kind, std::string name) : kind_(kind), name_(std::move(name)) {}
  static std::shared_ptr<Type> New(Kind kind, std::string name);

  Kind kind_;
  std::string name_;
  TypePtr key_, element_;
  ListSort list_sort_ = ListSort::kAtomic;
  std::vector<std::string> list_keys_;
  std::map<std::string, TypePtr> fields_;
  std::map<std::string, std::string> escaped_;  // name in rules -> name in JSON
};

// The identifier by which a rule names a property ("a-b" is a__dash__b), as Kubernetes escapes them; empty
// for a name that rules cannot say.
std::string EscapeName(absl::string_view name);

// May `from` stand where `to` is wanted? Dyn fits everywhere, and null where an object or an opaque value may
// be.
bool IsAssignable(const Type& to, const Type& from);

// Words of CEL's grammar that are no identifiers.
bool IsReservedWord(absl::string_view word);

}  // namespace xpu::cel
