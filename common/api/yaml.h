#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace xpu::api {

// One document of a YAML stream.
struct YamlDocument {
  nlohmann::json value;
  // Line of the stream that the document's content begins in, from 1.
  int line = 1;
};

// Reads a stream of YAML documents (JSON is YAML, too) as kubectl does: plain scalars are resolved by
// YAML 1.1's rules for null, booleans and numbers ("on" and "yes" are booleans), quoted ones stay strings;
// empty documents are left out; anchors and merge keys are followed. InvalidArgument with "<source>:<line>:"
// for text that is not YAML, for keys that are there twice or are not scalars, and for documents that grow by
// their aliases beyond any use.
absl::StatusOr<std::vector<YamlDocument>> YamlToJson(absl::string_view text, absl::string_view source);

// Block style, keys in order (apiVersion, kind and metadata first); strings are quoted where they would
// otherwise be read as something else. Ends with a newline. YamlToJson gives the same value back.
std::string JsonToYaml(const nlohmann::json& value);

}  // namespace xpu::api
