#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/apiserver/auth/authenticator.h"
#include "control-plane/apiserver/auth/authorizer.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// Questions about who somebody is and what he may do, which are answered and not kept:
// SelfSubjectAccessReview (kubectl auth can-i), SelfSubjectRulesReview (--list), SubjectAccessReview,
// SelfSubjectReview (kubectl auth whoami) and TokenReview.
class Reviews {
 public:
  // Both must outlive it.
  Reviews(Authenticator& authenticator, Authorizer& authorizer)
      : authenticator_(authenticator), authorizer_(authorizer) {}

  // The plural of the review that a URL names; nothing for other URLs.
  static std::optional<std::string> Find(const std::vector<std::string>& path);
  static std::string GroupOf(const std::string& review);

  // The review with its answer in `status`.
  absl::StatusOr<nlohmann::json> Answer(const std::string& review, const User& user, nlohmann::json body);

 private:
  absl::StatusOr<nlohmann::json> OfToken(const nlohmann::json& spec);
  absl::StatusOr<nlohmann::json> Access(const User& user, const nlohmann::json& spec);
  absl::StatusOr<nlohmann::json> Rules(const User& user, const std::string& ns);

  Authenticator& authenticator_;
  Authorizer& authorizer_;
};

// For discovery: the reviews of a group as entries of an APIResourceList.
nlohmann::json ReviewResources(const std::string& group);

}  // namespace xpu::apiserver
