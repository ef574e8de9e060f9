#include "control-plane/apiserver/auth/authenticator.h"

#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "control-plane/apiserver/auth/service_account.h"
#include "control-plane/apiserver/auth/token_file.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {
namespace {

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

absl::Status Authenticator::FollowTokens(const std::string& path, EventLoop& loop) {
  path_ = path;
  // First, so that nothing that is written meanwhile is missed.
  XPU_ASSIGN_OR_RETURN(watch_, FolderWatch::Start(
                                   loop, FolderOf(path),
                                   [this](FolderWatch::Change, const std::string&) {
                                     if (absl::Status read = ReadFile(); !read.ok()) {
                                       spdlog::warn("{}; the tokens from before stay in use",
                                                    std::string(read.message()));
                                     }
                                   },
                                   FolderWatch::Events::kNamesAndContents));
  return ReadFile();
}

absl::Status Authenticator::ReadFile() {
  std::ifstream file(path_, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return absl::InvalidArgumentError(absl::StrCat("cannot read the tokens from ", path_));
  absl::StatusOr<std::map<std::string, User>> tokens = ReadTokens(text.str());
  if (!tokens.ok()) return absl::InvalidArgumentError(absl::StrCat(path_, ": ", tokens.status().message()));
  tokens_ = *std::move(tokens);
  return absl::OkStatus();
}

absl::StatusOr<User> Authenticator::OfToken(const std::string& token) {
  if (const auto it = tokens_.find(token); it != tokens_.end()) return it->second;
  absl::StatusOr<User> user = ServiceAccountOf(store_, token);
  if (absl::IsUnauthenticated(user.status())) return Unauthorized();
  return user;
}

absl::StatusOr<User> Authenticator::Authenticate(const HttpRequest& request) {
  const HttpPeer& peer = request.peer;
  if (peer.certificate == HttpPeer::Certificate::kGood && !peer.common_name.empty()) {
    User user{peer.common_name, "", peer.organizations};
    user.groups.emplace_back(kAuthenticated);
    return user;
  }
  if (!request.authorization.empty()) {
    if (!absl::StartsWithIgnoreCase(request.authorization, "Bearer ")) return Unauthorized();
    const std::string token(absl::StripAsciiWhitespace(absl::string_view(request.authorization).substr(7)));
    return OfToken(token);
  }
  if (peer.transport == HttpPeer::Transport::kTls) return Unauthorized();
  return User{"system:admin", "", {std::string(kMasters), std::string(kAuthenticated)}};
}

}  // namespace xpu::apiserver
