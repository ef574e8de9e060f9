#include "control-plane/apiserver/http/query.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {

std::string Query(const HttpRequest& request, const std::string& name) {
  const auto it = request.query.find(name);
  return it == request.query.end() ? "" : it->second;
}

bool Flag(const HttpRequest& request, const std::string& name) {
  const auto it = request.query.find(name);
  return it != request.query.end() && it->second != "0" && !absl::EqualsIgnoreCase(it->second, "false");
}

absl::StatusOr<std::optional<int64_t>> Number(const HttpRequest& request, const std::string& name) {
  const std::string text = Query(request, name);
  if (text.empty()) return std::nullopt;
  int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < 0) {
    return BadRequest(absl::StrCat(name, " must be a number, not \"", text, "\""));
  }
  return value;
}

absl::StatusOr<api::Selector> SelectorOf(const api::KindInfo& kind, const HttpRequest& request) {
  absl::StatusOr<api::Selector> selector =
      api::Selector::Parse(Query(request, "labelSelector"), Query(request, "fieldSelector"));
  if (!selector.ok()) return BadRequest(selector.status().message());
  if (absl::Status fields = selector->CheckFields(kind); !fields.ok()) return BadRequest(fields.message());
  return selector;
}

absl::StatusOr<bool> IsDryRun(const HttpRequest& request) {
  const std::string text = Query(request, "dryRun");
  if (text.empty()) return false;
  if (text == "All") return true;
  return BadRequest(absl::StrCat("dryRun: Unsupported value: \"", text, "\": supported values: \"All\""));
}

}  // namespace xpu::apiserver
