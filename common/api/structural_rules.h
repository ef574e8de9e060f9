#pragma once

// Rules in CEL (x-kubernetes-validations) of a structural schema; for the files of this folder.

#include <memory>
#include <string>
#include <vector>

#include "common/api/field_error.h"
#include "common/cel/program.h"
#include "nlohmann/json.hpp"

namespace xpu::api {

struct SchemaNode;

// One of x-kubernetes-validations, ready to be evaluated.
struct SchemaRule {
  std::shared_ptr<const cel::Program> program;
  std::shared_ptr<const cel::Program> message_expression;  // null for none
  std::string text, message;
  std::string reason;         // of the errors; FieldValueInvalid if it was not given
  std::string field_path;     // below the node: "a.b"; empty for the node itself
  bool uses_old = false;      // a transition rule: for updates only
  bool optional_old = false;  // oldSelf is an optional value, and the rule is for creations, too
};

// Steps (cel::Budget) that one rule, and all rules of an object, may take in one validation. The first is as
// many as kube-apiserver's; the second bounds how long a write holds up others.
struct RuleLimits {
  uint64_t steps_per_rule = 1000000;
  uint64_t steps_per_object = 4000000;
};

// Where a node of a schema is.
struct RulePlace {
  bool is_root = false;  // of an object: rules see apiVersion, kind, metadata.name and metadata.generateName
  // Can a value here be found in the object before? Not in lists without keys.
  bool correlates = true;
};

// Reads `rules`, which lie at `path`, into `node`, whose parts are complete. What cannot be evaluated is an
// error, with path and position.
void ReadRules(const nlohmann::json& rules, const std::string& path, const RulePlace& place, SchemaNode* node,
               FieldErrors* errors);

// Evaluates all rules at and below the root for `object`, which fits the schema otherwise; `old`, if not
// null, is what it replaces. What has not changed is not held to rules that it may have broken before (as
// Kubernetes ratchets validation); rules that use oldSelf are evaluated nevertheless.
void CheckRules(const SchemaNode& root, const nlohmann::json& object, const nlohmann::json* old,
                FieldErrors* errors, const RuleLimits& limits = {});

}  // namespace xpu::api
