// Any requests to the REST surface, one after the other on one store: an answer to each that a client can
// read, and what a watch is sent the client's side of a watch can read.
//
// An input is requests, cut by lines of "---". The first line of each is method and target, the second media
// type and Accept (either may be empty), cut by '|'; the rest is the body.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "common/kube/kube_errors.h"
#include "common/kube/watch_stream.h"
#include "control-plane/apiserver/http/rest_api.h"
#include "control-plane/apiserver/http/store_actions.h"

namespace {

using nlohmann::json;
using xpu::apiserver::ObjectStore;

void Check(bool holds) {
  if (!holds) std::abort();
}

// A client that takes all it is sent at once, and understands it.
class Stream : public xpu::HttpStream {
 public:
  void Abort() override {}
  void Write(const std::string& chunk) override {
    Check(splitter_.Feed(chunk, [this](const std::string& line) {
      const json event = json::parse(line, nullptr, /*allow_exceptions=*/false);
      Check(event.is_object() && event.contains("type") && event.contains("object"));
      // A Table instead of the object is for people.
      if (event["object"].value("kind", "") != "Table") sink_.Line(line);
    }));
  }
  size_t pending() const override { return 0; }
  void SetCallbacks(std::function<void()>, std::function<void()>) override {}

 private:
  xpu::LineSplitter splitter_;
  xpu::WatchSink sink_{{[](const xpu::WatchEvent& event) { Check(event.object.is_object()); },
                        [](const absl::Status& end) { Check(!absl::IsUnavailable(end)); }}};
};

xpu::HttpRequest ReadRequest(absl::string_view text) {
  xpu::HttpRequest request;
  const std::vector<std::string> lines = absl::StrSplit(text, absl::MaxSplits('\n', 2));
  const std::pair<std::string, std::string> first = absl::StrSplit(lines[0], absl::MaxSplits(' ', 1));
  const std::pair<std::string, std::string> target = absl::StrSplit(first.second, absl::MaxSplits('?', 1));
  request.method = first.first;
  request.path = absl::StrSplit(target.first, '/', absl::SkipEmpty());
  for (absl::string_view parameter : absl::StrSplit(target.second, '&', absl::SkipEmpty())) {
    request.query.insert(absl::StrSplit(parameter, absl::MaxSplits('=', 1)));
  }
  if (lines.size() > 1) {
    const std::pair<std::string, std::string> types = absl::StrSplit(lines[1], absl::MaxSplits('|', 1));
    request.content_type = types.first;
    request.accept = types.second;
  }
  if (lines.size() > 2) request.body = lines[2];
  return request;
}

void CheckReply(const xpu::HttpReply& reply) {
  Check(reply.code >= 200 && reply.code <= 599);
  if (reply.stream) {
    Check(reply.code == 200);
    return reply.stream(std::make_unique<Stream>());
  }
  if (!absl::StartsWith(reply.content_type, "application/json")) return;
  const json body = json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  Check(body.is_object());
  if (reply.code < 300) return;
  Check(body.value("kind", "") == "Status" && body["code"] == reply.code);
  Check(!body.value("message", "").empty() && !body.value("reason", "").empty());
  Check(!xpu::FromKubeStatus(body).ok());
  // Of what cannot be read, nothing is the server's own fault.
  Check(reply.code != 500);
}

// A server without anybody's objects.
class World {
 public:
  World() {
    auto store = ObjectStore::Open({.path = ":memory:", .history = 100}, xpu::Clock::Real());
    Check(store.ok());
    store_ = *std::move(store);
    watches_.emplace(loop_, *store_, limits_, xpu::Clock::Real());
    authenticator_.emplace(*store_);
    authorizer_.emplace(*store_);
    actions_.emplace(loop_, *store_);
    api_.emplace(xpu::apiserver::RestApi::Parts{*store_, *watches_, *authenticator_, *authorizer_, *actions_,
                                                xpu::Clock::Real(), [] { return std::string(); }},
                 limits_);
    fresh_version_ = store_->version();
    fresh_kinds_ = store_->kinds().generation();
  }
  xpu::apiserver::RestApi& api() { return *api_; }
  // The kinds are those of the program alone.
  bool HasOwnKinds() const { return store_->kinds().generation() == fresh_kinds_; }
  // Nothing of what it was asked is left in it.
  bool IsFresh() const { return store_->version() == fresh_version_ && watches_->size() == 0; }

 private:
  xpu::EventLoop loop_;
  const xpu::apiserver::RequestLimits limits_;
  std::unique_ptr<ObjectStore> store_;
  std::optional<xpu::apiserver::WatchHub> watches_;
  std::optional<xpu::apiserver::Authenticator> authenticator_;
  std::optional<xpu::apiserver::Authorizer> authorizer_;
  std::optional<xpu::apiserver::StoreActions> actions_;
  std::optional<xpu::apiserver::RestApi> api_;
  int64_t fresh_version_ = 0;
  int64_t fresh_kinds_ = 0;
};

// The documents of OpenAPI are large, and depend on the kinds and the request alone: whether this one has
// been answered for the kinds of the program, as it is made and as it is kept.
bool IsKnownDocument(const World& world, const xpu::HttpRequest& request) {
  if (request.path.empty() || request.path[0] != "openapi" || !world.HasOwnKinds()) return false;
  using Asked = std::tuple<std::string, std::vector<std::string>, std::string>;
  static auto& answers = *new std::map<Asked, int>();
  // So that they stay few.
  constexpr size_t kMany = 10'000;
  if (answers.size() >= kMany) answers.clear();
  return ++answers[{request.method, request.path, request.accept}] > 2;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Most inputs change nothing, and a world costs more than what they ask.
  static std::unique_ptr<World>& world = *new std::unique_ptr<World>();
  if (world == nullptr || !world->IsFresh()) world = std::make_unique<World>();
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  int requests = 0;
  for (absl::string_view text : absl::StrSplit(input, "\n---\n")) {
    if (++requests > 32) break;
    const xpu::HttpRequest request = ReadRequest(text);
    // Writes files where it is told to.
    if (xpu::apiserver::StoreActions::Find(request.path)) continue;
    if (IsKnownDocument(*world, request)) continue;
    CheckReply(world->api().Handle(request));
  }
  return 0;
}
