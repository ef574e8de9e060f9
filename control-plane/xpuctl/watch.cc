#include "control-plane/xpuctl/watch.h"

#include <memory>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "common/api/object_columns.h"
#include "common/kube/informer.h"
#include "common/kube/metadata.h"
#include "control-plane/xpuctl/table.h"

namespace xpu {

absl::Status WatchObjects(Session& session, const WatchOptions& options,
                          const std::function<void(EventLoop&)>& run) {
  XPU_ASSIGN_OR_RETURN(const std::vector<Target> targets, ParseTargets(options.words));
  if (targets.size() != 1)
    return absl::InvalidArgumentError("watch one kind, or one object of it, at a time");
  const Target& target = targets[0];
  Informer::Options informer_options;
  informer_options.kind = *target.kind;
  informer_options.ns = NamespaceToList(session, *target.kind);
  informer_options.selection = options.selection;
  if (!target.name.empty()) {
    std::string& fields = informer_options.selection.field_selector;
    absl::StrAppend(&fields, fields.empty() ? "" : ",", "metadata.name=", target.name);
  }
  // An informer waits for a server that is not there; a person wants to be told.
  XPU_RETURN_IF_ERROR(
      session.store.List(informer_options.kind, informer_options.ns, informer_options.selection).status());

  const api::ObjectColumns columns(*target.kind, session.all_namespaces, options.output == "wide");
  std::vector<std::string> headings = columns.Headings();
  headings.insert(headings.begin(), "Event");
  Table table(std::move(headings));
  EventLoop loop;
  bool synced = false;
  const auto tell = [&](const char* type, const Resource& object) {
    if (options.output == "json") {
      session.out << Resource({{"type", type}, {"object", object}})
                         .dump(-1, ' ', false, Resource::error_handler_t::replace)
                  << std::endl;
      // Whoever read it has gone, as "| head" does.
      if (!session.out) loop.Stop();
      return;
    }
    std::vector<std::string> row = columns.Row(object, session.clock.Now());
    row.insert(row.begin(), type);
    table.AddRow(std::move(row));
    // The first list in one piece, so that its columns fit.
    if (synced) table.PrintNew(session.out);
    if (!session.out) loop.Stop();
  };
  Informer::Handler handler;
  handler.added = [&](const ResourceName&, const Resource& object) { tell("ADDED", object); };
  handler.updated = [&](const ResourceName&, const Resource&, const Resource& now) { tell("MODIFIED", now); };
  handler.deleted = [&](const ResourceName&, const Resource& last) { tell("DELETED", last); };
  handler.synced = [&] {
    synced = true;
    if (options.output != "json") table.PrintNew(session.out);
  };
  Informer informer(loop, session.store, std::move(informer_options), std::move(handler));
  run(loop);
  return absl::OkStatus();
}

}  // namespace xpu
