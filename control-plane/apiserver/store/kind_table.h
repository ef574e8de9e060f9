#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/api/kinds.h"

namespace xpu::apiserver {

using KindPtr = std::shared_ptr<const api::KindInfo>;

// The kinds that are served: those of the program, with the schemas of their CRDs, and those that
// CustomResourceDefinitions declare while it runs. Who holds a KindPtr may use it also when the kind is not
// served any more. One thread.
class KindTable {
 public:
  KindTable();

  // Null if there is none.
  KindPtr FindPlural(absl::string_view group, absl::string_view version, absl::string_view plural) const;
  KindPtr FindKind(absl::string_view api_version, absl::string_view kind) const;
  // Any version of it; see CollectionOf().
  KindPtr OfCollection(absl::string_view collection) const;
  // In the order of groups, versions and names.
  const std::vector<KindPtr>& all() const { return all_; }
  // Whether the program itself serves it.
  static bool IsBuiltIn(absl::string_view group, absl::string_view plural);

  // The versions of one CRD, instead of those that were there under its name.
  void Serve(const std::string& crd, std::vector<KindPtr> kinds);
  void Withdraw(const std::string& crd);
  // None but those of the program.
  void Clear();
  // Another number after each change.
  int64_t generation() const { return generation_; }

 private:
  void Rebuild();

  std::vector<KindPtr> built_in_;
  std::map<std::string, std::vector<KindPtr>> declared_;
  std::vector<KindPtr> all_;
  int64_t generation_ = 0;
};

// The CRDs of our own kinds, as packaged.
std::vector<absl::string_view> OwnCrds();

}  // namespace xpu::apiserver
