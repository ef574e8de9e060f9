#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "common/kube/credentials.h"

namespace xpu {

// A cluster's API server, how to know that it is the right one, and who to be there.
struct KubeEndpoint {
  // "https://host:port", "http://host:port" or "unix:/path".
  std::string server;
  // Certificate authorities, as PEM or as a file of it that is read anew for each connection; neither: the
  // system's.
  std::string ca;
  std::string ca_file;
  // The name that the server's certificate must have, if it is not the host's.
  std::string tls_server_name;
  // "http://", "https://" or "socks5://…"; empty for none but what the environment says.
  std::string proxy;
  // Null: nobody in particular.
  std::shared_ptr<KubeCredentials> credentials;
  // What "no namespace" means to this user; "default" if nothing is said.
  std::string ns = "default";
};

// One file of a kubeconfig: the folder counts for the relative paths in it.
struct KubeconfigFile {
  std::string path;
  std::string text;
};

// What the environment says: the files of KUBECONFIG if it is set, else ~/.kube/config.
std::vector<std::string> DefaultKubeconfigPaths();

// Reads a kubeconfig ("v1" Config) and takes one context of it. Of several files the first that gives a
// cluster, user, context or the current context counts (kubectl's rule); files that are not there are left
// out, but not all of them.
//
// `context` empty: the current one. InvalidArgument names file and key; NotFound if there is no such context,
// cluster or user. A server whose certificate is not to be checked is refused.
absl::StatusOr<KubeEndpoint> LoadKubeconfig(const std::vector<std::string>& paths, const std::string& context,
                                            Clock& clock = Clock::Real());
// The same of texts; files that these name are read when they are needed.
absl::StatusOr<KubeEndpoint> ReadKubeconfig(const std::vector<KubeconfigFile>& files,
                                            const std::string& context, Clock& clock = Clock::Real());

// The cluster of the pod that this runs in (Kubernetes, "Accessing the API from within a pod"): its service
// account's token and authority from `folder`, and the address from KUBERNETES_SERVICE_HOST and _PORT.
// FailedPrecondition if this is no pod.
absl::StatusOr<KubeEndpoint> InClusterEndpoint(
    const std::string& folder = "/var/run/secrets/kubernetes.io/serviceaccount");

// What a process is told by its flags.
struct KubeFlags {
  // As KubeEndpoint::server, with PEM files and a token file for it; wins over a kubeconfig.
  std::string server;
  std::string ca;
  std::string certificate;
  std::string key;
  std::string token_file;
  // Files separated by colons, or "in-cluster" for InClusterEndpoint.
  std::string kubeconfig;
  // Context of the kubeconfig; empty for its current one.
  std::string context;

  bool given() const { return !server.empty() || !kubeconfig.empty(); }
};
// With nothing given, DefaultKubeconfigPaths().
absl::StatusOr<KubeEndpoint> EndpointFromFlags(const KubeFlags& flags);

}  // namespace xpu
