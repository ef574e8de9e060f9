#include "control-plane/xpuctl/session.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace xpu {

absl::StatusOr<const api::KindInfo*> FindKindByName(const std::string& word) {
  if (const api::KindInfo* kind = api::FindByName(word)) return kind;
  std::vector<std::string> known;
  for (const api::KindInfo& kind : api::AllKinds()) {
    std::string names = kind.resource.plural;
    if (!kind.short_names.empty()) absl::StrAppend(&names, " (", absl::StrJoin(kind.short_names, ", "), ")");
    known.push_back(std::move(names));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is no kind \"", word, "\"; there are ", absl::StrJoin(known, ", ")));
}

absl::StatusOr<std::vector<Target>> ParseTargets(const std::vector<std::string>& words) {
  std::vector<Target> targets;
  if (words.empty()) return absl::InvalidArgumentError("say a kind, e.g. \"networks\" or \"network/blue\"");
  if (words[0].find('/') != std::string::npos) {
    for (const std::string& word : words) {
      const std::vector<std::string> parts = absl::StrSplit(word, '/');
      if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat("\"", word, "\" is not KIND/NAME, as the first one is"));
      }
      XPU_ASSIGN_OR_RETURN(const api::KindInfo* kind, FindKindByName(parts[0]));
      targets.push_back({kind, parts[1]});
    }
    return targets;
  }
  const std::vector<std::string> kinds = absl::StrSplit(words[0], ',');
  if (kinds.size() > 1 && words.size() > 1) {
    return absl::InvalidArgumentError("names go with one kind; for several write KIND/NAME KIND/NAME");
  }
  for (const std::string& word : kinds) {
    XPU_ASSIGN_OR_RETURN(const api::KindInfo* kind, FindKindByName(word));
    if (words.size() == 1) targets.push_back({kind, ""});
    for (size_t i = 1; i < words.size(); ++i) {
      if (words[i].empty() || words[i].find('/') != std::string::npos) {
        return absl::InvalidArgumentError(absl::StrCat("\"", words[i], "\" is not a name"));
      }
      targets.push_back({kind, words[i]});
    }
  }
  return targets;
}

ResourceName NameIn(const Session& session, const api::KindInfo& kind, const std::string& name) {
  return {kind.namespaced ? session.ns : "", name};
}

std::string NamespaceToList(const Session& session, const api::KindInfo& kind) {
  return kind.namespaced && !session.all_namespaces ? session.ns : "";
}

std::string Label(const api::KindInfo& kind, const std::string& name) {
  const std::string group = kind.resource.group.empty() ? "" : "." + kind.resource.group;
  return absl::StrCat(kind.singular, group, "/", name);
}

}  // namespace xpu
