#include "test/lab/machine_monitor.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/status_macros.h"
#include "common/sys/files.h"

namespace xpu::testing {
namespace {

constexpr char kPorts[] = "/sys/class/virtio-ports";
// The machine is slow where it is emulated.
constexpr int kDeadlineMs = 60'000;

// A message that is an event, or something that answers an earlier command, is not ours.
bool IsEvent(const nlohmann::json& message, const std::string& name, const std::string& device) {
  return message.value("event", "") == name && message["data"].value("device", "") == device;
}

}  // namespace

absl::StatusOr<MachineMonitor> MachineMonitor::Open() {
  XPU_ASSIGN_OR_RETURN(const std::vector<std::string> ports, ListDirectory(kPorts));
  for (const std::string& port : ports) {
    XPU_ASSIGN_OR_RETURN(const std::string name, ReadTrimmed(absl::StrCat(kPorts, "/", port, "/name")));
    if (name != "qmp") continue;
    UniqueFd fd(open(absl::StrCat("/dev/", port).c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open /dev/", port));
    MachineMonitor monitor(std::move(fd));
    // What an earlier one left unread, the greeting among it, is passed over by Execute.
    XPU_RETURN_IF_ERROR(monitor.Execute("qmp_capabilities", "{}"));
    return monitor;
  }
  return absl::NotFoundError("the machine has no port to its monitor");
}

absl::StatusOr<std::string> MachineMonitor::ReadLine() {
  while (true) {
    if (const size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    pollfd ready{fd_.get(), POLLIN, 0};
    const int count = poll(&ready, 1, kDeadlineMs);
    if (count == 0) return absl::DeadlineExceededError("the machine's monitor does not answer");
    char part[4096];
    const ssize_t got = read(fd_.get(), part, sizeof part);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got <= 0) return absl::UnavailableError("the machine's monitor has gone");
    buffer_.append(part, static_cast<size_t>(got));
  }
}

absl::Status MachineMonitor::Execute(const std::string& command, const std::string& arguments) {
  // An id of its own for each command, also across those who had the port before.
  const std::string id = absl::StrCat(getpid(), "-", absl::GetCurrentTimeNanos());
  const nlohmann::json request = {
      {"execute", command}, {"arguments", nlohmann::json::parse(arguments)}, {"id", id}};
  const std::string line = request.dump() + "\n";
  if (write(fd_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    return absl::ErrnoToStatus(errno, "cannot write to the machine's monitor");
  }
  while (true) {
    XPU_ASSIGN_OR_RETURN(const std::string answer, ReadLine());
    const nlohmann::json message = nlohmann::json::parse(answer, nullptr, false);
    if (message.is_discarded() || message.value("id", "") != id) continue;
    if (!message.contains("error")) return absl::OkStatus();
    const std::string why = message["error"].value("desc", "");
    // Another test of the same boot had the port already.
    if (command == "qmp_capabilities") return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(command, " ", arguments, ": ", why));
  }
}

absl::Status MachineMonitor::Unplug(const std::string& id) {
  XPU_RETURN_IF_ERROR(Execute("device_del", nlohmann::json{{"id", id}}.dump()));
  while (true) {
    XPU_ASSIGN_OR_RETURN(const std::string line, ReadLine());
    const nlohmann::json message = nlohmann::json::parse(line, nullptr, false);
    if (!message.is_discarded() && IsEvent(message, "DEVICE_DELETED", id)) return absl::OkStatus();
  }
}

absl::Status MachineMonitor::Plug(const std::string& id, const std::string& slot, const std::string& wire,
                                  const std::string& mac) {
  return Execute(
      "device_add",
      nlohmann::json{{"driver", "igb"}, {"id", id}, {"bus", slot}, {"netdev", wire}, {"mac", mac}}.dump());
}

absl::Status MachineMonitor::SetCable(const std::string& id, bool plugged) {
  return Execute("set_link", nlohmann::json{{"name", id}, {"up", plugged}}.dump());
}

}  // namespace xpu::testing
