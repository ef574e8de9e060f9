#include "common/kube/kube_client.h"

#include <cerrno>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"
#include "common/kube/field_selection.h"
#include "common/kube/http_engine.h"
#include "common/kube/kube_errors.h"
#include "common/kube/kube_urls.h"
#include "common/kube/metadata.h"
#include "common/kube/watch_stream.h"

namespace xpu {
namespace {

// As Kubernetes' own clients do: neither side has to hold a large collection as one text.
constexpr char kPageSize[] = "500";
constexpr int kListTries = 3;
constexpr char kJson[] = "application/json";
constexpr char kMergePatch[] = "application/merge-patch+json";
constexpr char kJsonPatch[] = "application/json-patch+json";
// JSON is YAML.
constexpr char kApplyPatch[] = "application/apply-patch+yaml";

absl::Status CheckName(const ResourceKind& kind, const ResourceName& name) {
  // An empty name would address the collection.
  if (!name.name.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("metadata.name: a ", kind.kind, " needs a name"));
}

class KubeWatcher : public ResourceStore::Watcher {
 public:
  KubeWatcher(HttpEngine& engine, std::shared_ptr<HttpEngine::Transfer> transfer,
              std::shared_ptr<WatchSink> sink)
      : engine_(engine), transfer_(std::move(transfer)), sink_(std::move(sink)) {}
  ~KubeWatcher() override {
    sink_->OnResume(nullptr);
    sink_->Close();
    engine_.Cancel(transfer_);
  }

 private:
  HttpEngine& engine_;
  const std::shared_ptr<HttpEngine::Transfer> transfer_;
  const std::shared_ptr<WatchSink> sink_;
};

class KubeClientImpl : public KubeClient {
 public:
  KubeClientImpl(std::shared_ptr<KubeCredentials> credentials, absl::Duration deadline,
                 std::unique_ptr<HttpEngine> engine)
      : credentials_(std::move(credentials)), deadline_(deadline), engine_(std::move(engine)) {}

  absl::StatusOr<Resource> Create(const ResourceKind& kind, const Resource& object) override {
    return Ask("POST", CollectionPath(kind, NameOf(object).ns), kJson, &object);
  }

  absl::StatusOr<Resource> Get(const ResourceKind& kind, const ResourceName& name) override {
    XPU_RETURN_IF_ERROR(CheckName(kind, name));
    return Ask("GET", ObjectPath(kind, name));
  }

  absl::StatusOr<ResourceList> List(const ResourceKind& kind, const std::string& ns,
                                    const ListOptions& options) override {
    XPU_ASSIGN_OR_RETURN(FieldSelection selection, selections_.For(kind, options));
    absl::StatusOr<ResourceList> list;
    for (int i = 0; i < kListTries; ++i) {
      list = ListPages(kind, ns, selection);
      // Forgotten between two pages: from the beginning.
      if (absl::IsOutOfRange(list.status())) continue;
      if (!selections_.IsRefusal(kind, selection, list.status())) break;
      XPU_ASSIGN_OR_RETURN(selection, selections_.For(kind, options));
    }
    return list;
  }

  absl::StatusOr<ResourceList> ListPages(const ResourceKind& kind, const std::string& ns,
                                         const FieldSelection& selection) {
    ResourceList list;
    std::string next;
    do {
      XPU_ASSIGN_OR_RETURN(
          Resource page,
          Ask("GET", absl::StrCat(CollectionPath(kind, ns), QueryOf({{"labelSelector", selection.labels},
                                                                     {"fieldSelector", selection.fields},
                                                                     {"limit", kPageSize},
                                                                     {"continue", next}}))));
      if (page.contains("items") && page["items"].is_array()) {
        for (Resource& item : page["items"]) {
          // Lists of the core group leave out what the list's own kind says.
          if (!item.contains("kind")) item["kind"] = kind.kind;
          if (!item.contains("apiVersion")) item["apiVersion"] = kind.ApiVersion();
          if (!selection.rest.Matches(item)) continue;
          list.items.push_back(std::move(item));
        }
      }
      list.resource_version = VersionOf(page);
      const auto metadata = page.find("metadata");
      next = metadata != page.end() && metadata->is_object() ? metadata->value("continue", "") : "";
    } while (!next.empty());
    return list;
  }

  absl::StatusOr<Resource> Update(const ResourceKind& kind, const Resource& object) override {
    XPU_RETURN_IF_ERROR(CheckName(kind, NameOf(object)));
    return Ask("PUT", ObjectPath(kind, NameOf(object)), kJson, &object);
  }

  absl::StatusOr<Resource> UpdateStatus(const ResourceKind& kind, const Resource& object) override {
    XPU_RETURN_IF_ERROR(CheckName(kind, NameOf(object)));
    return Ask("PUT", ObjectPath(kind, NameOf(object), "status"), kJson, &object);
  }

  absl::StatusOr<Resource> Patch(const ResourceKind& kind, const ResourceName& name, PatchType type,
                                 const nlohmann::json& patch) override {
    XPU_RETURN_IF_ERROR(CheckName(kind, name));
    return Ask("PATCH", ObjectPath(kind, name), type == PatchType::kMerge ? kMergePatch : kJsonPatch, &patch);
  }

  absl::StatusOr<Resource> Apply(const ResourceKind& kind, const Resource& object,
                                 const ApplyOptions& options) override {
    XPU_RETURN_IF_ERROR(CheckName(kind, NameOf(object)));
    if (options.field_manager.empty()) {
      return absl::InvalidArgumentError(
          "an apply needs a field manager: the name by which its fields are owned");
    }
    Resource said = object;
    // Who owns what is the server's to say.
    if (said["metadata"].is_object()) said["metadata"].erase("managedFields");
    return Ask("PATCH",
               absl::StrCat(ObjectPath(kind, NameOf(object), options.status ? "status" : ""),
                            QueryOf({{"fieldManager", options.field_manager},
                                     {"force", options.force ? "true" : ""}})),
               kApplyPatch, &said);
  }

  absl::Status Delete(const ResourceKind& kind, const ResourceName& name,
                      const DeleteOptions& options) override {
    XPU_RETURN_IF_ERROR(CheckName(kind, name));
    nlohmann::json body = {{"apiVersion", "v1"}, {"kind", "DeleteOptions"}};
    if (!options.uid.empty()) body["preconditions"]["uid"] = options.uid;
    if (!options.resource_version.empty()) {
      body["preconditions"]["resourceVersion"] = options.resource_version;
    }
    const bool any = !body.contains("preconditions");
    return Ask("DELETE", ObjectPath(kind, name), any ? "" : kJson, any ? nullptr : &body).status();
  }

  absl::StatusOr<std::unique_ptr<Watcher>> Watch(const ResourceKind& kind, const std::string& ns,
                                                 const std::string& resource_version,
                                                 const ListOptions& options,
                                                 WatchCallbacks callbacks) override {
    if (resource_version.empty()) {
      return absl::InvalidArgumentError("a watch needs the resourceVersion of a list to start from");
    }
    XPU_ASSIGN_OR_RETURN(const FieldSelection selection, selections_.For(kind, options));
    HttpCall request;
    request.target = absl::StrCat(CollectionPath(kind, ns), QueryOf({{"watch", "true"},
                                                                     {"allowWatchBookmarks", "true"},
                                                                     {"resourceVersion", resource_version},
                                                                     {"labelSelector", selection.labels},
                                                                     {"fieldSelector", selection.fields}}));
    if (!selection.rest.everything() && callbacks.event) {
      callbacks.event = [inner = std::move(callbacks.event), selection](const WatchEvent& event) {
        inner(selection.Select(event));
      };
    }
    XPU_ASSIGN_OR_RETURN(const KubeIdentity identity, AddHeaders(request, ""));
    // What the engine's thread gathers: lines of a stream, or the words of a refusal.
    struct Reading {
      LineSplitter splitter;
      std::string refusal;
    };
    auto reading = std::make_shared<Reading>();
    auto sink = std::make_shared<WatchSink>(std::move(callbacks));
    HttpEngine::Callbacks io;
    io.data = [this, reading, sink](int code, absl::string_view piece) {
      if (code == 200 && !sink->Admit()) return false;
      if (code != 200) {
        absl::StrAppend(&reading->refusal, piece);
      } else if (!reading->splitter.Feed(
                     piece, [&](std::string line) { dispatcher_.PostLine(sink, std::move(line)); })) {
        dispatcher_.PostEnd(sink, absl::UnavailableError("the server sent a watch event without an end"));
      }
      return true;
    };
    io.done = [this, reading, sink, identity, kind, selection,
               target = request.target](absl::StatusOr<HttpAnswer> response) {
      absl::Status end = response.status();
      if (end.ok() && response->code != 200) {
        end = FromHttpError(response->code, reading->refusal, "GET " + target, response->retry_after);
        // Who watches tries again, with another identity if there is one.
        if (absl::IsUnauthenticated(end) && credentials_ != nullptr) credentials_->Refused(identity);
        if (selections_.IsRefusal(kind, selection, end)) {
          end = absl::UnavailableError(
              absl::StrCat("the server cannot select ", kind.plural,
                           " by fields; their next watch is without: ", end.message()));
        }
      }
      dispatcher_.PostEnd(sink, std::move(end));
    };
    auto transfer = engine_->Begin(std::move(request), std::move(io));
    // Weak: the transfer keeps the sink.
    sink->OnResume([this, weak = std::weak_ptr<HttpEngine::Transfer>(transfer)] {
      if (const auto held_up = weak.lock()) engine_->Resume(held_up);
    });
    return std::make_unique<KubeWatcher>(*engine_, std::move(transfer), std::move(sink));
  }

  absl::StatusOr<nlohmann::json> GetPath(const std::string& path) override { return Ask("GET", path); }

 private:
  // Shows who asks, and says who that is.
  absl::StatusOr<KubeIdentity> AddHeaders(HttpCall& request, const char* content_type) {
    request.headers.push_back(absl::StrCat("Accept: ", kJson));
    // By which servers call who has written a field (metadata.managedFields), and their logs who has asked.
    request.headers.push_back(absl::StrCat("User-Agent: ", program_invocation_short_name));
    if (*content_type != '\0') request.headers.push_back(absl::StrCat("Content-Type: ", content_type));
    if (credentials_ == nullptr) return KubeIdentity();
    XPU_ASSIGN_OR_RETURN(KubeIdentity identity, credentials_->Get());
    request.certificate = identity.certificate;
    request.key = identity.key;
    if (!identity.token.empty()) {
      request.headers.push_back(absl::StrCat("Authorization: Bearer ", identity.token));
    } else if (!identity.username.empty()) {
      request.headers.push_back(
          absl::StrCat("Authorization: Basic ",
                       absl::Base64Escape(absl::StrCat(identity.username, ":", identity.password))));
    }
    return identity;
  }

  absl::StatusOr<nlohmann::json> Ask(const std::string& method, const std::string& target,
                                     const char* content_type = "", const nlohmann::json* body = nullptr) {
    HttpCall request;
    request.method = method;
    request.target = target;
    request.timeout = deadline_;
    if (body != nullptr) request.body = body->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    XPU_ASSIGN_OR_RETURN(HttpAnswer response, Exchange(request, content_type));
    if (response.code < 200 || response.code > 299) {
      return FromHttpError(response.code, response.body, absl::StrCat(method, " ", target),
                           response.retry_after);
    }
    nlohmann::json answer = nlohmann::json::parse(response.body, nullptr, /*allow_exceptions=*/false);
    if (!answer.is_object()) {
      return absl::UnavailableError(absl::StrCat(
          method, " ", target, ": the server's answer is not an object: ", response.body.substr(0, 100)));
    }
    return answer;
  }

  // Once more with another identity, if there is one, when the server does not accept the first: a token may
  // have been renewed in between.
  absl::StatusOr<HttpAnswer> Exchange(const HttpCall& request, const char* content_type) {
    HttpCall first = request;
    XPU_ASSIGN_OR_RETURN(const KubeIdentity identity, AddHeaders(first, content_type));
    XPU_ASSIGN_OR_RETURN(HttpAnswer response, engine_->Perform(std::move(first)));
    if (response.code != 401 || credentials_ == nullptr) return response;
    credentials_->Refused(identity);
    HttpCall second = request;
    XPU_ASSIGN_OR_RETURN(const KubeIdentity other, AddHeaders(second, content_type));
    if (other == identity) return response;
    return engine_->Perform(std::move(second));
  }

  const std::shared_ptr<KubeCredentials> credentials_;
  const absl::Duration deadline_;
  FieldSelections selections_;
  WatchDispatcher dispatcher_;  // outlives the engine, which posts to it
  std::unique_ptr<HttpEngine> engine_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<KubeClient>> KubeClient::Make(const KubeEndpoint& endpoint,
                                                             absl::Duration deadline) {
  HttpEngine::Options engine;
  absl::string_view server = endpoint.server;
  if (absl::ConsumePrefix(&server, "unix:")) {
    engine.base_url = "http://localhost";
    engine.unix_socket = std::string(server);
    if (!absl::StartsWith(server, "/")) server = "";
  } else if (absl::StartsWith(server, "https://") || absl::StartsWith(server, "http://")) {
    engine.base_url = std::string(absl::StripSuffix(server, "/"));
    server.remove_prefix(server.find("//") + 2);
  } else {
    server = "";
  }
  if (server.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the API server's address \"", endpoint.server,
                     "\" cannot be read: it is unix:/path or https://host:port"));
  }
  engine.ca = endpoint.ca;
  engine.ca_file = endpoint.ca_file;
  engine.tls_server_name = endpoint.tls_server_name;
  engine.proxy = endpoint.proxy;
  engine.connect_timeout = deadline;
  XPU_ASSIGN_OR_RETURN(auto started, HttpEngine::Start(std::move(engine)));
  return std::make_unique<KubeClientImpl>(endpoint.credentials, deadline, std::move(started));
}

}  // namespace xpu
