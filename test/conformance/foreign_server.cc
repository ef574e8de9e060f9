#include "test/conformance/foreign_server.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/api/api.h"
#include "common/base/status_macros.h"
#include "common/kube/metadata.h"
#include "common/sys/files.h"

namespace xpu::testing {
namespace {

const ResourceKind kDefinitions = {"apiextensions.k8s.io", "v1", "CustomResourceDefinition",
                                   "customresourcedefinitions"};
const ResourceKind kNamespaces = {"", "v1", "Namespace", "namespaces"};
constexpr char kGroup[] = "xpu.opiproject.org";
constexpr absl::Duration kPatience = absl::Seconds(60);

// The kinds that are ours.
std::vector<ResourceKind> OurKinds() {
  std::vector<ResourceKind> kinds;
  for (const api::KindInfo& kind : api::AllKinds()) {
    if (kind.resource.group == kGroup) kinds.push_back(kind.resource);
  }
  return kinds;
}

// The server serves the kind from when it says so.
absl::Status AwaitEstablished(KubeClient& client, const Resource& definition) {
  const auto established = [](const Resource& object) {
    return GetCondition(object, "Established").status == "True";
  };
  if (established(definition)) return absl::OkStatus();
  absl::Notification done;
  XPU_ASSIGN_OR_RETURN(
      const auto watcher,
      client.Watch(kDefinitions, "", VersionOf(definition),
                   {.field_selector = absl::StrCat("metadata.name=", NameOf(definition).name)},
                   {.event =
                        [&](const WatchEvent& event) {
                          if (established(event.object) && !done.HasBeenNotified()) done.Notify();
                        },
                    .ended = {}}));
  if (done.WaitForNotificationWithTimeout(kPatience)) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat("the server does not serve ", NameOf(definition).name, " after its definition was made"));
}

// Of an earlier run: nothing can be made in a namespace that is on its way out.
absl::Status AwaitNamespaceGone(KubeClient& client, const std::string& name) {
  const absl::StatusOr<Resource> there = client.Get(kNamespaces, {"", name});
  if (absl::IsNotFound(there.status()) || (there.ok() && !IsBeingDeleted(*there))) return absl::OkStatus();
  XPU_RETURN_IF_ERROR(there.status());
  absl::Notification gone;
  XPU_ASSIGN_OR_RETURN(const auto watcher,
                       client.Watch(kNamespaces, "", VersionOf(*there),
                                    {.field_selector = absl::StrCat("metadata.name=", name)},
                                    {.event =
                                         [&](const WatchEvent& event) {
                                           const bool is_gone = event.type == WatchEvent::Type::kDeleted;
                                           if (is_gone && !gone.HasBeenNotified()) gone.Notify();
                                         },
                                     .ended = {}}));
  if (gone.WaitForNotificationWithTimeout(kPatience)) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrCat(
      "the namespace ", name, " is being deleted and does not go: is there a controller manager?"));
}

}  // namespace

ForeignServer& ForeignServer::Get() {
  static auto& server = *new ForeignServer;
  return server;
}

absl::StatusOr<std::unique_ptr<KubeClient>> ForeignServer::Connect() const {
  return KubeClient::Make(endpoint_);
}

absl::Status ForeignServer::Open(const KubeFlags& flags) {
  XPU_ASSIGN_OR_RETURN(endpoint_, EndpointFromFlags(flags));
  XPU_ASSIGN_OR_RETURN(client_, Connect());
  XPU_RETURN_IF_ERROR(Annotate(MakeKinds(), "the CustomResourceDefinitions"));
  XPU_RETURN_IF_ERROR(AwaitNamespaceGone(*client_, "team-a"));
  for (const ResourceKind& kind : OurKinds()) {
    XPU_ASSIGN_OR_RETURN(const ResourceList list, client_->List(kind, "", {}));
    if (list.items.empty()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(endpoint_.server, " has ", list.items.size(), " ", kind.plural, ", ",
                     NameOf(list.items[0]).ToString(),
                     " the first: the suites make and remove such objects, so "
                     "use a cluster that has none"));
  }
  return absl::OkStatus();
}

absl::Status ForeignServer::MakeKinds() {
  XPU_ASSIGN_OR_RETURN(const std::vector<std::string> files, ListDirectory(XPU_CRD_DIR));
  for (const ResourceKind& kind : OurKinds()) {
    // xpu-apiserver knows them without.
    if (client_->List(kind, "", {}).ok()) continue;
    const std::string path = absl::StrCat(XPU_CRD_DIR, "/", kind.plural, ".yaml");
    XPU_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    XPU_ASSIGN_OR_RETURN(const std::vector<api::YamlDocument> documents, api::YamlToJson(text, path));
    for (const api::YamlDocument& document : documents) {
      XPU_ASSIGN_OR_RETURN(const Resource made, client_->Create(kDefinitions, document.value));
      XPU_RETURN_IF_ERROR(AwaitEstablished(*client_, made));
    }
  }
  return absl::OkStatus();
}

absl::Status ForeignServer::Clear() {
  for (const ResourceKind& kind : OurKinds()) {
    XPU_ASSIGN_OR_RETURN(const ResourceList list, client_->List(kind, "", {}));
    for (const Resource& object : list.items) {
      const ResourceName name = NameOf(object);
      if (object["metadata"].contains("finalizers")) {
        const absl::Status freed =
            client_->Patch(kind, name, PatchType::kMerge, {{"metadata", {{"finalizers", nullptr}}}}).status();
        if (!freed.ok() && !absl::IsNotFound(freed)) return freed;
      }
      const absl::Status deleted = client_->Delete(kind, name);
      if (!deleted.ok() && !absl::IsNotFound(deleted)) return deleted;
    }
  }
  return absl::OkStatus();
}

absl::Status ForeignServer::Close() {
  absl::Status closed = Clear();
  const absl::Status deleted = client_->Delete(kNamespaces, {"", "team-a"});
  if (!absl::IsNotFound(deleted)) closed.Update(deleted);
  client_.reset();
  return closed;
}

}  // namespace xpu::testing
