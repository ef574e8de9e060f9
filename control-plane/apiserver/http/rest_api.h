#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/http/http_server.h"
#include "control-plane/apiserver/auth/authenticator.h"
#include "control-plane/apiserver/auth/authorizer.h"
#include "control-plane/apiserver/http/openapi.h"
#include "control-plane/apiserver/http/rate_limit.h"
#include "control-plane/apiserver/http/reviews.h"
#include "control-plane/apiserver/http/route.h"
#include "control-plane/apiserver/http/store_actions.h"
#include "control-plane/apiserver/http/watch_hub.h"
#include "control-plane/apiserver/http/writes.h"
#include "control-plane/apiserver/store/object_store.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// Kubernetes' REST conventions over an ObjectStore: who asks, whether he may, and what each method means on
// each URL. Errors are answered as Status objects. Not thread-safe.
class RestApi {
 public:
  // What it works with; all must outlive it.
  struct Parts {
    ObjectStore& store;
    WatchHub& watches;
    Authenticator& authenticator;
    Authorizer& authorizer;
    StoreActions& actions;
    Clock& clock;
    // What GET /metrics says.
    std::function<std::string()> metrics;
  };
  RestApi(const Parts& parts, const RequestLimits& limits)
      : parts_(parts),
        limits_(limits),
        rate_(limits, parts.clock),
        reviews_(parts.authenticator, parts.authorizer),
        open_api_(parts.store.kinds()),
        writes_(parts.store, parts.authorizer, parts.clock) {}

  HttpReply Handle(const HttpRequest& request);

 private:
  absl::StatusOr<HttpReply> Answer(const HttpRequest& request);
  // Who it is, as long as he does not ask too often.
  absl::StatusOr<User> Admit(const HttpRequest& request);
  absl::StatusOr<HttpReply> Review(const User& user, const std::string& review, const HttpRequest& request);
  absl::StatusOr<HttpReply> Act(const User& user, const std::string& resource, const HttpRequest& request);
  absl::StatusOr<HttpReply> Get(const Route& route, const HttpRequest& request);
  absl::StatusOr<HttpReply> List(const Route& route, const HttpRequest& request);
  absl::StatusOr<HttpReply> Watch(const User& user, const Route& route, const HttpRequest& request);

  const Parts parts_;
  const RequestLimits limits_;
  RateLimit rate_;
  Reviews reviews_;
  OpenApi open_api_;
  Writes writes_;
};

}  // namespace xpu::apiserver
