#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/api/kinds.h"
#include "common/api/structural_schema.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// A set of fields of an object, in the terms of server-side apply: paths through objects ("f:name"), through
// lists with keys ("k:{...}") and through sets ("v:..."), as metadata.managedFields writes them (FieldsV1).
// Everything else is one field as a whole. A value.
struct FieldSet {
  // The field here itself, besides what is below it.
  bool self = false;
  std::map<std::string, FieldSet> below;

  bool empty() const { return !self && below.empty(); }
  friend bool operator==(const FieldSet&, const FieldSet&) = default;

  static FieldSet FromJson(const nlohmann::json& fields_v1);
  nlohmann::json ToJson() const;

  FieldSet And(const FieldSet& other) const;
  FieldSet Or(const FieldSet& other) const;
  FieldSet Without(const FieldSet& other) const;
  // ".spec.ports[port=80].name" of each.
  std::vector<std::string> Paths() const;

 private:
  void AppendPaths(const std::string& path, std::vector<std::string>* out) const;
};

// A kind's schema as server-side apply needs it: with that of metadata. Where a kind has none, objects are
// merged field by field, and lists are one field each.
class MergeSchema {
 public:
  explicit MergeSchema(const api::KindInfo& kind);

  // All fields of an object that somebody can own: not its type, name, namespace, and what the server writes.
  FieldSet Fields(const nlohmann::json& object) const;
  struct Difference {
    // Added or with another value.
    FieldSet changed;
    FieldSet removed;
  };
  Difference Compare(const nlohmann::json& before, const nlohmann::json& after) const;
  // `live` with the fields of `applied` put in.
  nlohmann::json Merge(const nlohmann::json& live, const nlohmann::json& applied) const;
  // Takes fields out; an object or list that is left empty stays as its owner left it.
  void Remove(const FieldSet& fields, nlohmann::json* object) const;

 private:
  std::shared_ptr<const api::StructuralSchema> schema_;
};

}  // namespace xpu::apiserver
