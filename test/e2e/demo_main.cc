// xpu-demo: what './dev demo' runs.

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "control-plane/sandbox/sandbox.h"
#include "test/e2e/demo.h"
#include "test/e2e/demo_report.h"

namespace xpu::testing {
namespace {

void Print(const std::string& text) {
  fputs(text.c_str(), stdout);
  fflush(stdout);
}

int Fail(const absl::Status& status) {
  fprintf(stderr, "\nxpu-demo: %s\n", std::string(status.message()).c_str());
  return 1;
}

// Ctrl-C takes the sandbox away before the program ends. The signals must be blocked in every thread.
void TakeDownOnSignal(const std::string& dir) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals, dir] {
    int signal = 0;
    sigwait(&signals, &signal);
    fprintf(stderr, "\nxpu-demo: interrupted; taking the sandbox away\n");
    const bool down = Sandbox::Down(dir).ok();
    _exit(down ? 128 + signal : 1);
  }).detach();
}

void PrintHowToPlay(const Sandbox& sandbox) {
  const SandboxLayout& layout = sandbox.layout();
  const std::string& bin = sandbox.options().bin_dir;
  std::string servers;
  for (const std::string& cluster : sandbox.options().ClusterNames()) {
    absl::StrAppend(&servers, "  export XPU_SERVER=", layout.api_server(cluster),
                    sandbox.options().clusters == 1 ? "" : absl::StrCat("  # ", cluster), "\n");
  }
  Print(absl::StrCat("\nThe sandbox is still running. To play with it:\n", servers,  //
                     "  ", bin, "/xpuctl get netdevs\n",                             //
                     "  ", bin, "/xpuctl get networks -o yaml\n",                    //
                     "  ", bin, "/xpuctl sandbox status --dir ", layout.dir(), "\n", "  nsenter --net=",
                     layout.netns("pod-a"), " ip address\n", "  ", sandbox.options().ovs_dir,
                     "/bin/ovs-ofctl -OOpenFlow14 dump-flows unix:", layout.ovs_dir(0),
                     "/br-xpu.mgmt\n",  //
                     "  ls ", layout.log_dir(), "\n", "Take it away with './dev demo --down'.\n"));
}

int Run(SandboxOptions options, const std::string& examples, bool keep) {
  DemoReport report(Print);
  TakeDownOnSignal(options.dir);
  if (const absl::Status cleared = Sandbox::Down(options.dir); !cleared.ok()) return Fail(cleared);

  report.Heading(
      absl::StrCat("A sandbox with ", options.cards, " card of ", options.vfs, " VFs",
                   options.clusters == 1 ? "" : absl::StrCat(" and ", options.clusters, " API servers"),
                   " in ", options.dir));
  auto sandbox = Sandbox::Up(options, {.begin = [&](const std::string& step) { report.BeginStep(step); },
                                       .done = [&](absl::Duration took) { report.EndStep(took); }});
  if (!sandbox.ok()) return Fail(sandbox.status());

  const absl::Status status = RunDemo(*sandbox, examples, keep, report);
  const bool holds = status.ok() && report.Close();
  if (!status.ok()) Fail(status);
  if (keep) {
    PrintHowToPlay(*sandbox);
  } else if (const absl::Status down = Sandbox::Down(options.dir); !down.ok()) {
    return Fail(down);
  }
  return holds ? 0 : 1;
}

}  // namespace
}  // namespace xpu::testing

int main(int argc, char** argv) {
  xpu::SandboxOptions options{.name = "demo"};
  bool keep = false, down = false;
  std::string examples = XPU_SOURCE_DIR "/examples";
  CLI::App app("Shows the pair at work on this machine: emulated card, real switch, real packets",
               "xpu-demo");
  auto* keep_flag = app.add_flag("--keep", keep, "Leave the sandbox running, with its pods");
  app.add_flag("--down", down, "Take away a sandbox that was kept, or is left over")->excludes(keep_flag);
  app.add_option("--vfs", options.vfs, "VFs of the card")->capture_default_str();
  app.add_option("--clusters", options.clusters,
                 "API servers: 1 for all, 2 for the host and the card with a broker between them, 3 with one "
                 "in the middle and a broker on each side")
      ->capture_default_str();
  app.add_option("--dir", options.dir, "Folder of the sandbox (default: /run/xpu-sandbox/demo)");
  app.add_option("--examples", examples, "Folder with the manifests")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  if (const absl::Status status = options.Complete(); !status.ok()) return xpu::testing::Fail(status);
  if (!down) return xpu::testing::Run(options, examples, keep);
  const absl::Status status = xpu::Sandbox::Down(options.dir);
  return status.ok() ? 0 : xpu::testing::Fail(status);
}
