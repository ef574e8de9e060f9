#include "common/rpc/bad_request.h"

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "google/rpc/error_details.pb.h"

namespace xpu {
namespace {

constexpr char kTypeUrl[] = "type.googleapis.com/google.rpc.BadRequest";

// Whether that is how a field of a message is called: "svi.spec.gw_ip_prefix[1]".
bool IsField(absl::string_view text) {
  if (text.empty() || !absl::ascii_islower(text.front())) return false;
  for (const char c : text) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '_' && c != '.' && c != '[' && c != ']') {
      return false;
    }
  }
  return true;
}

}  // namespace

absl::Status WithViolations(absl::Status status, const std::vector<FieldViolation>& violations) {
  google::rpc::BadRequest details;
  for (const FieldViolation& violation : violations) {
    auto& added = *details.add_field_violations();
    added.set_field(violation.field);
    added.set_description(violation.why);
  }
  status.SetPayload(kTypeUrl, absl::Cord(details.SerializeAsString()));
  return status;
}

std::vector<FieldViolation> ViolationsOf(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  google::rpc::BadRequest details;
  if (const auto payload = status.GetPayload(kTypeUrl);
      payload.has_value() && details.ParseFromString(std::string(*payload))) {
    for (const auto& violation : details.field_violations()) {
      violations.push_back({violation.field(), violation.description()});
    }
    return violations;
  }
  const absl::string_view message = status.message();
  const size_t colon = message.find(": ");
  if (absl::IsInvalidArgument(status) && colon != absl::string_view::npos &&
      IsField(message.substr(0, colon))) {
    violations.push_back({std::string(message.substr(0, colon)), std::string(message.substr(colon + 2))});
  }
  return violations;
}

}  // namespace xpu
