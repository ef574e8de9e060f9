#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/api/api.h"
#include "common/base/clock.h"
#include "common/kube/kube_client.h"

namespace xpu {

// What the verbs work with.
struct Session {
  KubeClient& store;
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  Clock& clock;
  // Where an object is looked for that does not say so itself.
  std::string ns;
  bool all_namespaces = false;
};

// An object, or all objects of a kind, as a person names it.
struct Target {
  const api::KindInfo* kind = nullptr;
  // Empty: all.
  std::string name;
};

// "KIND", "KIND NAME...", "KIND/NAME..." or "KIND,KIND"; kinds in any of their names. InvalidArgument lists
// the kinds there are.
absl::StatusOr<std::vector<Target>> ParseTargets(const std::vector<std::string>& words);
absl::StatusOr<const api::KindInfo*> FindKindByName(const std::string& word);

// Where the object of that kind is looked for: the session's namespace for kinds that have one.
ResourceName NameIn(const Session& session, const api::KindInfo& kind, const std::string& name);
// The namespace to list; empty for all.
std::string NamespaceToList(const Session& session, const api::KindInfo& kind);

// "network.xpu.opiproject.org/blue"; the core group has no name: "namespace/default".
std::string Label(const api::KindInfo& kind, const std::string& name);

}  // namespace xpu
