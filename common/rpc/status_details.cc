#include "common/rpc/status_details.h"

#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "common/rpc/bad_request.h"
#include "google/rpc/status.pb.h"

namespace xpu {
namespace {

// Of payloads that are messages.
constexpr char kTypeUrlPrefix[] = "type.googleapis.com/";

}  // namespace

std::string StatusDetails(const absl::Status& status) {
  absl::Status complete = status;
  if (const std::vector<FieldViolation> violations = ViolationsOf(status); !violations.empty()) {
    complete = WithViolations(status, violations);
  }
  google::rpc::Status details;
  complete.ForEachPayload([&details](absl::string_view type_url, const absl::Cord& value) {
    // Others are not for the other side.
    if (!absl::StartsWith(type_url, kTypeUrlPrefix)) return;
    auto& detail = *details.add_details();
    detail.set_type_url(std::string(type_url));
    detail.set_value(std::string(value));
  });
  if (details.details().empty()) return std::string();
  details.set_code(static_cast<int>(status.code()));
  details.set_message(std::string(status.message()));
  return details.SerializeAsString();
}

absl::Status WithDetails(absl::Status status, absl::string_view details) {
  google::rpc::Status read;
  if (details.empty() || !read.ParseFromArray(details.data(), static_cast<int>(details.size())))
    return status;
  for (const auto& detail : read.details()) {
    if (absl::StartsWith(detail.type_url(), kTypeUrlPrefix)) {
      status.SetPayload(detail.type_url(), absl::Cord(detail.value()));
    }
  }
  return status;
}

}  // namespace xpu
