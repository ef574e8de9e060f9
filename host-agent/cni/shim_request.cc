#include "host-agent/cni/shim_request.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/json/strict_json.h"
#include "host-agent/cni/cni_error.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;

absl::Status NotARequest(absl::string_view why) {
  return CniErrorStatus(
      CniCode::kDecodeFailure, absl::StrCat("the request of the CNI plugin: ", why),
      "it is an object with \"env\", the plugin's environment, and \"config\", its standard "
      "input in base64");
}

}  // namespace

absl::StatusOr<ShimRequest> ParseShimRequest(absl::string_view body) {
  const absl::StatusOr<json> object = ParseStrictJson(body);
  if (!object.ok()) return NotARequest(object.status().message());
  if (!object->is_object()) return NotARequest(absl::StrCat("it is ", object->type_name()));

  ShimRequest request;
  request.parameters.ifname = "eth0";
  const auto env = object->find("env");
  if (env == object->end() || !env->is_object()) return NotARequest("env is no object");
  const std::pair<const char*, std::string*> variables[] = {
      {"CNI_COMMAND", &request.command},        {"CNI_CONTAINERID", &request.parameters.container_id},
      {"CNI_NETNS", &request.parameters.netns}, {"CNI_IFNAME", &request.parameters.ifname},
      {"CNI_ARGS", &request.parameters.args},   {"CNI_PATH", &request.parameters.path}};
  for (const auto& [name, value] : variables) {
    const auto found = env->find(name);
    if (found == env->end()) continue;
    if (!found->is_string()) return NotARequest(absl::StrCat("env.", name, " is no string"));
    *value = found->get<std::string>();
  }
  if (request.command != "ADD" && request.command != "DEL" && request.command != "CHECK") {
    return CniErrorStatus(CniCode::kInvalidEnvironment,
                          absl::StrCat("CNI_COMMAND \"", request.command, "\" is not known"),
                          "it must be one of ADD, DEL, CHECK");
  }

  const auto config = object->find("config");
  if (config == object->end() || config->is_null()) return request;
  if (!config->is_string() || !absl::Base64Unescape(config->get<std::string>(), &request.config)) {
    return NotARequest("config is no base64");
  }
  return request;
}

std::string FormatShimAnswer(absl::string_view result) {
  return absl::StrCat("{\"Result\":", result.empty() ? "null" : result, "}");
}

}  // namespace xpu
