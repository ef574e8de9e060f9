#pragma once

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
};

// What the declaration of a kind (proto/xpu/api, options.proto) says. Lives for ever once in the registry.
struct KindInfo {
  ResourceKind resource;
  // The kind in lower case, e.g. "netdev".
  std::string singular;
  std::vector<std::string> short_names;
  std::vector<Column> columns;
  // False for kinds that belong to the whole cluster, such as Namespace.
  bool namespaced = true;
  // Its fields are another project's: all are taken, and only metadata is checked.
  bool open = false;
  // Who writes the status does not write the rest: it has a subresource of its own.
  bool has_status = true;
  // The message with the fields `spec` and `status`; of an open kind only its name counts.
  const google::protobuf::Descriptor* message = nullptr;

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
