#include "control-plane/xpuctl/xpuctl.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <ostream>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/kube/kube_client.h"
#include "control-plane/xpuctl/apply.h"
#include "control-plane/xpuctl/backup.h"
#include "control-plane/xpuctl/delete.h"
#include "control-plane/xpuctl/get.h"
#include "control-plane/xpuctl/watch.h"

namespace xpu {
namespace {

constexpr char kSandboxSocket[] = "/run/xpu-sandbox/default/apiserver.sock";
constexpr char kMachineSocket[] = "/run/xpu/apiserver.sock";

// What the command line says, and what to do about it.
struct CommandLine {
  KubeFlags client;
  // Empty: what the kubeconfig says, "default" without one.
  std::string ns;
  bool all_namespaces = false;
  GetOptions get;
  WatchOptions watch;
  DeleteCommand remove;
  double timeout_seconds = 60;
  std::vector<std::string> files;
  std::string file;
  std::function<absl::Status(Session&)> verb;
};

void AddSelectors(CLI::App* command, ListOptions* selection) {
  command->add_option("-l,--selector", selection->label_selector, "Labels, e.g. app=demo,tier!=one");
  command->add_option("--field-selector", selection->field_selector, "Fields, e.g. spec.host=node-1");
}

void AddAllNamespaces(CLI::App* command, CommandLine* line) {
  command->add_flag("-A,--all-namespaces", line->all_namespaces, "Objects of all namespaces");
}

void AddReadingVerbs(CLI::App& app, CommandLine* line, const XpuctlDeps& deps) {
  CLI::App* get = app.add_subcommand("get", "Show objects: get KIND, KIND NAME... or KIND/NAME...");
  get->add_option("what", line->get.words, "Kinds and names")->required();
  get->add_option("-o,--output", line->get.output, "table, wide, json, yaml or name")
      ->check(CLI::IsMember({"table", "wide", "json", "yaml", "name"}))
      ->capture_default_str();
  AddSelectors(get, &line->get.selection);
  AddAllNamespaces(get, line);
  get->callback([line] { line->verb = [line](Session& session) { return Get(session, line->get); }; });

  CLI::App* describe = app.add_subcommand("describe", "Show all there is to know about objects");
  describe->add_option("what", line->get.words, "Kinds and names")->required();
  AddSelectors(describe, &line->get.selection);
  AddAllNamespaces(describe, line);
  describe->callback(
      [line] { line->verb = [line](Session& session) { return Describe(session, line->get); }; });

  CLI::App* watch = app.add_subcommand("watch", "Show objects and each of their changes until interrupted");
  watch->add_option("what", line->watch.words, "A kind, or an object")->required();
  watch->add_option("-o,--output", line->watch.output, "table, wide or json")
      ->check(CLI::IsMember({"table", "wide", "json"}))
      ->capture_default_str();
  AddSelectors(watch, &line->watch.selection);
  AddAllNamespaces(watch, line);
  watch->callback([line, &deps] {
    line->verb = [line, &deps](Session& session) {
      return WatchObjects(session, line->watch, deps.run_until_stopped);
    };
  });
}

void AddWritingVerbs(CLI::App& app, CommandLine* line) {
  CLI::App* apply = app.add_subcommand("apply", "Bring objects to what manifests say");
  apply->add_option("-f,--filename", line->files, "File, folder or - for standard input; may be repeated")
      ->required();
  apply->callback([line] { line->verb = [line](Session& session) { return Apply(session, line->files); }; });

  CLI::App* remove = app.add_subcommand("delete", "Delete objects by name or as manifests name them");
  remove->add_option("what", line->remove.words, "KIND NAME... or KIND/NAME...");
  remove->add_option("-f,--filename", line->remove.files,
                     "File, folder or - for standard input; may be repeated");
  remove->add_flag("--wait,!--no-wait", line->remove.wait, "Wait until they are gone (the default)");
  remove->add_option("--timeout", line->timeout_seconds, "Seconds to wait")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  remove->add_flag("--ignore-not-found", line->remove.ignore_not_found,
                   "An object that is not there is no error");
  remove->callback([line] {
    line->verb = [line](Session& session) {
      line->remove.timeout = absl::Seconds(line->timeout_seconds);
      return Delete(session, line->remove);
    };
  });
}

void AddStoreVerbs(CLI::App& app, CommandLine* line) {
  CLI::App* backup = app.add_subcommand("backup", "Have xpu-apiserver write all that it holds into a file");
  backup->add_option("file", line->file, "On the server's machine")->required();
  backup->callback(
      [line] { line->verb = [line](Session& session) { return BackUpStore(session, line->file); }; });
  CLI::App* restore = app.add_subcommand(
      "restore", "Have xpu-apiserver hold what a backup holds; what was written since is lost");
  restore->add_option("file", line->file, "On the server's machine")->required();
  restore->callback(
      [line] { line->verb = [line](Session& session) { return RestoreStore(session, line->file); }; });
}

// The program's own, and the server's if there is one that answers.
absl::Status PrintVersion(Session& session) {
  session.out << "xpuctl " << XPU_VERSION << "\n";
  const absl::StatusOr<nlohmann::json> server = session.store.GetPath("/version");
  session.out << "server "
              << (server.ok() ? server->value("gitVersion", "of an unknown version") : "does not answer")
              << "\n";
  return absl::OkStatus();
}

absl::Status Run(CommandLine& line, const XpuctlDeps& deps) {
  if (!line.client.given()) line.client = DefaultServer(deps.environment);
  XPU_ASSIGN_OR_RETURN(const KubeEndpoint endpoint, EndpointFromFlags(line.client));
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<KubeClient> client, KubeClient::Make(endpoint));
  const std::string& ns = line.ns.empty() ? endpoint.ns : line.ns;
  Session session{*client, deps.in, deps.out, deps.err, deps.clock, ns, line.all_namespaces};
  const absl::Status status = line.verb(session);
  if (!absl::IsUnavailable(status)) return status;
  return absl::UnavailableError(
      absl::StrCat("the API server does not answer: ", std::string(status.message()),
                   "\nSay where it is with --server unix:PATH or --server https://HOST:PORT, with "
                   "--kubeconfig FILE, or in "
                   "XPU_SERVER or KUBECONFIG; "
                   "\"xpuctl sandbox up\" starts one on this machine"));
}

}  // namespace

KubeFlags DefaultServer(const std::function<std::string(const char*)>& environment) {
  if (const std::string server = environment("XPU_SERVER"); !server.empty()) return {.server = server};
  if (const std::string files = environment("KUBECONFIG"); !files.empty()) return {.kubeconfig = files};
  std::error_code error;
  const bool sandbox = std::filesystem::is_socket(kSandboxSocket, error);
  return {.server = absl::StrCat("unix:", sandbox ? kSandboxSocket : kMachineSocket)};
}

int RunXpuctl(const std::vector<std::string>& args, const XpuctlDeps& deps) {
  CLI::App app{"Look at xpu, change it, and run it on one machine", "xpuctl"};
  app.require_subcommand(1);
  app.fallthrough();
  CommandLine line;
  app.add_option("--server", line.client.server,
                 "API server: unix:PATH or https://HOST:PORT (or XPU_SERVER)");
  app.add_option("-n,--namespace", line.ns,
                 "Namespace of objects; the kubeconfig's, or \"default\", without");
  app.add_option("--ca", line.client.ca, "PEM file of the authority that signed the server's certificate");
  app.add_option("--cert", line.client.certificate, "PEM file of this client's certificate");
  app.add_option("--key", line.client.key, "PEM file of its key");
  app.add_option("--kubeconfig", line.client.kubeconfig,
                 "Kubeconfig files separated by colons, or \"in-cluster\" (or KUBECONFIG)");
  app.add_option("--context", line.client.context, "Context of the kubeconfig, if not its current one");
  app.add_option("--token-file", line.client.token_file, "File with a bearer token");
  AddReadingVerbs(app, &line, deps);
  AddWritingVerbs(app, &line);
  AddStoreVerbs(app, &line);
  CLI::App* version = app.add_subcommand("version", "Show the versions of this program and of the server");
  version->callback([&line] { line.verb = PrintVersion; });
  if (deps.add_commands) deps.add_commands(app);
  for (CLI::App* command : app.get_subcommands({})) command->fallthrough();

  try {
    // CLI11 takes them from the back.
    app.parse(std::vector<std::string>(args.rbegin(), args.rend()));
  } catch (const CLI::ParseError& e) {
    return app.exit(e, deps.out, deps.err);
  }
  if (!line.verb) return 0;  // a command of another part, which has run
  const absl::Status status = Run(line, deps);
  if (status.ok()) return 0;
  deps.err << "xpuctl: " << status.message() << "\n";
  return 1;
}

}  // namespace xpu
