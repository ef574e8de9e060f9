#include "test/lib/ovs/test_ovs.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"

namespace xpu::testing {
namespace {

constexpr char kOvsDir[] = XPU_OVS_DIR;
constexpr absl::string_view kOvsDpdkDir = XPU_OVS_DPDK_DIR;
constexpr absl::Duration kStartTimeout = absl::Seconds(30);

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Waits until `line` stands in the file `log` (which need not exist yet) in `dir`, or `process` has ended.
absl::Status AwaitLogLine(int inotify_fd, const std::string& log, const std::string& line,
                          const ChildProcess& process) {
  const absl::Time deadline = absl::Now() + kStartTimeout;
  for (;;) {
    const std::string text = ReadFile(log);
    if (absl::StrContains(text, line)) return absl::OkStatus();
    pollfd fds[] = {{.fd = inotify_fd, .events = POLLIN, .revents = 0},
                    {.fd = process.pidfd(), .events = POLLIN, .revents = 0}};
    const auto left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0 || poll(fds, 2, static_cast<int>(left)) == 0) {
      return absl::DeadlineExceededError(absl::StrCat("not ready in time; its log: ", text));
    }
    if (fds[1].revents != 0) return absl::InternalError(absl::StrCat("ended at once; its log: ", text));
    char events[4096];
    (void)!read(inotify_fd, events, sizeof(events));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<TestOvs>> TestOvs::Start(Clock clock) {
  XPU_ASSIGN_OR_RETURN(auto netns, TestNetns::Create());
  auto ovs = absl::WrapUnique(new TestOvs);
  ovs->clock_ = clock;
  ovs->netns_ = netns.get();
  ovs->own_netns_ = std::move(netns);
  XPU_RETURN_IF_ERROR(ovs->StartAll());
  return ovs;
}

absl::StatusOr<std::unique_ptr<TestOvs>> TestOvs::StartIn(TestNetns& netns) {
  auto ovs = absl::WrapUnique(new TestOvs);
  ovs->netns_ = &netns;
  XPU_RETURN_IF_ERROR(ovs->StartAll());
  return ovs;
}

absl::StatusOr<std::unique_ptr<TestOvs>> TestOvs::StartWithDpdk() {
  if (kOvsDpdkDir.empty())
    return absl::FailedPreconditionError(
        "there is no ovs-vswitchd with DPDK; run cmake/unpack-openvswitch-dpdk.sh and configure again");
  XPU_ASSIGN_OR_RETURN(auto netns, TestNetns::Create());
  auto ovs = absl::WrapUnique(new TestOvs);
  ovs->dpdk_dir_ = std::string(kOvsDpdkDir);
  ovs->netns_ = netns.get();
  ovs->own_netns_ = std::move(netns);
  XPU_RETURN_IF_ERROR(ovs->StartAll());
  return ovs;
}

TestOvs::~TestOvs() {
  vswitchd_.Kill();
  ovsdb_server_.Kill();
  std::error_code ignored;
  if (!dir_.empty()) std::filesystem::remove_all(dir_, ignored);
}

absl::Status TestOvs::StartAll() {
  // Short, because a unix socket's path is limited to 107 bytes.
  char dir[] = "/tmp/xpu-ovs-XXXXXX";
  if (mkdtemp(dir) == nullptr) return absl::ErrnoToStatus(errno, "mkdtemp");
  dir_ = dir;
  XPU_RETURN_IF_ERROR(EmptyDatabase());
  XPU_RETURN_IF_ERROR(StartOvsdbServer());
  return StartVswitchd();
}

absl::Status TestOvs::EmptyDatabase() const {
  std::error_code ignored;
  std::filesystem::remove(dir_ + "/conf.db", ignored);
  return Tool("ovsdb-tool", {"create", dir_ + "/conf.db", absl::StrCat(kOvsDir, "/share/vswitch.ovsschema")})
      .status();
}

absl::StatusOr<ChildProcess> TestOvs::StartDaemon(const std::string& program, std::vector<std::string> args) {
  const std::string log = absl::StrCat(dir_, "/", program, ".", ++starts_, ".log");
  std::string path = absl::StrCat(kOvsDir, "/bin/", program);
  std::map<std::string, std::string> env = {{"OVS_RUNDIR", dir_}, {"OVS_LOGDIR", dir_}, {"OVS_DBDIR", dir_}};
  // Its name as it tells it.
  std::string name = program;
  if (program == "ovs-vswitchd" && !dpdk_dir_.empty()) {
    name += "-dpdk";
    path = absl::StrCat(dpdk_dir_, "/", name);
    env.insert({{"LD_LIBRARY_PATH", dpdk_dir_ + "/lib"}, {"RUNTIME_DIRECTORY", dir_}});
  }
  UniqueFd inotify(inotify_init1(IN_CLOEXEC));
  if (!inotify || inotify_add_watch(inotify.get(), dir_.c_str(), IN_CREATE | IN_MODIFY) < 0) {
    return absl::ErrnoToStatus(errno, "inotify");
  }
  std::vector<std::string> argv = {path,
                                   absl::StrCat("--unixctl=", dir_, "/", program, ".ctl"),
                                   "--log-file=" + log,
                                   "--syslog-method=null",
                                   "-vconsole:off",
                                   "-vfile:info"};
  argv.insert(argv.end(), args.begin(), args.end());
  auto child =
      ChildProcess::Start({.argv = std::move(argv), .env = std::move(env), .netns_fd = netns_->fd()});
  if (!child.ok()) return child;
  // Both daemons log their version as the last thing of starting, when their sockets accept.
  XPU_RETURN_IF_ERROR(Annotate(AwaitLogLine(inotify.get(), log, name + " (Open vSwitch)", *child), name));
  if (program == "ovs-vswitchd") vswitchd_log_ = log;
  return child;
}

absl::Status TestOvs::StartOvsdbServer() {
  XPU_ASSIGN_OR_RETURN(
      ovsdb_server_, StartDaemon("ovsdb-server", {"--remote=punix:" + dir_ + "/db.sock", dir_ + "/conf.db"}));
  return absl::OkStatus();
}

absl::Status TestOvs::AskForDpdk() const {
  // Memory of ordinary pages, no hardware, no files where other programs with DPDK have theirs, and of the
  // libraries that make devices only those that are needed.
  static constexpr char kArguments[] =
      "--no-huge --legacy-mem -m 128 --no-pci --no-telemetry --no-shconf "
      "-d librte_mempool_ring.so.23 -d librte_bus_vdev.so.23 -d librte_net_af_packet.so.23";
  return Vsctl({"--no-wait", "init", "--", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true",
                // Microseconds.
                "other_config:pmd-maxsleep=200",
                absl::StrCat("other_config:dpdk-extra=\"", kArguments, "\"")})
      .status();
}

std::string TestOvs::DpdkDevice(int number, const std::string& interface) {
  return absl::StrCat("eth_af_packet", number, ",iface=", interface);
}

absl::Status TestOvs::StartVswitchd() {
  if (!dpdk_dir_.empty()) XPU_RETURN_IF_ERROR(AskForDpdk());
  std::vector<std::string> args = {remote()};
  // Without an argument it replaces nothing, and brings the commands that stop the clock.
  if (clock_ == Clock::kStoppable) args.emplace_back("--enable-dummy");
  XPU_ASSIGN_OR_RETURN(vswitchd_, StartDaemon("ovs-vswitchd", std::move(args)));
  return absl::OkStatus();
}

absl::StatusOr<std::string> TestOvs::Tool(const std::string& program, std::vector<std::string> args) const {
  args.insert(args.begin(), absl::StrCat(kOvsDir, "/bin/", program));
  return CheckedCommand({.argv = std::move(args), .env = {{"OVS_RUNDIR", dir_}}, .netns_fd = netns_->fd()});
}

absl::StatusOr<std::string> TestOvs::Ofctl(std::vector<std::string> args) const {
  args.insert(args.begin(), {"-O", "OpenFlow14"});
  return Tool("ovs-ofctl", std::move(args));
}

absl::StatusOr<std::string> TestOvs::Vsctl(std::vector<std::string> args) const {
  args.insert(args.begin(), {"--db=" + remote(), "--timeout=20"});
  return Tool("ovs-vsctl", std::move(args));
}

absl::StatusOr<std::string> TestOvs::Appctl(std::vector<std::string> args) const {
  args.insert(args.begin(), {"--target=" + dir_ + "/ovs-vswitchd.ctl", "--timeout=20"});
  return Tool("ovs-appctl", std::move(args));
}

absl::Status TestOvs::AddBridge(const std::string& bridge) {
  return Vsctl({"add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev", "fail_mode=secure",
                "protocols=[OpenFlow14,OpenFlow15]"})
      .status();
}

absl::Status TestOvs::AddPort(const std::string& bridge, const std::string& interface, int ofport) {
  XPU_RETURN_IF_ERROR(Vsctl({"add-port", bridge, interface, "--", "set", "interface", interface,
                             absl::StrCat("ofport_request=", ofport)})
                          .status());
  XPU_ASSIGN_OR_RETURN(std::string given, Vsctl({"get", "interface", interface, "ofport", "error"}));
  if (!absl::StartsWith(given, absl::StrCat(ofport, "\n"))) {
    return absl::InternalError(
        absl::StrCat("port ", interface, ": asked for number ", ofport, ", the switch answered ", given));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> TestOvs::DumpFlows(const std::string& bridge) const {
  XPU_ASSIGN_OR_RETURN(std::string text, Ofctl({"--no-stats", "--no-names", "dump-flows", bridge}));
  std::vector<std::string> flows;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipWhitespace())) {
    flows.emplace_back(absl::StripLeadingAsciiWhitespace(line));
  }
  // The switch has no order among flows of one priority.
  std::sort(flows.begin(), flows.end());
  return flows;
}

absl::Status TestOvs::AwaitRevalidation() const { return Appctl({"revalidator/wait"}).status(); }

absl::Status TestOvs::AwaitKernelNews() const {
  // The kernel has put its news into the sockets of ovs-vswitchd before whoever changed something was
  // answered, and each turn of its loop ends with reading all of them, after the commands that had come. So
  // the turn that answers this one has read them before the next turn begins.
  return Appctl({"version"}).status();
}

std::string TestOvs::VswitchdLog() const {
  const std::string text = ReadFile(vswitchd_log_);
  return text.size() > 4000 ? text.substr(text.size() - 4000) : text;
}

}  // namespace xpu::testing
