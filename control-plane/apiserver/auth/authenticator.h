#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/event_loop.h"
#include "common/base/folder_watch.h"
#include "common/http/http_server.h"
#include "control-plane/apiserver/auth/identity.h"
#include "control-plane/apiserver/store/object_store.h"

namespace xpu::apiserver {

// Finds out who asks: by a client certificate (common name and organisations), by a token of a file, or by a
// token of a ServiceAccount. On a unix socket and on the loopback without TLS, who shows nothing may do
// everything: whoever gets there runs on this machine. On the loop's thread.
class Authenticator {
 public:
  // `store` must outlive it.
  explicit Authenticator(ObjectStore& store) : store_(store) {}

  // Takes the tokens of the file, and what it says later as soon as it is written, replaced, or a link to it
  // is turned. A file that cannot be read then leaves the tokens from before. InvalidArgument if it cannot
  // now.
  absl::Status FollowTokens(const std::string& path, EventLoop& loop);

  // Unauthenticated (401) if nobody knows who that is.
  absl::StatusOr<User> Authenticate(const HttpRequest& request);
  // The same of a token alone.
  absl::StatusOr<User> OfToken(const std::string& token);

 private:
  absl::Status ReadFile();

  ObjectStore& store_;
  std::string path_;
  std::map<std::string, User> tokens_;
  std::unique_ptr<FolderWatch> watch_;
};

}  // namespace xpu::apiserver
