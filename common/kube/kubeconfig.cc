#include "common/kube/kubeconfig.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/api/yaml.h"
#include "common/base/status_macros.h"
#include "common/sys/files.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;

// An entry of a kubeconfig, and what is needed to speak of it and to find the files it names.
class Entry {
 public:
  Entry(const std::string& file, std::string where, json value)
      : file_(&file), where_(std::move(where)), value_(std::move(value)) {}

  absl::Status Bad(absl::string_view key, absl::string_view why) const {
    return absl::InvalidArgumentError(
        absl::StrCat(*file_, ": ", where_, key.empty() ? "" : ".", key, ": ", why));
  }
  // Empty if it is not there.
  absl::StatusOr<std::string> Text(const char* key) const {
    const json* value = Find(key);
    if (value == nullptr) return "";
    // An unquoted token of digits.
    if (value->is_number_integer()) return value->dump();
    if (!value->is_string()) return Bad(key, "is no text");
    return value->get<std::string>();
  }
  absl::StatusOr<bool> Flag(const char* key) const {
    const json* value = Find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) return Bad(key, "is neither true nor false");
    return value->get<bool>();
  }
  // A path, relative to the folder of the kubeconfig; empty if it is not there.
  absl::StatusOr<std::string> Path(const char* key) const {
    XPU_ASSIGN_OR_RETURN(const std::string path, Text(key));
    return path.empty() ? path : Resolve(path);
  }
  std::string Resolve(const std::string& path) const {
    return (std::filesystem::path(*file_).parent_path() / path).lexically_normal();
  }
  // Base64; empty if it is not there.
  absl::StatusOr<std::string> Data(const char* key) const {
    XPU_ASSIGN_OR_RETURN(const std::string text, Text(key));
    std::string data;
    if (!absl::Base64Unescape(text, &data)) return Bad(key, "is not base64");
    return data;
  }
  std::optional<Entry> Child(const char* key) const {
    const json* value = Find(key);
    if (value == nullptr) return std::nullopt;
    return Entry(*file_, absl::StrCat(where_, ".", key), *value);
  }
  const json& value() const { return value_; }

 private:
  const json* Find(const char* key) const {
    const auto it = value_.find(key);
    return it == value_.end() || it->is_null() ? nullptr : &*it;
  }

  const std::string* file_;
  std::string where_;
  json value_;
};

// The files as one: the first that says something counts.
struct Merged {
  std::string current_context;
  std::map<std::string, Entry> clusters, users, contexts;
};

absl::Status MergeEntries(const KubeconfigFile& file, const json& config, const char* list, const char* item,
                          std::map<std::string, Entry>& entries) {
  const auto it = config.find(list);
  if (it == config.end() || it->is_null()) return absl::OkStatus();
  const auto bad = [&](const std::string& where, absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(file.path, ": ", where, ": ", why));
  };
  if (!it->is_array()) return bad(list, "is no list");
  for (size_t i = 0; i < it->size(); ++i) {
    const json& each = (*it)[i];
    const std::string where = absl::StrCat(list, "[", i, "]");
    if (!each.is_object() || !each.contains("name") || !each["name"].is_string()) {
      return bad(where, "has no name");
    }
    json value = each.value(item, json());
    if (value.is_null()) value = json::object();
    if (!value.is_object()) return bad(absl::StrCat(where, ".", item), "is no object");
    entries.emplace(each["name"].get<std::string>(),
                    Entry(file.path, absl::StrCat(where, ".", item), std::move(value)));
  }
  return absl::OkStatus();
}

absl::StatusOr<Merged> Merge(const std::vector<KubeconfigFile>& files) {
  Merged merged;
  for (const KubeconfigFile& file : files) {
    XPU_ASSIGN_OR_RETURN(const std::vector<api::YamlDocument> documents,
                         api::YamlToJson(file.text, file.path));
    for (const api::YamlDocument& document : documents) {
      const json& config = document.value;
      if (!config.is_object() || config.value("kind", json("Config")) != "Config") {
        return absl::InvalidArgumentError(
            absl::StrCat(file.path, ": this is no kubeconfig: its kind is not Config"));
      }
      const json current = config.value("current-context", json());
      if (merged.current_context.empty() && current.is_string()) merged.current_context = current;
      XPU_RETURN_IF_ERROR(MergeEntries(file, config, "clusters", "cluster", merged.clusters));
      XPU_RETURN_IF_ERROR(MergeEntries(file, config, "users", "user", merged.users));
      XPU_RETURN_IF_ERROR(MergeEntries(file, config, "contexts", "context", merged.contexts));
    }
  }
  return merged;
}

absl::StatusOr<const Entry*> FindEntry(const std::map<std::string, Entry>& entries, const char* what,
                                       const std::string& name) {
  if (const auto it = entries.find(name); it != entries.end()) return &it->second;
  const std::string there = absl::StrJoin(entries, ", ", [](std::string* out, const auto& entry) {
    absl::StrAppend(out, "\"", entry.first, "\"");
  });
  return absl::NotFoundError(absl::StrCat("the kubeconfig has no ", what, " \"", name, "\"; it has ",
                                          there.empty() ? "none" : there));
}

absl::Status ReadCluster(const Entry& cluster, KubeEndpoint& endpoint) {
  XPU_ASSIGN_OR_RETURN(endpoint.server, cluster.Text("server"));
  if (endpoint.server.empty()) return cluster.Bad("server", "is missing: the address of the API server");
  XPU_ASSIGN_OR_RETURN(const bool insecure, cluster.Flag("insecure-skip-tls-verify"));
  if (insecure) {
    return cluster.Bad("insecure-skip-tls-verify",
                       "a server that anybody could be gets no credentials; give certificate-authority-data");
  }
  XPU_ASSIGN_OR_RETURN(endpoint.tls_server_name, cluster.Text("tls-server-name"));
  XPU_ASSIGN_OR_RETURN(endpoint.proxy, cluster.Text("proxy-url"));
  XPU_ASSIGN_OR_RETURN(endpoint.ca, cluster.Data("certificate-authority-data"));
  if (!endpoint.ca.empty()) return absl::OkStatus();
  XPU_ASSIGN_OR_RETURN(endpoint.ca_file, cluster.Path("certificate-authority"));
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<KubeCredentials>> ReadExec(const Entry& exec, const KubeEndpoint& endpoint,
                                                          Clock& clock) {
  KubeExecPlugin plugin;
  XPU_ASSIGN_OR_RETURN(plugin.api_version, exec.Text("apiVersion"));
  if (plugin.api_version != "client.authentication.k8s.io/v1" &&
      plugin.api_version != "client.authentication.k8s.io/v1beta1") {
    return exec.Bad("apiVersion", "is neither client.authentication.k8s.io/v1 nor v1beta1");
  }
  XPU_ASSIGN_OR_RETURN(std::string command, exec.Text("command"));
  if (command.empty()) return exec.Bad("command", "is missing: the plugin to run");
  if (absl::StrContains(command, '/')) command = exec.Resolve(command);
  plugin.command.push_back(command);
  const json args = exec.value().value("args", json());
  if (!args.is_null() && !args.is_array()) return exec.Bad("args", "is no list");
  for (const json& arg : args) {
    if (!arg.is_string()) return exec.Bad("args", "has something that is no text");
    plugin.command.push_back(arg);
  }
  const json env = exec.value().value("env", json());
  if (!env.is_null() && !env.is_array()) return exec.Bad("env", "is no list");
  for (const json& variable : env) {
    const bool good = variable.is_object() && variable.value("name", json()).is_string() &&
                      variable.value("value", json()).is_string();
    if (!good) return exec.Bad("env", "has something that is no pair of name and value");
    plugin.environment.emplace_back(variable["name"], variable["value"]);
  }
  XPU_ASSIGN_OR_RETURN(plugin.install_hint, exec.Text("installHint"));
  XPU_ASSIGN_OR_RETURN(const std::string interactive, exec.Text("interactiveMode"));
  if (interactive == "Always") {
    return exec.Bad("interactiveMode", "is Always, but there is nobody to ask where this runs");
  }
  XPU_ASSIGN_OR_RETURN(const bool wants_cluster, exec.Flag("provideClusterInfo"));
  if (wants_cluster) {
    json cluster = {{"server", endpoint.server}};
    std::string ca = endpoint.ca;
    if (!endpoint.ca_file.empty()) {
      XPU_ASSIGN_OR_RETURN(ca, ReadFile(endpoint.ca_file));
    }
    if (!ca.empty()) cluster["certificate-authority-data"] = absl::Base64Escape(ca);
    if (!endpoint.tls_server_name.empty()) cluster["tls-server-name"] = endpoint.tls_server_name;
    if (!endpoint.proxy.empty()) cluster["proxy-url"] = endpoint.proxy;
    plugin.cluster = cluster.dump();
  }
  return std::shared_ptr<KubeCredentials>(MakeExecCredentials(std::move(plugin), clock));
}

absl::StatusOr<std::shared_ptr<KubeCredentials>> ReadUser(const Entry& user, const KubeEndpoint& endpoint,
                                                          Clock& clock) {
  for (const char* key : {"auth-provider", "as", "as-groups", "as-uid", "as-user-extra"}) {
    if (user.value().contains(key))
      return user.Bad(key, "is not supported; use a token, a certificate or exec");
  }
  KubeIdentityFiles files;
  XPU_ASSIGN_OR_RETURN(files.text.token, user.Text("token"));
  XPU_ASSIGN_OR_RETURN(files.token_file, user.Path("tokenFile"));
  XPU_ASSIGN_OR_RETURN(files.text.username, user.Text("username"));
  XPU_ASSIGN_OR_RETURN(files.text.password, user.Text("password"));
  XPU_ASSIGN_OR_RETURN(files.text.certificate, user.Data("client-certificate-data"));
  XPU_ASSIGN_OR_RETURN(files.text.key, user.Data("client-key-data"));
  // Unlike with tokens, the text wins over the file.
  if (files.text.certificate.empty()) {
    XPU_ASSIGN_OR_RETURN(files.certificate_file, user.Path("client-certificate"));
  }
  if (files.text.key.empty()) {
    XPU_ASSIGN_OR_RETURN(files.key_file, user.Path("client-key"));
  }
  const bool certificate = !files.text.certificate.empty() || !files.certificate_file.empty();
  const bool key = !files.text.key.empty() || !files.key_file.empty();
  if (certificate != key) {
    return user.Bad(certificate ? "client-key" : "client-certificate",
                    "is missing: a certificate and its key belong together");
  }
  const std::optional<Entry> exec = user.Child("exec");
  if (!exec) return std::shared_ptr<KubeCredentials>(MakeFileCredentials(std::move(files)));
  if (!exec->value().is_object()) return user.Bad("exec", "is no object");
  if (certificate || !files.text.token.empty() || !files.token_file.empty() || !files.text.username.empty()) {
    return user.Bad("exec", "is there beside other credentials; give one kind");
  }
  return ReadExec(*exec, endpoint, clock);
}

}  // namespace

std::vector<std::string> DefaultKubeconfigPaths() {
  const char* const paths = std::getenv("KUBECONFIG");
  if (paths != nullptr && *paths != '\0') return absl::StrSplit(paths, ':', absl::SkipEmpty());
  const char* const home = std::getenv("HOME");
  return {absl::StrCat(home == nullptr ? "" : home, "/.kube/config")};
}

absl::StatusOr<KubeEndpoint> ReadKubeconfig(const std::vector<KubeconfigFile>& files,
                                            const std::string& context, Clock& clock) {
  XPU_ASSIGN_OR_RETURN(const Merged merged, Merge(files));
  const std::string& wanted = context.empty() ? merged.current_context : context;
  if (wanted.empty()) {
    return absl::NotFoundError("the kubeconfig has no current-context, and no other was asked for");
  }
  XPU_ASSIGN_OR_RETURN(const Entry* const chosen, FindEntry(merged.contexts, "context", wanted));
  XPU_ASSIGN_OR_RETURN(const std::string cluster_name, chosen->Text("cluster"));
  XPU_ASSIGN_OR_RETURN(const std::string user_name, chosen->Text("user"));
  XPU_ASSIGN_OR_RETURN(const Entry* const cluster, FindEntry(merged.clusters, "cluster", cluster_name));
  KubeEndpoint endpoint;
  XPU_RETURN_IF_ERROR(ReadCluster(*cluster, endpoint));
  if (user_name.empty()) {
    endpoint.credentials = MakeFileCredentials({});
  } else {
    XPU_ASSIGN_OR_RETURN(const Entry* const user, FindEntry(merged.users, "user", user_name));
    XPU_ASSIGN_OR_RETURN(endpoint.credentials, ReadUser(*user, endpoint, clock));
  }
  XPU_ASSIGN_OR_RETURN(const std::string ns, chosen->Text("namespace"));
  if (!ns.empty()) endpoint.ns = ns;
  return endpoint;
}

absl::StatusOr<KubeEndpoint> LoadKubeconfig(const std::vector<std::string>& paths, const std::string& context,
                                            Clock& clock) {
  std::vector<KubeconfigFile> files;
  for (const std::string& path : paths) {
    absl::StatusOr<std::string> text = ReadFile(path);
    if (text.ok()) {
      files.push_back({path, *std::move(text)});
    } else if (!absl::IsNotFound(text.status())) {
      return text.status();
    }
  }
  if (files.empty()) {
    return absl::NotFoundError(absl::StrCat("there is no kubeconfig at ", absl::StrJoin(paths, " or "),
                                            "; give its path, or set KUBECONFIG"));
  }
  return ReadKubeconfig(files, context, clock);
}

absl::StatusOr<KubeEndpoint> InClusterEndpoint(const std::string& folder) {
  const char* const host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* const port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || *host == '\0' || port == nullptr || *port == '\0') {
    return absl::FailedPreconditionError(
        "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, so this does not run in a pod; "
        "give a "
        "kubeconfig or the API server's address");
  }
  KubeEndpoint endpoint;
  const bool v6 = absl::StrContains(host, ':');
  endpoint.server = absl::StrCat("https://", v6 ? "[" : "", host, v6 ? "]" : "", ":", port);
  endpoint.ca_file = folder + "/ca.crt";
  if (const absl::Status readable = ReadFile(endpoint.ca_file).status(); !readable.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the pod has no service account (automountServiceAccountToken?): ", readable.message()));
  }
  if (const absl::StatusOr<std::string> ns = ReadTrimmed(folder + "/namespace"); ns.ok() && !ns->empty()) {
    endpoint.ns = *ns;
  }
  endpoint.credentials = MakeFileCredentials({.token_file = folder + "/token"});
  return endpoint;
}

absl::StatusOr<KubeEndpoint> EndpointFromFlags(const KubeFlags& flags) {
  if (!flags.server.empty()) {
    return KubeEndpoint{
        .server = flags.server,
        .ca_file = flags.ca,
        .credentials = MakeFileCredentials(
            {.token_file = flags.token_file, .certificate_file = flags.certificate, .key_file = flags.key})};
  }
  if (flags.kubeconfig == "in-cluster") return InClusterEndpoint();
  const std::vector<std::string> paths = absl::StrSplit(flags.kubeconfig, ':', absl::SkipEmpty());
  return LoadKubeconfig(paths.empty() ? DefaultKubeconfigPaths() : paths, flags.context);
}

}  // namespace xpu
