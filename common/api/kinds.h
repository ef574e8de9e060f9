#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/api/resource_kind.h"

namespace google::protobuf {
class Descriptor;
}  // namespace google::protobuf

namespace xpu::api {

// A column that tables of a kind show.
struct Column {
  std::string name;
  // Path from the object's root as kubectl's JSONPath writes it, e.g. ".spec.vni".
  std::string path;
  // Shown only in the wide table.
  bool wide = false;
  // A time, shown as how long ago it is.
  bool date = false;
};

class StructuralSchema;

// What the declaration of a kind says: one of proto/xpu/api (options.proto), which lives for ever in the
// registry, or a CustomResourceDefinition.
struct KindInfo {
  ResourceKind resource;
  // The kind in lower case, e.g. "netdev".
  std::string singular;
  std::vector<std::string> short_names;
  std::vector<Column> columns;
  // Whether tables end with a column for the object's age.
  bool age_column = true;
  // Other names for several kinds at once, such as "all".
  std::vector<std::string> categories;
  // What field selectors may name besides metadata.name and metadata.namespace, as "spec.card".
  std::vector<std::string> selectable_fields;
  // False for kinds that belong to the whole cluster, such as Namespace.
  bool namespaced = true;
  // Its fields are another project's: all are taken, and only metadata is checked.
  bool open = false;
  // Who writes the status does not write the rest: it has a subresource of its own.
  bool has_status = true;
  // The message with the fields `spec` and `status`; of an open kind only its name counts. Null for a kind
  // that is not of the registry: its schema says all.
  const google::protobuf::Descriptor* message = nullptr;
  // What objects look like, in the terms of a CRD; null where nobody has said.
  std::shared_ptr<const StructuralSchema> schema;

  // NOLINTNEXTLINE(google-explicit-constructor): a KindInfo is a ResourceKind that knows more.
  operator const ResourceKind&() const { return resource; }
};

// Reads the declaration of one kind. `message` must carry the option `kind`.
KindInfo ReadKind(const google::protobuf::Descriptor& message);

// All kinds that the program knows, in the order of their groups and names.
const std::vector<KindInfo>& AllKinds();

// nullptr if there is none. FindKind compares exactly, as apiVersion and kind of an object do; FindPlural
// takes the parts of a URL.
const KindInfo* FindKind(absl::string_view api_version, absl::string_view kind);
const KindInfo* FindPlural(absl::string_view group, absl::string_view version, absl::string_view plural);
// By any name that a person may write: kind, plural, singular or short name, with or without ".<group>"
// behind it, in upper or lower case.
const KindInfo* FindByName(absl::string_view name);

// The kind of a message of the registry.
const KindInfo& KindOf(const google::protobuf::Descriptor& message);
template <class T>
const KindInfo& KindOf() {
  static const KindInfo& kind = KindOf(*T::descriptor());
  return kind;
}

}  // namespace xpu::api
