#include "control-plane/sandbox/sandbox.h"

#include <signal.h>

#include <algorithm>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/sys/files.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/process.h"
#include "control-plane/sandbox/cleanup.h"
#include "control-plane/sandbox/process_record.h"

namespace xpu {
namespace {

// Only a program that hangs takes that long.
constexpr absl::Duration kStartDeadline = absl::Seconds(60);
constexpr absl::Duration kStopGrace = absl::Seconds(10);

// The end of a log, for the message of what failed.
std::string Tail(const std::string& path) {
  const auto text = ReadFile(path);
  if (!text.ok()) return "";
  std::vector<std::string> lines = absl::StrSplit(*text, '\n', absl::SkipEmpty());
  if (lines.size() > 15) lines.erase(lines.begin(), lines.end() - 15);
  return absl::StrCat("\n", path, " ends with:\n  ", absl::StrJoin(lines, "\n  "));
}

absl::StatusOr<ProcessRecord> RecordFromPidfile(const std::string& path) {
  XPU_ASSIGN_OR_RETURN(const std::string text, ReadTrimmed(path));
  pid_t pid = 0;
  if (!absl::SimpleAtoi(text, &pid)) return absl::DataLossError(absl::StrCat(path, " holds no pid"));
  return ProcessRecord::Of(pid);
}

absl::Status RunIn(const std::string& netns, const std::vector<std::string>& command) {
  NetNamespacesReal namespaces;
  XPU_ASSIGN_OR_RETURN(const auto ns, namespaces.Open(netns));
  return RunProgram({.argv = command, .net_namespace = ns}, absl::Now() + kStartDeadline).status();
}

absl::Status Launch(const ProcessSpec& spec, const SandboxLayout& layout) {
  const absl::Time deadline = absl::Now() + kStartDeadline;
  NetNamespacesReal namespaces;
  XPU_ASSIGN_OR_RETURN(const auto ns, namespaces.Open(layout.netns(spec.netns)));
  SpawnOptions options{
      .environment = spec.environment, .net_namespace = ns, .log_file = layout.log(spec.name)};
  for (const auto& [path, text] : spec.files) XPU_RETURN_IF_ERROR(WriteFileAtomic(path, text));
  for (const auto& command : spec.prepare) {
    options.argv = command;
    XPU_RETURN_IF_ERROR(RunProgram(options, deadline).status());
  }
  options.argv = spec.argv;
  if (!spec.pidfile.empty()) {
    XPU_RETURN_IF_ERROR(RunProgram(options, deadline).status());
    XPU_ASSIGN_OR_RETURN(const ProcessRecord record, RecordFromPidfile(spec.pidfile));
    return record.Write(layout.record(spec.name));
  }
  XPU_ASSIGN_OR_RETURN(ReadinessSocket readiness, ReadinessSocket::Make(layout.dir() + "/notify.sock"));
  options.environment.push_back(readiness.environment());
  XPU_ASSIGN_OR_RETURN(Process process, Process::Spawn(options));
  XPU_ASSIGN_OR_RETURN(const ProcessRecord record, ProcessRecord::Of(process.pid()));
  XPU_RETURN_IF_ERROR(record.Write(layout.record(spec.name)));
  XPU_RETURN_IF_ERROR(readiness.Wait(process, deadline));
  process.Release();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Sandbox> Sandbox::Up(SandboxOptions options, const Progress& progress) {
  XPU_RETURN_IF_ERROR(options.Complete());
  const SandboxLayout layout(options.dir);
  if (const auto entries = ListDirectory(options.dir); entries.ok() && !entries->empty()) {
    return absl::AlreadyExistsError(
        absl::StrCat("there is a sandbox in ", options.dir,
                     ", or what is left of one: take it away first (xpuctl sandbox "
                     "down --dir ",
                     options.dir, ")"));
  }
  Sandbox sandbox(std::move(options));
  if (absl::Status status = sandbox.Build(progress); !status.ok()) {
    // The first error is the one that explains; what clearing up says comes second.
    if (const absl::Status cleared = Down(sandbox.options_.dir); !cleared.ok()) {
      return Annotate(status, absl::StrCat("(and clearing up failed: ", cleared.message(), ")"));
    }
    return status;
  }
  return sandbox;
}

absl::Status Sandbox::MakeFolders() const {
  for (const std::string& dir : {layout_.netns_dir(), layout_.log_dir(), layout_.record_dir(),
                                 layout_.plugin_dir(), layout_.host_sysfs()}) {
    XPU_RETURN_IF_ERROR(MakeDirectories(dir));
  }
  for (int card = 0; card < options_.cards; ++card) {
    XPU_RETURN_IF_ERROR(MakeDirectories(layout_.dpu_sysfs(card)));
    XPU_RETURN_IF_ERROR(MakeDirectories(layout_.ovs_dir(card)));
  }
  // First of all files: with it, Down and Open know the folder.
  return WriteFileAtomic(layout_.options_file(), options_.ToJson());
}

absl::Status Sandbox::Build(const Progress& progress) {
  const auto step = [&](const std::string& what, const std::function<absl::Status()>& work) {
    progress.begin(what);
    const absl::Time start = absl::Now();
    const absl::Status status = work();
    if (status.ok()) progress.done(absl::Now() - start);
    return Annotate(status, what);
  };
  XPU_RETURN_IF_ERROR(step("network namespaces", [&]() -> absl::Status {
    XPU_RETURN_IF_ERROR(MakeFolders());
    XPU_RETURN_IF_ERROR(CreateBoundNamespace(layout_.netns("host")));
    XPU_RETURN_IF_ERROR(CreateBoundNamespace(layout_.netns("fabric")));
    for (int card = 0; card < options_.cards; ++card) {
      XPU_RETURN_IF_ERROR(CreateBoundNamespace(layout_.netns(layout_.dpu_name(card))));
    }
    return absl::OkStatus();
  }));
  XPU_RETURN_IF_ERROR(step("physical ports", [&]() -> absl::Status {
    for (const auto& [name, command] : FabricCommands(options_)) {
      XPU_RETURN_IF_ERROR(RunIn(layout_.netns(name), command));
    }
    return absl::OkStatus();
  }));
  for (const ProcessSpec& spec : processes_) {
    XPU_RETURN_IF_ERROR(step(spec.name, [&] { return Start(spec.name); }));
  }
  return absl::OkStatus();
}

absl::StatusOr<Sandbox> Sandbox::Open(const std::string& dir) {
  const auto text = ReadFile(SandboxLayout(dir).options_file());
  if (!text.ok()) {
    return absl::NotFoundError(
        absl::StrCat("there is no sandbox in ", dir, ": make one with 'xpuctl sandbox up'"));
  }
  XPU_ASSIGN_OR_RETURN(SandboxOptions options, SandboxOptions::FromJson(*text));
  return Sandbox(std::move(options));
}

absl::Status Sandbox::Down(const std::string& dir) { return ClearSandbox(dir); }

absl::StatusOr<const ProcessSpec*> Sandbox::Find(const std::string& process) const {
  std::vector<std::string> names;
  for (const ProcessSpec& spec : processes_) {
    if (spec.name == process) return &spec;
    names.push_back(spec.name);
  }
  return absl::NotFoundError(
      absl::StrCat("the sandbox has no process \"", process, "\"; it has ", absl::StrJoin(names, ", ")));
}

std::vector<Sandbox::ProcessState> Sandbox::Status() const {
  std::vector<ProcessState> states;
  for (const ProcessSpec& spec : processes_) {
    ProcessState state{.name = spec.name, .log = layout_.log(spec.name), .sockets = spec.sockets};
    if (const auto record = ProcessRecord::Read(layout_.record(spec.name)); record.ok()) {
      state.pid = record->pid;
      state.alive = record->Alive();
    }
    states.push_back(std::move(state));
  }
  return states;
}

absl::Status Sandbox::Start(const std::string& process) {
  XPU_ASSIGN_OR_RETURN(const ProcessSpec* spec, Find(process));
  if (const auto record = ProcessRecord::Read(layout_.record(process)); record.ok() && record->Alive()) {
    return absl::FailedPreconditionError(absl::StrCat(process, " runs already, as process ", record->pid));
  }
  absl::Status status = Launch(*spec, layout_);
  for (const auto& command : spec->finish) {
    if (status.ok()) status = RunIn(layout_.netns(spec->netns), command);
  }
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(status.message(), Tail(layout_.log(process))));
}

absl::Status Sandbox::Kill(const std::string& process, int signal) {
  XPU_RETURN_IF_ERROR(Find(process).status());
  const auto record = ProcessRecord::Read(layout_.record(process));
  if (absl::IsNotFound(record.status())) return absl::OkStatus();
  XPU_RETURN_IF_ERROR(record.status());
  return record->End(signal, kStopGrace);
}

absl::Status Sandbox::AddPodNamespace(const std::string& name) {
  return CreateBoundNamespace(layout_.netns(name));
}

absl::Status Sandbox::RemovePodNamespace(const std::string& name) {
  return ClearNamespace(layout_.netns(name));
}

}  // namespace xpu
