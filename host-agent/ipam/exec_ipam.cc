#include "host-agent/ipam/exec_ipam.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/base/cni.h"
#include "common/base/status_macros.h"
#include "common/sys/process.h"
#include "host-agent/cni/cni_error.h"
#include "nlohmann/json.hpp"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

using nlohmann::json;

// Since it there is nothing new in what a plugin for addresses reads and answers.
constexpr char kVersionThatAllKnow[] = "1.0.0";
// Of standard error, in a message.
constexpr size_t kMaxQuote = 400;

// The program of a plugin, in the first folder of CNI_PATH that has it.
absl::StatusOr<std::string> FindPlugin(const IpamCall& call) {
  if (call.type.empty() || call.type == "." || call.type == ".." || absl::StrContains(call.type, '/')) {
    return CniErrorStatus(CniCode::kInvalidConfig,
                          absl::StrCat("ipam.type \"", call.type, "\" is no name of a plugin"),
                          "give the file name of the plugin, for example host-local");
  }
  for (absl::string_view folder : absl::StrSplit(call.path, ':', absl::SkipEmpty())) {
    if (!absl::StartsWith(folder, "/")) continue;
    std::string program = absl::StrCat(folder, "/", call.type);
    struct stat file {};
    if (stat(program.c_str(), &file) == 0 && S_ISREG(file.st_mode) && access(program.c_str(), X_OK) == 0) {
      return program;
    }
  }
  return WithCniCode(
      absl::NotFoundError(absl::StrCat("there is no IPAM plugin ", call.type, " in CNI_PATH \"", call.path,
                                       "\"; install it there, or correct ipam.type")),
      CniCode::kInvalidConfig);
}

// The plugin's own error, as it is, if that is what it wrote.
std::optional<absl::Status> ReadError(const std::string& type, const std::string& output) {
  const json object = json::parse(output, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return std::nullopt;
  const auto code = object.find("code");
  const auto msg = object.find("msg");
  if (code == object.end() || !code->is_number_unsigned() || msg == object.end() || !msg->is_string()) {
    return std::nullopt;
  }
  const auto details = object.find("details");
  return CniErrorStatus(
      static_cast<CniCode>(code->get<uint32_t>()),
      absl::StrCat("IPAM plugin ", type, ": ", msg->get<std::string>()),
      details != object.end() && details->is_string() ? details->get<std::string>() : std::string());
}

bool HasCode(const absl::Status& status, CniCode code) {
  return !status.ok() && ToCniFailure(status).code == code;
}

// The same configuration in a version that older plugins know; nothing if it is of such a version already.
std::optional<std::string> InOlderVersion(const std::string& config) {
  json object = json::parse(config, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return std::nullopt;
  const auto version = object.find("cniVersion");
  if (version == object.end() || *version != "1.1.0") return std::nullopt;
  *version = kVersionThatAllKnow;
  if (const auto prev = object.find("prevResult"); prev != object.end() && prev->is_object()) {
    (*prev)["cniVersion"] = kVersionThatAllKnow;
  }
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Whether the answer to VERSION (specification, section 2) has a version in its list.
bool Supports(const std::string& answer, std::string_view version) {
  const json object = json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return false;
  const auto supported = object.find("supportedVersions");
  return supported != object.end() && supported->is_array() &&
         std::find(supported->begin(), supported->end(), json(std::string(version))) != supported->end();
}

}  // namespace

// As FindPlugin says it; what a plugin says itself is never both.
bool IsPluginMissing(const absl::Status& status) {
  return absl::IsNotFound(status) && HasCode(status, CniCode::kInvalidConfig);
}

absl::StatusOr<IpamResult> ExecIpamRunner::Add(const IpamCall& call, const Attachment& attachment) {
  XPU_ASSIGN_OR_RETURN(const std::string output, Run("ADD", call, attachment));
  absl::StatusOr<IpamResult> result = ParseIpamResult(output);
  if (result.ok()) return result;
  return CniErrorStatus(
      CniCode::kDecodeFailure,
      absl::StrCat("IPAM plugin ", call.type, " answered no result: ", result.status().message()),
      output.substr(0, kMaxQuote));
}

absl::Status ExecIpamRunner::Del(const IpamCall& call, const Attachment& attachment) {
  const absl::Status status = Run("DEL", call, attachment).status();
  // "Does not exist": there is nothing to give back.
  return HasCode(status, CniCode::kContainerUnknown) ? absl::OkStatus() : status;
}

absl::Status ExecIpamRunner::Check(const IpamCall& call, const Attachment& attachment) {
  return Run("CHECK", call, attachment).status();
}

absl::Status ExecIpamRunner::Gc(const IpamCall& call) { return RunIfKnown("GC", call); }

absl::Status ExecIpamRunner::Status(const IpamCall& call) { return RunIfKnown("STATUS", call); }

absl::Status ExecIpamRunner::RunIfKnown(const char* command, const IpamCall& call) {
  XPU_ASSIGN_OR_RETURN(const std::string versions, Run("VERSION", call, Attachment()));
  if (!Supports(versions, kCniVersionOfGcAndStatus)) return absl::OkStatus();
  return Run(command, call, Attachment()).status();
}

absl::StatusOr<std::string> ExecIpamRunner::Run(const char* command, const IpamCall& call,
                                                const Attachment& attachment) {
  XPU_ASSIGN_OR_RETURN(const std::string program, FindPlugin(call));
  absl::StatusOr<std::string> output = RunOnce(program, command, call, attachment);
  if (!HasCode(output.status(), CniCode::kIncompatibleVersion)) return output;
  const std::optional<std::string> older = InOlderVersion(call.config);
  if (!older) return output;
  IpamCall again = call;
  again.config = *older;
  return RunOnce(program, command, again, attachment);
}

absl::StatusOr<std::string> ExecIpamRunner::RunOnce(const std::string& program, const char* command,
                                                    const IpamCall& call, const Attachment& attachment) {
  SpawnOptions options;
  options.argv = {program};
  options.input = call.config;
  options.environment = {{"CNI_COMMAND", command},        {"CNI_CONTAINERID", attachment.container_id},
                         {"CNI_NETNS", attachment.netns}, {"CNI_IFNAME", attachment.ifname},
                         {"CNI_ARGS", call.args},         {"CNI_PATH", call.path}};
  const absl::StatusOr<ProgramEnd> end =
      RunToEnd(options, absl::Now() + options_.deadline, options_.max_output);
  if (!end.ok()) return Annotate(end.status(), absl::StrCat("IPAM plugin ", call.type, ", ", command));
  absl::string_view errors = end->errors;
  errors = absl::StripAsciiWhitespace(errors).substr(0, kMaxQuote);
  if (end->status.ok()) {
    if (!errors.empty()) spdlog::debug("IPAM plugin {}, {}: {}", call.type, command, std::string(errors));
    return end->output;
  }
  if (const std::optional<absl::Status> error = ReadError(call.type, end->output)) return *error;
  return CniErrorStatus(
      CniCode::kInternal,
      absl::StrCat("IPAM plugin ", call.type, ": ", command, " ended with ", end->status.ToString()), errors);
}

}  // namespace xpu
