#include "host-agent/record/recorder.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/api/api.h"
#include "common/api/field_labels.h"
#include "common/base/status_macros.h"
#include "common/kube/change_object.h"
#include "common/kube/metadata.h"
#include "host-agent/record/netdev_record.h"
#include "spdlog/spdlog.h"
#include "xpu/api/v1alpha1/netdev.pb.h"

namespace xpu {
namespace {

const ResourceKind& NetdevKind() { return api::KindOf<api::v1alpha1::Netdev>(); }

std::string FunctionIn(const Resource& resource) {
  const auto spec = resource.find("spec");
  if (spec == resource.end() || !spec->is_object()) return "";
  const auto function = spec->find("function");
  return function == spec->end() || !function->is_string() ? "" : function->get<std::string>();
}

}  // namespace

Recorder::Recorder(Options options, EventLoop& loop, ResourceStore& store, Allocator& allocator)
    : options_(std::move(options)), store_(store), allocator_(allocator) {
  Controller::Options queue;
  queue.name = "netdev recorder";
  queue.backoff = options_.backoff;
  controller_ = std::make_unique<Controller>(
      std::move(queue), [this](const ResourceName& function) { return Reconcile(function); });

  Informer::Options copy;
  copy.kind = NetdevKind();
  copy.selection.field_selector = absl::StrCat("spec.host=", options_.host);
  copy.selection.labels_of_fields = api::LabelSelector(api::kHostLabel, options_.host);
  copy.backoff = options_.backoff;
  copy.index = FunctionIn;
  const auto look_at = [this](const Resource& resource) { controller_->Enqueue({"", FunctionIn(resource)}); };
  Informer::Handler handler;
  handler.added = [look_at](const ResourceName&, const Resource& now) { look_at(now); };
  handler.updated = [look_at](const ResourceName&, const Resource&, const Resource& now) { look_at(now); };
  handler.deleted = [look_at](const ResourceName&, const Resource& last) { look_at(last); };
  handler.synced = [this, look_at] {
    for (const ClaimRow& row : allocator_.Rows()) RowChanged(row.function);
    for (const Resource& resource : informer_->All()) look_at(resource);
  };
  // One may have been made, and taken away by somebody, without having been seen.
  handler.relisted = handler.synced;
  informer_ = std::make_unique<Informer>(loop, store_, std::move(copy), std::move(handler));
}

Recorder::~Recorder() {
  // Its turns read the informer, whose handlers enqueue.
  controller_->Stop();
  informer_.reset();
}

void Recorder::RowChanged(const FunctionId& function) { controller_->Enqueue({"", function.ToString()}); }

absl::Status Recorder::Reconcile(const ResourceName& key) {
  // Before it is known what is there, nothing can be missing; `synced` brings all back.
  if (!informer_->synced()) return absl::OkStatus();
  std::optional<Resource> record;
  if (const absl::StatusOr<FunctionId> function = FunctionId::Parse(key.name); function.ok()) {
    if (const std::optional<ClaimRow> row = allocator_.Find(*function)) {
      // It is complete or undone in a moment.
      if (row->state == ClaimState::kAttached && !row->confirmed) return absl::OkStatus();
      // What was recorded before the journal was lost says more than it does.
      if (row->state == ClaimState::kAttached && IsOfUnknownContainer(*row)) return absl::OkStatus();
      record = NetdevFor(options_.host, *row);
    }
  }
  absl::Status first_error;
  for (const Resource& resource : informer_->Having(key.name)) {
    if (record && NameOf(resource) == NameOf(*record)) continue;
    first_error.Update(Remove(resource));
  }
  if (record) first_error.Update(Write(*record));
  return first_error;
}

absl::Status Recorder::Write(const Resource& record) {
  std::optional<Resource> there = informer_->Get(NameOf(record));
  if (!there) {
    absl::Status created = store_.Create(NetdevKind(), record).status();
    if (!absl::IsAlreadyExists(created)) return created;
    // The copy is behind, or the object has lost its label.
    XPU_ASSIGN_OR_RETURN(there, store_.Get(NetdevKind(), NameOf(record)));
  }
  // Its end, once the xPU agent has let go, brings the function back here.
  if (IsBeingDeleted(*there)) return absl::OkStatus();
  if (!CanBecome(*there, record)) return Remove(*there);
  if (SaysTheSame(*there, record)) return absl::OkStatus();
  const absl::StatusOr<Resource> changed =
      ChangeObject(store_, NetdevKind(), *there, ObjectPart::kAllButStatus, [&record](Resource* object) {
        if (SaysTheSame(*object, record)) return false;
        TakeLabels(record, object);
        (*object)["spec"] = SpecFor(*object, record);
        return true;
      });
  return changed.status();
}

absl::Status Recorder::Remove(const Resource& resource) {
  if (IsBeingDeleted(resource)) return absl::OkStatus();
  const absl::Status status = store_.Delete(NetdevKind(), NameOf(resource));
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

}  // namespace xpu
