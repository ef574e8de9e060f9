#include "control-plane/sandbox/commands.h"

#include <cstdio>
#include <memory>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control-plane/sandbox/sandbox.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

void ExitOnError(const absl::Status& status) {
  if (status.ok()) return;
  fprintf(stderr, "xpuctl: sandbox: %s\n", std::string(status.message()).c_str());
  throw CLI::RuntimeError(1);
}

// The folder that --dir and --name mean.
std::string FolderOf(SandboxOptions options) {
  ExitOnError(options.Complete());
  return options.dir;
}

void Up(const SandboxOptions& options) {
  const Sandbox::Progress progress{
      .begin =
          [](const std::string& step) {
            printf("  %-24s", step.c_str());
            fflush(stdout);
          },
      .done = [](absl::Duration took) { printf("ok  %6.0f ms\n", absl::ToDoubleMilliseconds(took)); }};
  auto sandbox = Sandbox::Up(options, progress);
  if (!sandbox.ok()) printf("\n");
  ExitOnError(sandbox.status());
  const SandboxLayout& layout = sandbox->layout();
  printf("\nThe sandbox \"%s\" is up: %d card(s) of %d VFs in %s\n", sandbox->options().name.c_str(),
         sandbox->options().cards, sandbox->options().vfs, layout.dir().c_str());
  for (const std::string& cluster : sandbox->options().ClusterNames()) {
    const bool only = sandbox->options().clusters == 1;
    printf("  export XPU_SERVER=%s%s\n", layout.api_server(cluster).c_str(),
           only ? "" : absl::StrCat("  # ", cluster).c_str());
  }
}

void PrintStatus(const std::string& dir, const std::string& output) {
  auto sandbox = Sandbox::Open(dir);
  ExitOnError(sandbox.status());
  const auto states = sandbox->Status();
  if (output == "json") {
    nlohmann::json json = {{"name", sandbox->options().name},         {"dir", dir},
                           {"cards", sandbox->options().cards},       {"vfs", sandbox->options().vfs},
                           {"clusters", sandbox->options().clusters}, {"processes", nlohmann::json::array()}};
    for (const auto& state : states) {
      json["processes"].push_back({{"name", state.name},
                                   {"pid", state.pid},
                                   {"alive", state.alive},
                                   {"log", state.log},
                                   {"sockets", state.sockets}});
    }
    printf("%s\n", json.dump(2).c_str());
    return;
  }
  printf("%-22s %-8s %8s  %s\n", "PROCESS", "STATE", "PID", "SERVES");
  for (const auto& state : states) {
    printf("%-22s %-8s %8d  %s\n", state.name.c_str(), state.alive ? "running" : "stopped", state.pid,
           absl::StrJoin(state.sockets, " ").c_str());
  }
}

}  // namespace

void AddSandboxCommands(CLI::App& app) {
  CLI::App* sandbox = app.add_subcommand("sandbox", "Run emulated cards and all agents on this machine");
  sandbox->require_subcommand(1);
  // Owned by the callbacks, as the parser outlives this function.
  const auto options = std::make_shared<SandboxOptions>();
  const auto output = std::make_shared<std::string>("table");
  const auto name_and_dir = [&](CLI::App* command) {
    command->add_option("--name", options->name, "Name of the sandbox")->capture_default_str();
    command->add_option("--dir", options->dir, "Folder of the sandbox (default: /run/xpu-sandbox/NAME)");
  };

  CLI::App* up = sandbox->add_subcommand("up", "Make a sandbox and start everything in it");
  name_and_dir(up);
  up->add_option("--cards", options->cards, "Emulated cards, each with a DPU of its own")
      ->capture_default_str();
  up->add_option("--vfs", options->vfs, "VFs of each card")->capture_default_str();
  up->add_option("--clusters", options->clusters,
                 "API servers: 1 for all, 2 for hosts and cards, 3 with one between them; brokers join them")
      ->capture_default_str();
  up->add_option("--bin-dir", options->bin_dir, "Folder of the project's programs (default: this program's)");
  up->add_option("--ovs-dir", options->ovs_dir, "Folder with Open vSwitch's bin/ and share/");
  up->add_option("--log-level", options->log_level, "debug, info, warn or error")->capture_default_str();
  up->callback([options] { Up(*options); });

  CLI::App* down = sandbox->add_subcommand("down", "End everything in a sandbox and remove it");
  name_and_dir(down);
  down->callback([options] { ExitOnError(Sandbox::Down(FolderOf(*options))); });

  CLI::App* status = sandbox->add_subcommand("status", "Show the processes of a sandbox");
  name_and_dir(status);
  status->add_option("-o,--output", *output, "table or json")->check(CLI::IsMember({"table", "json"}));
  status->callback([options, output] { PrintStatus(FolderOf(*options), *output); });
}

}  // namespace xpu
