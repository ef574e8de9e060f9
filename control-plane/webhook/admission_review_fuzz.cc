// Any bytes posted to the webhook: an answer with the request's uid that says why if it refuses, or an error.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "control-plane/webhook/admission_review.h"

namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const nlohmann::json review =
      nlohmann::json::parse(bytes.begin(), bytes.end(), nullptr, /*allow_exceptions=*/false);
  const absl::StatusOr<nlohmann::json> answer = xpu::webhook::Review(review);
  if (!answer.ok()) {
    Check(!answer.status().message().empty());
    return 0;
  }
  const nlohmann::json& response = answer->at("response");
  Check(response.at("uid") == review.at("request").at("uid"));
  if (!response.at("allowed").get<bool>()) {
    Check(response.at("status").at("code") == 422);
    Check(!response.at("status").at("message").get<std::string>().empty());
  }
  return 0;
}
