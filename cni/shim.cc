#include "cni/shim.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "cni/config_head.h"
#include "cni/grpc_call.h"
#include "cni/outcome.h"
#include "common/base/cni.h"
#include "xpu/hostagent/v1/host_agent.pb.h"

#define JSON_NO_IO 1
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using std::chrono::steady_clock;

// Far above what a runtime passes; a runaway producer must not fill the memory.
constexpr size_t kMaxConfig = size_t{1} << 20;

constexpr std::string_view kAbout =
    "xpu-cni is the CNI plugin of xpu: it gives a pod a function of the DPU.\n"
    "It is run by the container runtime, not by hand. Put it into the runtime's folder of plugins\n"
    "(usually /opt/cni/bin) and name it in a network configuration:\n"
    "\n"
    "  {\"cniVersion\": \"1.1.0\", \"name\": \"blue\", \"type\": \"xpu-cni\"}\n"
    "\n"
    "CNI_COMMAND says what to do: ADD, DEL, CHECK, GC, STATUS or VERSION. The work is done by "
    "xpu-host-agent,\n"
    "which is asked on /run/xpu/host-agent.sock, or where XPU_HOST_AGENT or \"hostAgentSocket\" of the "
    "configuration say.\n"
    "Versions of the CNI specification: ";

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno != EINTR) return false;
    if (n > 0) text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

std::string ToText(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

// Specification 1.1.0, section 5, "Error".
std::string ErrorObject(std::string_view cni_version, const CniFailure& failure) {
  nlohmann::ordered_json object{{"cniVersion", cni_version.empty() ? kNewestCniVersion : cni_version},
                                {"code", failure.code},
                                {"msg", failure.msg}};
  if (!failure.details.empty()) object["details"] = failure.details;
  return ToText(object);
}

// Section 5, "Version".
std::string VersionObject(std::string_view cni_version) {
  return ToText({{"cniVersion", cni_version.empty() ? kNewestCniVersion : cni_version},
                 {"supportedVersions", kCniVersions}});
}

// Reads on up to the end. `fd` may be closed, which is the same as empty.
Outcome<std::string> ReadConfig(int fd, std::string_view read_before, steady_clock::time_point deadline) {
  const std::string what = "cannot read the network configuration from standard input";
  std::string config(read_before);
  char buffer[8 << 10];
  while (true) {
    pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    const int ready = poll(&wait, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (ready == 0) {
      return CniFailure{kCniIoFailure, what, "its end did not come in time: the runtime must close it"};
    }
    if (wait.revents & POLLNVAL) return config;
    const ssize_t n = ready < 0 ? -1 : read(fd, buffer, sizeof buffer);
    if (n == 0) return config;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return CniFailure{kCniIoFailure, what, strerror(errno)};
    if (config.size() + static_cast<size_t>(n) > kMaxConfig) {
      return CniFailure{kCniIoFailure, what, "it is larger than 1 MiB"};
    }
    config.append(buffer, static_cast<size_t>(n));
  }
}

std::string SocketPath(const CniEnvironment& environment, const ConfigHead& head) {
  std::string_view socket = !environment.host_agent.empty()   ? environment.host_agent
                            : !head.host_agent_socket.empty() ? std::string_view(head.host_agent_socket)
                                                              : std::string_view(kDefaultHostAgentSocket);
  // The other programs of xpu write addresses this way.
  if (socket.starts_with("unix:")) socket.remove_prefix(5);
  return std::string(socket);
}

const char* MethodOf(CniCommand command) {
  switch (command) {
    case CniCommand::kAdd:
      return "/xpu.hostagent.v1.CniService/Add";
    case CniCommand::kDel:
      return "/xpu.hostagent.v1.CniService/Del";
    case CniCommand::kCheck:
      return "/xpu.hostagent.v1.CniService/Check";
    case CniCommand::kGc:
      return "/xpu.hostagent.v1.CniService/Gc";
    case CniCommand::kStatus:
    case CniCommand::kVersion:
      break;
  }
  return "/xpu.hostagent.v1.CniService/Status";
}

CniFailure ToFailure(const CallReply& reply, const std::string& socket) {
  switch (reply.end) {
    case CallEnd::kUnreachable:
      return {kCniTryAgainLater, "cannot reach the xpu host agent at " + socket + ": " + reply.why,
              "start it (systemctl start xpu-host-agent), or say where it listens: XPU_HOST_AGENT in the "
              "environment "
              "of the runtime, or \"hostAgentSocket\" in the network configuration"};
    case CallEnd::kTimedOut:
      return {kCniTryAgainLater, "the xpu host agent at " + socket + " did not answer: " + reply.why,
              "look into its log (journalctl -u xpu-host-agent); the call can be repeated"};
    case CallEnd::kBroken:
      return {kCniTryAgainLater,
              "lost the xpu host agent at " + socket + " in the middle of the call: " + reply.why,
              "if it was restarted, the call can be repeated; else look into its log (journalctl -u "
              "xpu-host-agent)"};
    case CallEnd::kAnswered:
      break;
  }
  constexpr int kDeadlineExceeded = 4;
  constexpr int kUnimplemented = 12;
  constexpr int kUnavailable = 14;
  CniFailure failure{kCniAgentFailure, "the xpu host agent failed: " + GrpcStatusName(reply.status),
                     reply.message};
  if (!reply.message.empty()) failure.msg += ": " + reply.message;
  if (reply.status == kUnavailable || reply.status == kDeadlineExceeded) failure.code = kCniTryAgainLater;
  if (reply.status == kUnimplemented) {
    failure.details =
        "the xpu host agent at " + socket + " is of another version than this plugin: update both";
  }
  return failure;
}

// What the agent wants written to standard output.
Outcome<std::string> AskHostAgent(const CniEnvironment& environment, const ConfigHead& head,
                                  std::string config, steady_clock::time_point deadline,
                                  std::string& error_version) {
  hostagent::v1::CniRequest request;
  request.set_container_id(environment.container_id.data(), environment.container_id.size());
  request.set_netns(environment.netns.data(), environment.netns.size());
  request.set_ifname(environment.ifname.data(), environment.ifname.size());
  request.set_args(environment.args.data(), environment.args.size());
  request.set_path(environment.path.data(), environment.path.size());
  request.set_config(std::move(config));

  const std::string socket = SocketPath(environment, head);
  const CallReply reply =
      CallUnary(socket, MethodOf(environment.command), request.SerializeAsString(), deadline);
  if (reply.end != CallEnd::kAnswered || reply.status != 0) {
    CniFailure failure = ToFailure(reply, socket);
    // Whatever the reason, nobody would serve an ADD; what is attached does not need the agent.
    if (environment.command == CniCommand::kStatus) failure.code = kCniNotAvailable;
    return failure;
  }

  hostagent::v1::CniResponse response;
  if (!response.ParseFromString(reply.response)) {
    return CniFailure{kCniAgentFailure, "cannot understand the answer of the xpu host agent at " + socket,
                      "plugin and agent are of different versions: update both"};
  }
  if (response.has_error()) {
    const hostagent::v1::CniError& error = response.error();
    if (!error.cni_version().empty()) error_version = error.cni_version();
    return CniFailure{error.code(), error.msg(), error.details()};
  }
  return std::string(response.result());
}

int Fail(const ShimOptions& options, std::string_view cni_version, const CniFailure& failure) {
  WriteAll(options.out, ErrorObject(cni_version, failure));
  return 1;
}

void WriteAbout(int fd) {
  std::string about(kAbout);
  for (std::string_view version : kCniVersions)
    about.append(version).append(version == kNewestCniVersion ? "\n" : ", ");
  WriteAll(fd, about);
}

}  // namespace

int RunShim(const ShimOptions& options) {
  const steady_clock::time_point deadline = steady_clock::now() + options.time_allowed;
  const char* command = options.get_variable("CNI_COMMAND");
  if (command == nullptr || *command == '\0') {
    WriteAbout(options.err);
    // A person has now been told; a program reads standard output.
    if (isatty(options.out)) return 1;
  }
  const Outcome<CniEnvironment> environment = ReadCniEnvironment(options.get_variable);
  if (!environment.ok()) return Fail(options, "", environment.failure());

  Outcome<std::string> config = ReadConfig(options.in, options.read_before, deadline);
  if (!config.ok()) return Fail(options, "", config.failure());
  const bool version = environment->command == CniCommand::kVersion;
  ConfigHead head;
  if (!version || !config->empty()) {
    Outcome<ConfigHead> read = ReadConfigHead(*config);
    if (!read.ok()) return Fail(options, "", read.failure());
    head = std::move(*read);
  }
  if (version) return WriteAll(options.out, VersionObject(head.cni_version)) ? 0 : 1;

  std::string error_version = head.cni_version;
  const Outcome<std::string> answer =
      AskHostAgent(*environment, head, std::move(*config), deadline, error_version);
  if (!answer.ok()) return Fail(options, error_version, answer.failure());
  return WriteAll(options.out, *answer) ? 0 : 1;
}

}  // namespace xpu
