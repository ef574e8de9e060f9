#include "control-plane/apiserver/http/continue_token.h"

#include "absl/strings/escaping.h"
#include "control-plane/apiserver/store/api_error.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

using nlohmann::json;

std::string WriteContinue(const ContinueToken& token) {
  return absl::WebSafeBase64Escape(json({token.version, token.after.ns, token.after.name}).dump());
}

absl::StatusOr<ContinueToken> ReadContinue(absl::string_view text) {
  std::string bytes;
  if (absl::WebSafeBase64Unescape(text, &bytes)) {
    const json parts = json::parse(bytes, nullptr, /*allow_exceptions=*/false);
    if (parts.is_array() && parts.size() == 3 && parts[0].is_number_unsigned() && parts[1].is_string() &&
        parts[2].is_string()) {
      return ContinueToken{parts[0].get<int64_t>(),
                           {parts[1].get<std::string>(), parts[2].get<std::string>()}};
    }
  }
  return Expired("the continue parameter is none of this server's; list again without it");
}

}  // namespace xpu::apiserver
