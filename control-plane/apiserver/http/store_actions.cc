#include "control-plane/apiserver/http/store_actions.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "control-plane/apiserver/http/reply.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {

using nlohmann::json;

namespace {

// Of 4 KiB: so long others wait for a slice.
constexpr int kSlicePages = 64;

}  // namespace

StoreActions::~StoreActions() {
  if (publisher_.joinable()) publisher_.join();
}

std::optional<std::string> StoreActions::Find(const std::vector<std::string>& path) {
  if (path.size() != 4 || path[0] != "apis" || path[1] != kGroup || path[2] != "v1") return std::nullopt;
  if (path[3] != "backups" && path[3] != "restores") return std::nullopt;
  return path[3];
}

absl::StatusOr<HttpReply> StoreActions::Do(const std::string& resource, const HttpPeer& peer, json body) {
  if (peer.transport == HttpPeer::Transport::kTls) {
    return Forbidden({std::string(kGroup), "v1", "", resource}, "",
                     "the file is on the server's machine: ask there, on its "
                     "unix socket or loopback");
  }
  if (!body.is_object()) return BadRequest("the body must be an object");
  const json spec = body.value("spec", json::object());
  const json path = spec.is_object() ? spec.value("path", json()) : json();
  if (!path.is_string() || !absl::StartsWith(path.get_ref<const std::string&>(), "/")) {
    return BadRequest("spec.path must be the absolute path of a file");
  }
  const std::string file = path.get<std::string>();
  if (copy_ != nullptr)
    return TooManyRequests("a backup is being made; try again when it is done", absl::Seconds(1));
  if (resource == "restores") {
    // What is wrong is wrong with the file that was named.
    if (absl::Status done = store_.Restore(file); !done.ok()) return BadRequest(done.message());
    body["status"] = {{"resourceVersion", absl::StrCat(store_.version())}};
    return JsonReply(201, body);
  }
  absl::StatusOr<std::unique_ptr<DatabaseCopy>> begun = store_.BackUp(file);
  if (!begun.ok()) return BadRequest(begun.status().message());
  copy_ = *std::move(begun);
  body_ = std::move(body);
  HttpReply reply;
  reply.later = [this](std::unique_ptr<HttpPending> pending) {
    pending_ = std::move(pending);
    Step();
  };
  return reply;
}

void StoreActions::Step() {
  const absl::StatusOr<bool> whole = copy_->Step(kSlicePages);
  if (!whole.ok()) return Answer(whole.status());
  if (*whole) {
    body_["status"] = {{"resourceVersion", absl::StrCat(store_.version())}};
    publisher_ = std::thread([this, alive = std::weak_ptr<bool>(alive_), &loop = loop_, copy = copy_.get()] {
      const absl::Status published = copy->Publish();
      loop.Post([this, alive, published] {
        if (alive.expired()) return;
        publisher_.join();
        Answer(published);
      });
    });
    return;
  }
  next_ = loop_.After(absl::ZeroDuration(), [this] { Step(); });
}

void StoreActions::Answer(const absl::Status& done) {
  copy_.reset();
  const std::unique_ptr<HttpPending> pending = std::move(pending_);
  const json body = std::move(body_);
  pending->Send(done.ok() ? JsonReply(201, body) : ErrorReply(BadRequest(done.message())));
}

}  // namespace xpu::apiserver
