#include "control-plane/apiserver/api_server.h"

#include <iterator>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/http/http_server.h"
#include "common/log/log.h"
#include "control-plane/apiserver/auth/authenticator.h"
#include "control-plane/apiserver/auth/authorizer.h"
#include "control-plane/apiserver/disk_waiter.h"
#include "control-plane/apiserver/event_expiry.h"
#include "control-plane/apiserver/http/metrics_text.h"
#include "control-plane/apiserver/http/reply.h"
#include "control-plane/apiserver/http/rest_api.h"
#include "control-plane/apiserver/http/store_actions.h"
#include "control-plane/apiserver/http/watch_hub.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {
namespace {

// Above what the API takes, so that the API can answer a body that is too large in its own words.
constexpr size_t kMaxBodyBytes = size_t{16} << 20;
// Whose connection was refused comes again so late.
constexpr absl::Duration kRefusalRetry = absl::Seconds(5);

class ApiServerImpl : public ApiServer {
 public:
  ApiServerImpl(EventLoop& loop, Clock& clock, const RequestLimits& limits, const HttpLimits& connections,
                std::unique_ptr<ObjectStore> store, bool waits_for_disk)
      : loop_(loop),
        store_(std::move(store)),
        waits_for_disk_(waits_for_disk),
        authenticator_(*store_),
        authorizer_(*store_),
        watches_(loop, *store_, limits, clock),
        actions_(loop, *store_),
        disk_(
            loop, [store = store_.get()] { return store->Save(); },
            [this](const absl::Status& saved) { Saved(saved); }),
        api_({*store_, watches_, authenticator_, authorizer_, actions_, clock, [this] { return Metrics(); }},
             limits),
        http_(loop,
              {.max_body_bytes = kMaxBodyBytes, .limits = connections, .refuse = &ApiServerImpl::Refuse},
              [this](HttpRequest request) { return Handle(std::move(request)); }) {
    store_->OnChange([this](const Change& change) { authorizer_.OnChange(change); });
    store_->OnRestore([this] { authorizer_.OnRestore(); });
    // After all requests that are there by now: they share a commit, and so do those that come while the disk
    // is waited for.
    store_->Group([this] {
      loop_.Post([this, alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired() && !disk_.is_running()) Save();
      });
    });
  }
  ~ApiServerImpl() override { Flush(); }

  absl::Status FollowCredentials(const ApiServerOptions& options) {
    if (!options.token_file.empty())
      XPU_RETURN_IF_ERROR(authenticator_.FollowTokens(options.token_file, loop_));
    if (!options.tls.empty()) {
      XPU_ASSIGN_OR_RETURN(tls_, TlsCredentials::Load(options.tls));
      tls_changed_ = TlsCredentials::Subscribe(tls_, [this] { WarnOf(TakeTls()); });
      XPU_RETURN_IF_ERROR(tls_->Follow(loop_));
      XPU_RETURN_IF_ERROR(TakeTls());
    }
    // Where all who come may do everything, nobody needs roles.
    if (options.token_file.empty() && options.tls.empty()) return absl::OkStatus();
    return authorizer_.MakeDefaultRoles();
  }

  absl::Status ExpireEvents(absl::Duration ttl, Clock& clock) {
    if (ttl <= absl::ZeroDuration()) return absl::OkStatus();
    expiry_ = std::make_unique<EventExpiry>(loop_, *store_, clock, ttl);
    return expiry_->Start();
  }

  absl::Status Listen(const std::vector<std::string>& endpoints) {
    if (endpoints.empty()) return absl::InvalidArgumentError("no address to listen on; give --listen");
    for (const std::string& endpoint : endpoints) {
      XPU_ASSIGN_OR_RETURN(std::string bound, http_.Listen(endpoint));
      endpoints_.push_back(std::move(bound));
    }
    return absl::OkStatus();
  }

  const std::vector<std::string>& endpoints() const override { return endpoints_; }
  ObjectStore& store() override { return *store_; }
  absl::Status failed() const override { return failed_; }
  void OnWatchers(std::function<void(size_t)> callback) override { watches_.OnWatchers(std::move(callback)); }

 private:
  // A reply that waits until what it says is on the disk.
  struct Waiting {
    std::unique_ptr<HttpPending> pending;
    std::shared_ptr<const HttpReply> reply;
    // Of a request that only reads.
    std::shared_ptr<const HttpRequest> read;
  };

  static HttpReply Refuse(HttpRefusal why) {
    if (why == HttpRefusal::kAddress) {
      return ErrorReply(
          TooManyRequests("your address has as many connections as one may have; close some", kRefusalRetry));
    }
    HttpReply reply = ErrorReply(absl::UnavailableError("the server has as many connections as it takes"));
    reply.headers.emplace_back("Retry-After", absl::StrCat(absl::ToInt64Seconds(kRefusalRetry)));
    return reply;
  }

  std::string Metrics() const {
    const HttpCounts& counts = http_.counts();
    MetricsText text;
    text.Gauge("connections", "open connections of clients", counts.open);
    text.Counter("connections_accepted_total", "connections that clients have made", "", counts.accepted);
    text.Counter("connections_refused_total",
                 "connections that were refused, by the limit that they were above", "limit=\"connections\"",
                 counts.refused_full);
    text.Counter("connections_refused_total", "", "limit=\"connections-per-address\"",
                 counts.refused_address);
    text.Counter("connection_timeouts_total", "connections that were ended as they kept the server waiting",
                 "", counts.timeouts);
    text.Gauge("watches", "running watches", watches_.size());
    for (const auto& [code, count] : replies_) {
      text.Counter("requests_total", "requests that were answered, by code",
                   absl::StrCat("code=\"", code, "\""), count);
    }
    text.Gauge("store_version", "version of the last change", static_cast<uint64_t>(store_->version()));
    text.Counter("store_commits_total", "commits, each of which the writes of a group share", "", commits_);
    text.Counter("store_commit_failures_total", "commits that failed, as with a full disk", "",
                 failed_commits_);
    return text.Take();
  }

  HttpReply Handle(HttpRequest request) {
    // A watch begins with what has been told, and a backup is of that.
    if (request.query.contains("watch") || StoreActions::Find(request.path)) Flush();
    HttpReply reply = api_.Handle(request);
    ++replies_[reply.code];
    if (store_->has_failed()) loop_.Stop();
    if (!store_->is_unsettled() || reply.stream || reply.later) return reply;
    // Also what was only read: it may be of this group, or of the one that is being saved.
    HttpReply later;
    auto read = request.method == "GET" ? std::make_shared<const HttpRequest>(std::move(request)) : nullptr;
    later.later = [this, kept = std::make_shared<const HttpReply>(std::move(reply)),
                   read = std::move(read)](std::unique_ptr<HttpPending> pending) {
      (store_->has_group() ? waiting_ : saving_).push_back({std::move(pending), kept, read});
    };
    return later;
  }

  // Has the group saved. Not while another one is.
  void Save() {
    if (!store_->has_group()) return;
    store_->Seal();
    saving_ = std::exchange(waiting_, {});
    if (waits_for_disk_) return disk_.Begin();
    Saved(store_->Save());
  }

  // Then what has come meanwhile is next, before anybody is answered, as the disk is slow and answers take
  // long; where the group has not happened, neither has that.
  void Saved(const absl::Status& saved) {
    ++(saved.ok() ? commits_ : failed_commits_);
    store_->Settle(saved);
    std::vector<Waiting> told = std::exchange(saving_, {});
    if (saved.ok()) {
      Save();
      return Answer(std::move(told), saved);
    }
    std::move(waiting_.begin(), waiting_.end(), std::back_inserter(told));
    waiting_.clear();
    Answer(std::move(told), saved);
    if (!store_->has_failed()) return;
    // What a disk has that has failed once only a new start finds out.
    spdlog::critical("the server ends: {}", std::string(saved.message()));
    failed_ = saved;
    loop_.Stop();
  }

  void Answer(std::vector<Waiting> waiting, const absl::Status& status) {
    for (const Waiting& each : waiting) {
      // What was only read is read anew where the group has not happened, as with a full disk.
      each.pending->Send(status.ok()                          ? *each.reply
                         : each.read && !store_->has_failed() ? api_.Handle(*each.read)
                                                              : ErrorReply(status));
    }
  }

  // Waits here until nobody has to be told of anything any more.
  void Flush() {
    if (!disk_.is_running()) Save();
    // The end of one may be the beginning of the next.
    while (disk_.is_running()) disk_.Finish();
  }

  absl::Status TakeTls() {
    const std::shared_ptr<const TlsPem> pem = tls_->pem();
    return http_.SetTls({pem->certificate, pem->key, pem->ca});
  }
  static void WarnOf(const absl::Status& status) {
    if (!status.ok())
      spdlog::warn("{}; the credentials from before stay in use", std::string(status.message()));
  }

  EventLoop& loop_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>();
  std::unique_ptr<ObjectStore> store_;
  // For the group that is open, and for the one that is being saved.
  std::vector<Waiting> waiting_;
  std::vector<Waiting> saving_;
  const bool waits_for_disk_;
  absl::Status failed_;
  std::map<int, uint64_t> replies_;
  uint64_t commits_ = 0;
  uint64_t failed_commits_ = 0;
  Authenticator authenticator_;
  Authorizer authorizer_;
  WatchHub watches_;
  StoreActions actions_;
  DiskWaiter disk_;
  RestApi api_;
  std::unique_ptr<EventExpiry> expiry_;
  // Goes before the parts above: its connections call them.
  HttpServer http_;
  std::shared_ptr<TlsCredentials> tls_;
  std::unique_ptr<TlsCredentials::Subscription> tls_changed_;
  std::vector<std::string> endpoints_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ApiServer>> ApiServer::Start(const ApiServerOptions& options, EventLoop& loop,
                                                            Clock& clock) {
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<ObjectStore> store, ObjectStore::Open(options.store, clock));
  auto server =
      std::make_unique<ApiServerImpl>(loop, clock, options.limits, options.connections, std::move(store),
                                      options.store.full_sync && options.store.path != ":memory:");
  XPU_RETURN_IF_ERROR(server->FollowCredentials(options));
  XPU_RETURN_IF_ERROR(server->ExpireEvents(options.event_ttl, clock));
  XPU_RETURN_IF_ERROR(server->Listen(options.listen));
  return server;
}

absl::Status RunApiServer(const ApiServerOptions& options, ApiServerDeps deps) {
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<ApiServer> server, ApiServer::Start(options, deps.loop, deps.clock));
  deps.loop.Post([&] {
    for (const std::string& endpoint : server->endpoints()) spdlog::info("serving on {}", endpoint);
    deps.serving(server->endpoints());
  });
  deps.loop.Run();
  return server->failed();
}

}  // namespace xpu::apiserver
