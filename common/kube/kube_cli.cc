#include "common/kube/kube_cli.h"

#include "absl/strings/str_cat.h"

namespace xpu {

void AddKubeFlags(CLI::App& app, KubeFlags& flags, const std::string& what_for) {
  auto* server =
      app.add_option("--api-server", flags.server,
                     absl::StrCat("Kubernetes API server ", what_for, ": unix:/path or https://host:port"));
  app.add_option("--api-ca", flags.ca, "Who signs the API server's certificate (PEM)")->needs(server);
  auto* certificate = app.add_option("--api-cert", flags.certificate, "Certificate for the API server (PEM)");
  auto* key = app.add_option("--api-key", flags.key, "Key of that certificate (PEM)");
  certificate->needs(server)->needs(key);
  key->needs(certificate);
  app.add_option("--api-token-file", flags.token_file, "File with a bearer token for the API server")
      ->needs(server);
  auto* kubeconfig = app.add_option("--kubeconfig", flags.kubeconfig,
                                    "Instead of --api-server: kubeconfig files separated by colons, or "
                                    "\"in-cluster\" for the pod's service account");
  kubeconfig->excludes(server);
  app.add_option("--context", flags.context, "Context of the kubeconfig, if not its current one")
      ->needs(kubeconfig);
}

}  // namespace xpu
