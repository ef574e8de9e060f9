#include "control-plane/broker/copy.h"

#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/kube/metadata.h"

namespace xpu::broker {
namespace {

constexpr char kPrefix[] = "xpu.opiproject.org/origin";
constexpr char kNamespace[] = "xpu.opiproject.org/origin-namespace";
constexpr char kUid[] = "xpu.opiproject.org/origin-uid";
constexpr char kGeneration[] = "xpu.opiproject.org/origin-generation";
constexpr char kContent[] = "xpu.opiproject.org/origin-content";
constexpr char kKeys[] = "xpu.opiproject.org/origin-keys";

// metadata.labels or metadata.annotations, without what is not a text.
std::map<std::string, std::string> Texts(const Resource& object, const char* field) {
  std::map<std::string, std::string> texts;
  const auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object()) return texts;
  const auto found = metadata->find(field);
  if (found == metadata->end() || !found->is_object()) return texts;
  for (const auto& [key, value] : found->items()) {
    if (value.is_string()) texts.emplace(key, value.get<std::string>());
  }
  return texts;
}

// What is copied as it is.
Resource ContentOf(const Resource& object) {
  Resource content = object.is_object() ? object : Resource::object();
  content.erase("metadata");
  content.erase("status");
  return content;
}

// FNV-1a, 64 bits: nobody gains by two contents with one digest but who writes both.
std::string Digest(const Resource& content) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : content.dump()) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return absl::StrFormat("%016x", hash);
}

// `has` says all that `wants` says.
bool Says(const Resource& has, const Resource& wants) {
  if (wants.is_object()) {
    if (!has.is_object()) return wants.empty() && has.is_null();
    return std::all_of(wants.items().begin(), wants.items().end(), [&](const auto& item) {
      const auto found = has.find(item.key());
      return found == has.end() ? item.value().is_null() : Says(*found, item.value());
    });
  }
  if (wants.is_array() && has.is_array()) {
    if (has.size() != wants.size()) return false;
    for (size_t i = 0; i < wants.size(); ++i) {
      if (!Says(has[i], wants[i])) return false;
    }
    return true;
  }
  return has == wants;
}

bool IsMark(const std::string& key) { return absl::StartsWith(key, kPrefix); }

std::map<std::string, std::string> LabelsToCopy(const Resource& source) {
  std::map<std::string, std::string> labels = Texts(source, "labels");
  std::erase_if(labels, [](const auto& label) { return IsMark(label.first); });
  return labels;
}

std::map<std::string, std::string> AnnotationsToCopy(const Origin& origin, const Resource& source) {
  std::map<std::string, std::string> annotations = Texts(source, "annotations");
  std::erase_if(annotations, [&](const auto& annotation) {
    return IsMark(annotation.first) || std::none_of(origin.annotations.begin(), origin.annotations.end(),
                                                    [&](const std::string& beginning) {
                                                      return absl::StartsWith(annotation.first, beginning);
                                                    });
  });
  return annotations;
}

Resource KeysOf(const std::map<std::string, std::string>& texts) {
  Resource keys = Resource::array();
  for (const auto& [key, value] : texts) keys.push_back(key);
  return keys;
}

// Puts `wanted` into metadata.<field>, and takes out what was put there before and is not wanted any more.
void Merge(const char* field, const std::map<std::string, std::string>& wanted, const Resource& before,
           Resource* copy) {
  std::map<std::string, std::string> texts = Texts(*copy, field);
  if (before.is_array()) {
    for (const Resource& key : before) {
      if (key.is_string() && !IsMark(key.get<std::string>())) texts.erase(key.get<std::string>());
    }
  }
  for (const auto& [key, value] : wanted) texts[key] = value;
  (*copy)["metadata"][field] = texts;
}

bool IsGeneration(const std::string& key) {
  return key == "observedGeneration" || key == "confirmedGeneration";
}

void TranslateGenerations(int64_t of_copy, int64_t of_source, Resource* status) {
  if (status->is_array()) {
    for (Resource& item : *status) TranslateGenerations(of_copy, of_source, &item);
  }
  if (!status->is_object()) return;
  for (auto& [key, value] : status->items()) {
    if (IsGeneration(key) && value.is_number_integer()) {
      // An older one of the copy's was made from an older one of the source's.
      value = value.get<int64_t>() >= of_copy ? of_source : std::max<int64_t>(0, of_source - 1);
    } else {
      TranslateGenerations(of_copy, of_source, &value);
    }
  }
}

}  // namespace

Marks MarksOf(const Resource& object) {
  Marks marks;
  if (!object.is_object()) return marks;
  std::map<std::string, std::string> labels = Texts(object, "labels");
  std::map<std::string, std::string> annotations = Texts(object, "annotations");
  marks.origin = labels[kOriginLabel];
  marks.ns = annotations[kNamespace];
  marks.uid = annotations[kUid];
  if (!absl::SimpleAtoi(annotations[kGeneration], &marks.generation)) marks.generation = 0;
  return marks;
}

std::string FinalizerOf(const Origin& origin) {
  return absl::StrCat("xpu.opiproject.org/broker-", origin.name);
}

Resource MakeCopy(const Origin& origin, const Resource& source, const ResourceName& target,
                  const Resource* present) {
  const Resource content = ContentOf(source);
  const std::string digest = Digest(content);
  std::map<std::string, std::string> labels = LabelsToCopy(source);
  std::map<std::string, std::string> annotations = AnnotationsToCopy(origin, source);
  const Resource keys = {{"labels", KeysOf(labels)}, {"annotations", KeysOf(annotations)}};
  labels[kOriginLabel] = origin.name;
  annotations[kNamespace] = NameOf(source).ns;
  annotations[kUid] = UidOf(source);
  annotations[kGeneration] = absl::StrCat(GenerationOf(source));
  annotations[kContent] = digest;
  annotations[kKeys] = keys.dump();

  Resource copy;
  Resource put_before;
  if (present == nullptr) {
    copy = content;
    copy["metadata"] = {{"name", target.name}};
    if (!target.ns.empty()) copy["metadata"]["namespace"] = target.ns;
  } else {
    copy = present->is_object() ? *present : Resource::object();
    if (!copy["metadata"].is_object()) copy["metadata"] = Resource::object();
    std::map<std::string, std::string> marks = Texts(copy, "annotations");
    put_before = Resource::parse(marks[kKeys], nullptr, /*allow_exceptions=*/false);
    if (marks[kContent] != digest || !Says(ContentOf(copy), content)) {
      Resource changed = content;
      for (const char* kept : {"metadata", "status"}) {
        if (copy.contains(kept)) changed[kept] = copy[kept];
      }
      copy = std::move(changed);
    }
  }
  const auto before = [&](const char* field) {
    return put_before.is_object() ? put_before.value(field, Resource()) : Resource();
  };
  Merge("labels", labels, before("labels"), &copy);
  Merge("annotations", annotations, before("annotations"), &copy);
  return copy;
}

std::optional<Resource> StatusFor(const Resource& source, const Resource& copy) {
  const Marks marks = MarksOf(copy);
  const auto status = copy.find("status");
  if (status == copy.end() || status->is_null()) return std::nullopt;
  if (marks.uid != UidOf(source)) return std::nullopt;
  // The mark of deletion may count as a generation, and is not copied.
  if (marks.generation != GenerationOf(source) && !IsBeingDeleted(source)) return std::nullopt;
  Resource translated = *status;
  TranslateGenerations(GenerationOf(copy), marks.generation, &translated);
  return translated;
}

}  // namespace xpu::broker
