#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"

namespace xpu {

// Who a client says it is. Empty fields are not shown.
struct KubeIdentity {
  // Bearer token.
  std::string token;
  // Client certificate with its chain, and its key; PEM.
  std::string certificate;
  std::string key;
  // HTTP basic authentication.
  std::string username;
  std::string password;
  friend bool operator==(const KubeIdentity&, const KubeIdentity&) = default;
};

// Where an identity comes from. Safe from any thread.
class KubeCredentials {
 public:
  virtual ~KubeCredentials() = default;
  // The identity for the next request. May block for as long as a plugin runs. Unauthenticated if there is
  // none: the message says what is missing.
  virtual absl::StatusOr<KubeIdentity> Get() = 0;
  // The server did not accept `identity` (401): the next Get must not answer it from memory.
  virtual void Refused(const KubeIdentity& identity) = 0;
};

// Files are read anew for each request, as they are renewed in place (a pod's service account token, a
// certificate that is rotated); what they say wins over the text of the same meaning.
struct KubeIdentityFiles {
  KubeIdentity text;
  std::string token_file;
  std::string certificate_file;
  std::string key_file;
};
std::unique_ptr<KubeCredentials> MakeFileCredentials(KubeIdentityFiles files);

// A credential plugin (Kubernetes, "client-go credential plugins"; ExecCredential of
// client.authentication.k8s.io).
struct KubeExecPlugin {
  // "client.authentication.k8s.io/v1" or v1beta1; the answer must be of the same.
  std::string api_version;
  // Program and arguments. A name without a slash is looked for in PATH.
  std::vector<std::string> command;
  std::vector<std::pair<std::string, std::string>> environment;
  // What to tell a person whose machine lacks the program.
  std::string install_hint;
  // ExecCredential.spec.cluster as JSON; empty if the plugin does not want it.
  std::string cluster;
};
// The answer is kept until it expires or is refused. `clock` is not owned.
std::unique_ptr<KubeCredentials> MakeExecCredentials(KubeExecPlugin plugin, Clock& clock = Clock::Real());

}  // namespace xpu
