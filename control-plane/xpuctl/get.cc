#include "control-plane/xpuctl/get.h"

#include <algorithm>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "common/api/object_columns.h"
#include "common/kube/metadata.h"
#include "control-plane/xpuctl/object_events.h"
#include "control-plane/xpuctl/table.h"

namespace xpu {
namespace {

// Objects of one kind.
struct Found {
  const api::KindInfo* kind = nullptr;
  std::vector<Resource> objects;
};

// In the order they were asked for. One that is missing is told and counted, and does not hide the others.
absl::StatusOr<std::vector<Found>> Fetch(Session& session, const GetOptions& options, size_t* missing) {
  XPU_ASSIGN_OR_RETURN(const std::vector<Target> targets, ParseTargets(options.words));
  std::vector<Found> found;
  for (const Target& target : targets) {
    if (found.empty() || found.back().kind != target.kind) found.push_back({target.kind, {}});
    if (target.name.empty()) {
      XPU_ASSIGN_OR_RETURN(
          ResourceList list,
          session.store.List(*target.kind, NamespaceToList(session, *target.kind), options.selection));
      for (Resource& object : list.items) found.back().objects.push_back(std::move(object));
      continue;
    }
    if (session.all_namespaces && target.kind->namespaced) {
      return absl::InvalidArgumentError("an object is in one namespace: name it with -n instead of -A");
    }
    if (!options.selection.label_selector.empty() || !options.selection.field_selector.empty()) {
      return absl::InvalidArgumentError(
          "a selector chooses among all objects: leave out either it or the name");
    }
    absl::StatusOr<Resource> object =
        session.store.Get(*target.kind, NameIn(session, *target.kind, target.name));
    if (absl::IsNotFound(object.status())) {
      ++*missing;
      session.err << "xpuctl: " << object.status().message() << "\n";
      continue;
    }
    XPU_RETURN_IF_ERROR(object.status());
    found.back().objects.push_back(*std::move(object));
  }
  return found;
}

void PrintTables(Session& session, const std::vector<Found>& found, bool wide) {
  bool first = true;
  for (const Found& part : found) {
    if (part.objects.empty()) continue;
    if (!first) session.out << "\n";
    first = false;
    const api::ObjectColumns columns(*part.kind, session.all_namespaces, wide);
    Table table(columns.Headings());
    for (const Resource& object : part.objects) table.AddRow(columns.Row(object, session.clock.Now()));
    table.Print(session.out);
  }
}

// What a program reads: the one object that was named, or a List.
Resource Document(const std::vector<Found>& found, bool one) {
  Resource items = Resource::array();
  for (const Found& part : found) {
    for (const Resource& object : part.objects) items.push_back(object);
  }
  if (one && items.size() == 1) return items[0];
  return {{"apiVersion", "v1"}, {"kind", "List"}, {"metadata", {{"resourceVersion", ""}}}, {"items", items}};
}

absl::Status MissingStatus(size_t missing) {
  if (missing == 0) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat(missing, missing == 1 ? " object was" : " objects were", " not found"));
}

// "  " before each line that is not empty.
std::string Indent(const std::string& text) {
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    absl::StrAppend(&out, "  ", text.substr(at, end - at), "\n");
    at = end + 1;
  }
  return out;
}

void PrintSection(std::ostream& out, const char* title, const Resource& value) {
  if (value.is_null() || value.empty()) return;
  out << title << ":\n" << Indent(api::JsonToYaml(value));
}

void PrintConditions(std::ostream& out, const Resource& conditions) {
  if (!conditions.is_array() || conditions.empty()) return;
  out << "Conditions:\n";
  Table table({"Type", "Status", "Reason", "Since", "Message"});
  for (const Resource& condition : conditions) {
    if (!condition.is_object()) continue;
    table.AddRow({condition.value("type", ""), condition.value("status", ""), condition.value("reason", ""),
                  condition.value("lastTransitionTime", ""), condition.value("message", "")});
  }
  table.Print(out);
}

void DescribeOne(Session& session, const api::KindInfo& kind, const Resource& object) {
  const Resource metadata = object.value("metadata", Resource::object());
  const auto line = [&](const char* title, const std::string& text) {
    if (!text.empty())
      session.out << title << std::string(13 - std::string(title).size(), ' ') << text << "\n";
  };
  line("Name:", NameOf(object).name);
  line("Namespace:", NameOf(object).ns);
  line("Kind:", kind.resource.kind + " (" + kind.resource.ApiVersion() + ")");
  line("Created:", metadata.value("creationTimestamp", ""));
  line("Deleted:", metadata.value("deletionTimestamp", ""));
  line("Generation:", std::to_string(GenerationOf(object)));
  if (metadata.contains("labels")) PrintSection(session.out, "Labels", metadata["labels"]);
  if (metadata.contains("finalizers")) PrintSection(session.out, "Finalizers", metadata["finalizers"]);
  if (object.contains("spec")) PrintSection(session.out, "Spec", object["spec"]);
  Resource status = object.value("status", Resource::object());
  const Resource conditions = status.value("conditions", Resource::array());
  status.erase("conditions");
  PrintSection(session.out, "Status", status);
  PrintConditions(session.out, conditions);
  PrintEvents(session, kind, object);
}

}  // namespace

absl::Status Get(Session& session, const GetOptions& options) {
  size_t missing = 0;
  XPU_ASSIGN_OR_RETURN(const std::vector<Found> found, Fetch(session, options, &missing));
  const bool any =
      std::any_of(found.begin(), found.end(), [](const Found& part) { return !part.objects.empty(); });
  if (options.output == "json" || options.output == "yaml") {
    const bool one = options.words.size() > 1 || options.words[0].find('/') != std::string::npos;
    if (!any && missing > 0) return MissingStatus(missing);
    const Resource document = Document(found, one);
    session.out << (options.output == "yaml"
                        ? api::JsonToYaml(document)
                        : document.dump(2, ' ', false, Resource::error_handler_t::replace) + "\n");
  } else if (options.output == "name") {
    for (const Found& part : found) {
      for (const Resource& object : part.objects)
        session.out << Label(*part.kind, NameOf(object).name) << "\n";
    }
  } else {
    PrintTables(session, found, options.output == "wide");
    if (!any && missing == 0) {
      session.err << "There are no " << found[0].kind->resource.plural
                  << (found[0].kind->namespaced && !session.all_namespaces ? " in namespace " + session.ns
                                                                           : "")
                  << "\n";
    }
  }
  return MissingStatus(missing);
}

absl::Status Describe(Session& session, const GetOptions& options) {
  size_t missing = 0;
  XPU_ASSIGN_OR_RETURN(const std::vector<Found> found, Fetch(session, options, &missing));
  bool first = true;
  for (const Found& part : found) {
    for (const Resource& object : part.objects) {
      if (!first) session.out << "\n";
      first = false;
      DescribeOne(session, *part.kind, object);
    }
  }
  return MissingStatus(missing);
}

}  // namespace xpu
