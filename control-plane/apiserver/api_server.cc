#include "control-plane/apiserver/api_server.h"

#include "common/base/status_macros.h"
#include "common/http/http_server.h"
#include "common/log/log.h"
#include "control-plane/apiserver/http/rest_api.h"
#include "control-plane/apiserver/http/watch_hub.h"

namespace xpu::apiserver {
namespace {

// Above what the API takes, so that the API can answer a body that is too large in its own words.
constexpr size_t kMaxBodyBytes = size_t{16} << 20;

class ApiServerImpl : public ApiServer {
 public:
  ApiServerImpl(EventLoop& loop, Clock& clock, std::unique_ptr<ObjectStore> store)
      : store_(std::move(store)),
        watches_(loop, *store_, clock),
        api_(*store_, watches_, clock),
        http_(loop, {.max_body_bytes = kMaxBodyBytes},
              [this](HttpRequest request) { return api_.Handle(std::move(request)); }) {}

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
  void OnWatchers(std::function<void(size_t)> callback) override { watches_.OnWatchers(std::move(callback)); }

 private:
  std::unique_ptr<ObjectStore> store_;
  WatchHub watches_;
  RestApi api_;
  // Goes first: its connections call the parts above.
  HttpServer http_;
  std::vector<std::string> endpoints_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ApiServer>> ApiServer::Start(const ApiServerOptions& options, EventLoop& loop,
                                                            Clock& clock) {
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<ObjectStore> store, ObjectStore::Open(options.store, clock));
  auto server = std::make_unique<ApiServerImpl>(loop, clock, std::move(store));
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
  return absl::OkStatus();
}

}  // namespace xpu::apiserver
